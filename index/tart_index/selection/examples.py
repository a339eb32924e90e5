"""Examples: rows with their input, target and task told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tart.readers.rows import RowError, shown_names, shown_value
from tart_index.selection.layouts import RowLayout

_JOINED_BY = "\n\n"
_SPEAKERS = ("role", "from")
_SAID = ("content", "value")
_ANSWERS = frozenset({"assistant", "gpt", "model", "chatgpt", "bing", "bard"})


class Example(NamedTuple):
    """One row of a pool or of a target.

    Attributes:
        id: Unique in its source.
        input: What a model is asked: the text that is compared. Not blank.
        target: What a model should answer; None where it is not known.
        task: Which task it belongs to; None where that is not said.
        values: The row as it was.
    """

    id: str
    input: str
    target: str | None
    task: str | None
    values: Mapping[str, Any]

    @property
    def whole(self) -> str:
        """Input and target together."""
        return self.input if self.target is None else f"{self.input}\n{self.target}"


def example_from_row(values: Mapping[str, object], layout: RowLayout, number: int) -> Example:
    """The example of one row; `number` counts rows from 0 and stands for an id where there is none.

    Raises:
        RowError: The row lacks a field, or holds something that is no text.
    """
    fields = layout.fields
    if layout.is_chat:
        asked, answered = _conversation(values, fields.input[0])
    else:
        asked = _input(values, layout)
        answered = _target(values, fields.target)
    if not asked.strip():
        names = " and ".join(map(repr, fields.input))
        raise RowError("blank text", f"no text in {names}; wanted an input that is not blank")
    for text in (asked, answered or ""):
        _refuse_surrogates(text)
    return Example(_id(values, fields.id, number), asked, answered, _task(values, fields.task), values)


def _input(values: Mapping[str, object], layout: RowLayout) -> str:
    texts = []
    for name in layout.fields.input:
        if name not in values:
            if name in layout.optional:
                continue
            raise _missing(values, name, "input")
        texts.append(_string(name, values[name]))
    return _JOINED_BY.join(text for text in texts if text.strip())


def _target(values: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    """The target's texts; None where the row has none."""
    found = [values[name] for name in names if values.get(name) is not None]
    if not found:
        return None
    return _JOINED_BY.join(_label(name, value) for name, value in zip(names, found, strict=False))


def _label(name: str, value: object) -> str:
    """A target may be a number or a truth value too."""
    return str(value) if isinstance(value, (int, float)) else _string(name, value)


def _string(name: str, value: object) -> str:
    """The text of a field; a null is an empty one, several are lines."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    if not isinstance(value, str):
        raise RowError("wrong type", f"field {name!r} is {shown_value(value)}; wanted a text")
    return value


def _missing(values: Mapping[str, object], name: str, part: str) -> RowError:
    found = shown_names(values)
    return RowError("missing field", f"no field {name!r} (found: {found}); map one with --fields {part}=NAME")


def _id(values: Mapping[str, object], name: str | None, number: int) -> str:
    if name is None:
        return f"row-{number:09}"
    if name not in values:
        raise _missing(values, name, "id")
    value = values[name]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise RowError("empty id", f"field {name!r} is {shown_value(value)}; wanted a string or an integer as the id")
    _refuse_surrogates(value)
    return value


def _task(values: Mapping[str, object], name: str | None) -> str | None:
    value = values.get(name) if name is not None else None
    if value is None:
        return None
    if not isinstance(value, (str, int)):
        raise RowError("wrong type", f"field {name!r} is {shown_value(value)}; wanted a string as the task")
    return str(value)


def _conversation(values: Mapping[str, object], name: str) -> tuple[str, str | None]:
    """All that was said before the last answer, and that answer; without one, all is input."""
    if name not in values:
        raise _missing(values, name, "input")
    turns = values[name]
    if not isinstance(turns, list) or not turns:
        raise RowError("wrong type", f"field {name!r} is {shown_value(turns)}; wanted a list of turns")
    spoken = [_turn(name, turn) for turn in turns]
    last = max((place for place, (speaker, _) in enumerate(spoken) if speaker in _ANSWERS), default=len(spoken))
    asked = _JOINED_BY.join(text for _, text in spoken[:last] if text.strip())
    return asked, spoken[last][1] if last < len(spoken) else None


def _turn(name: str, turn: object) -> tuple[str, str]:
    """Who spoke and what."""
    if isinstance(turn, Mapping):
        speaker = next((turn[key] for key in _SPEAKERS if isinstance(turn.get(key), str)), None)
        said = next((turn[key] for key in _SAID if key in turn), None)
        text = _said(said)
        if speaker is not None and text is not None:
            return speaker.lower(), text
    wanted = '{"role": ..., "content": ...} or {"from": ..., "value": ...}'
    raise RowError("wrong type", f"field {name!r} holds the turn {shown_value(turn)}; wanted {wanted}")


def _said(value: object) -> str | None:
    """A turn's text: a string, or the text parts of OpenAI's content list."""
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list):
        return None
    parts = [part.get("text") for part in value if isinstance(part, Mapping) and part.get("type") == "text"]
    return "\n".join(part for part in parts if isinstance(part, str))


def _refuse_surrogates(text: str) -> None:
    """Refuses text that UTF-8 cannot hold: JSON escapes can write half of a surrogate pair."""
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = shown_value(text[error.start])
        raise RowError("bad encoding", f"the row holds {half}, half of a surrogate pair; wanted UTF-8") from error
