"""Which fields of a row are its input, its target, its task and its id."""

from __future__ import annotations

from dataclasses import dataclass

from tart.errors import SourceError

_PARTS = ("input", "target", "task", "id")


@dataclass(frozen=True, slots=True)
class ExampleFields:
    """A map from the parts of an example to fields of a row.

    Attributes:
        input: The fields of what a model is asked, joined by blank lines; empty: as the layout has it.
        target: The fields of what a model should answer; empty: as the layout has it, or none.
        task: The field of the task's name; None: the layout's, or none.
        id: The field of the id; None: `id` or `_id`, or the number of the row.

    Raises:
        SourceError: A name is empty.
    """

    input: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    task: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        if "" in (*self.input, *self.target, self.task, self.id):
            raise SourceError("a field name is empty; wanted the name of a field for every part of an example")

    @classmethod
    def parse(cls, text: str) -> ExampleFields:
        """Reads `input=definition+inputs,target=targets,task=task_name,id=_id`; parts may be left out.

        Raises:
            SourceError: The text is malformed, or names a part that examples do not have.
        """
        named: dict[str, str] = {}
        for item in text.split(","):
            part, equals, value = (piece.strip() for piece in item.partition("="))
            if not equals or not value:
                raise SourceError(
                    f"fields {text!r}: found {item.strip()!r}; wanted PART=FIELD, as in input=question,id=_id"
                )
            if part not in _PARTS:
                raise SourceError(
                    f"fields {text!r}: an example has no part {part!r}; wanted one of {', '.join(_PARTS)}"
                )
            if part in named:
                raise SourceError(f"fields {text!r}: {part!r} stands twice; name each part once")
            named[part] = value
        return cls(_names(named.get("input")), _names(named.get("target")), named.get("task"), named.get("id"))


def _names(value: str | None) -> tuple[str, ...]:
    return () if value is None else tuple(name.strip() for name in value.split("+"))
