"""Layouts of instruction data: which fields of a row are what, told by the names in the first row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

from tart.errors import SourceError
from tart.readers.rows import shown_names
from tart_index.selection.fields import ExampleFields

_TASKS = ("task", "task_name", "task_source", "dataset")
_IDS = ("id", "_id")
_OPTIONAL = "?"
MESSAGES = "messages"
CONVERSATIONS = "conversations"


class _Layout(NamedTuple):
    """What tells a layout and what its fields mean; `a|b` stands for the first that is there, `a?` may be missing.

    Attributes:
        name: As users call it.
        told_by: Each of these must be there.
        input: Fields of the input.
        target: Fields of the target; a target may always be missing.
    """

    name: str
    told_by: tuple[str, ...]
    input: tuple[str, ...]
    target: str


# In this order: the first whose fields are there is taken.
_KNOWN = (
    _Layout("messages", (MESSAGES,), (MESSAGES,), MESSAGES),
    _Layout("sharegpt", (CONVERSATIONS,), (CONVERSATIONS,), CONVERSATIONS),
    _Layout(
        "super-ni",
        ("definition|Definition", "inputs|input"),
        ("definition|Definition", "inputs|input"),
        "targets|output",
    ),
    _Layout("alpaca", ("instruction",), ("instruction", "input?"), "output|response"),
    _Layout("p3", ("inputs_pretokenized",), ("inputs_pretokenized",), "targets_pretokenized"),
    _Layout("flan", ("inputs", "task_source|task_name|template_type"), ("inputs",), "targets"),
    _Layout("t0", ("inputs",), ("inputs",), "targets"),
    _Layout("pairs", ("input",), ("input",), "target|output"),
    _Layout("prompt", ("prompt",), ("prompt",), "completion|response"),
    _Layout("text", ("text",), ("text",), "target"),
)
LAYOUT_NAMES = tuple(layout.name for layout in _KNOWN)


@dataclass(frozen=True, slots=True)
class RowLayout:
    """How the rows of one source are read.

    Attributes:
        name: Of the layout; "fields" where options name the input.
        fields: Every part by the fields that it has in this source.
        optional: Input fields that a row may lack.
        told: Whether the layout was told from the first row, and not named by the user.
    """

    name: str
    fields: ExampleFields
    optional: frozenset[str] = frozenset()
    told: bool = True

    @property
    def is_chat(self) -> bool:
        """Whether input and target are turns of one conversation."""
        return self.name in {"messages", "sharegpt"}

    def sentence(self) -> str:
        """What the user should know of it."""
        fields = self.fields
        input_part = " and ".join(fields.input)
        parts = [f"input from {input_part}" + (" (all before the last answer)" if self.is_chat else "")]
        parts.append(f"target from {' and '.join(fields.target)}" if fields.target else "no target")
        parts.append(f"task from {fields.task}" if fields.task else "no task")
        parts.append(f"id from {fields.id}" if fields.id else "ids are row numbers")
        return f"layout {self.name}: {', '.join(parts)}"


def row_layout(names: Collection[str], wanted: str | None, fields: ExampleFields) -> RowLayout:
    """The layout of a source whose first row has these names.

    Args:
        names: Of the fields in the first row.
        wanted: A layout that the user names; None tells it from the names.
        fields: What the user maps; it wins over the layout.

    Raises:
        SourceError: There is no such layout, or the names fit none.
    """
    if wanted is not None and wanted not in LAYOUT_NAMES:
        raise SourceError(f"there is no layout {wanted!r}; wanted one of {', '.join(LAYOUT_NAMES)}")
    if fields.input and wanted is None:
        return RowLayout("fields", _completed(fields, names), told=False)
    known = [layout for layout in _KNOWN if wanted in {None, layout.name} and _fits(layout, names)]
    if not known:
        which = f"layout {wanted}" if wanted else f"any known layout ({', '.join(LAYOUT_NAMES)})"
        raise SourceError(
            f"the first row has {shown_names(names)}, which does not fit {which}; map the fields with "
            "--fields input=NAME,target=NAME,task=NAME,id=NAME"
        )
    layout = known[0]
    chosen = [_present(name, names) for name in layout.input]
    target = _present(layout.target, names)
    mapped = ExampleFields(
        input=fields.input or tuple(name for name in chosen if name is not None),
        target=fields.target or ((target,) if target else ()),
        task=fields.task,
        id=fields.id,
    )
    optional = frozenset(name.rstrip(_OPTIONAL) for name in layout.input if name.endswith(_OPTIONAL))
    return RowLayout(layout.name, _completed(mapped, names), optional, told=wanted is None)


def _fits(layout: _Layout, names: Collection[str]) -> bool:
    return all(_present(name, names) is not None for name in layout.told_by)


def _present(choice: str, names: Collection[str]) -> str | None:
    """The first of `a|b` that is there; one that may be missing is always there, for another row may have it."""
    if choice.endswith(_OPTIONAL):
        return choice.rstrip(_OPTIONAL)
    return next((name for name in choice.split("|") if name in names), None)


def _completed(fields: ExampleFields, names: Collection[str]) -> ExampleFields:
    """Adds the usual fields of task and id, where there are any."""
    task = fields.task or next((name for name in _TASKS if name in names), None)
    return replace(fields, task=task, id=fields.id or next((name for name in _IDS if name in names), None))
