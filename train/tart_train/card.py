"""What a data set says about itself: `card.json` beside its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from tart.errors import SourceError
from tart.readers.lines import read_bytes
from tart.readers.rows import shown_path, shown_value
from tart_train.examples import DataError, check_instructions

LicenceClass = Literal["open", "research", "none"]
LICENCE_CLASSES: tuple[str, ...] = get_args(LicenceClass)
CARD_FILE = "card.json"

_TEXTS = ("name", "intent", "domain", "unit", "query_unit", "licence", "licence_class", "source", "source_repo")
_LISTS = ("instructions", "held_out_instructions")


@dataclass(frozen=True, slots=True)
class Card:
    """Name, instruction and licence of a data set.

    Attributes:
        name: Short, without blanks; ids and instruction files go by it.
        intent: What its queries want of a document ("answer a medical question").
        domain: Where its documents come from ("consumer health").
        unit: What one document is ("answer").
        query_unit: What one query is ("question").
        licence: In words.
        licence_class: Only `open` sets may go into weights that are given away; `none`: nothing is stated.
        source: Where the data were taken from, for attribution; a card may call it ``source_repo``.
        facet_field: The metadata key of queries and documents that the instruction talks about; `None`: no facet set.
        instructions: Wordings for training, in place of the packaged ones.
        held_out_instructions: Wordings that only evaluation uses.
        facets: Facet value -> phrases that can stand for `{facet}` in a wording.

    Raises:
        DataError: The name is blank, the licence class is none of the three, or a wording is no text.
    """

    name: str
    intent: str = ""
    domain: str = ""
    unit: str = ""
    query_unit: str = ""
    licence: str = ""
    licence_class: LicenceClass = "none"
    source: str = ""
    facet_field: str | None = None
    instructions: tuple[str, ...] = ()
    held_out_instructions: tuple[str, ...] = ()
    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or self.name != "".join(self.name.split()) or "/" in self.name or self.name[0] == ".":
            raise DataError(f"a card has the name {self.name!r}; wanted one word that can name a file")
        if self.licence_class not in LICENCE_CLASSES:
            raise DataError(
                f"card of {self.name}: the licence class is {self.licence_class!r}; wanted one of "
                f"{', '.join(LICENCE_CLASSES)}"
            )
        for wordings in (self.instructions, self.held_out_instructions, *self.facets.values()):
            check_instructions(wordings, f"card of {self.name}")

    @classmethod
    def read(cls, folder: Path) -> Card:
        """The card of a data set's folder; without a file it has the folder's name and states no licence.

        Raises:
            DataError: The file is no card.
        """
        file = folder / CARD_FILE
        if not file.exists():
            return cls("_".join(folder.resolve().name.split()).lstrip(".") or "unnamed")
        try:
            values = json.loads(read_bytes(file))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{shown_path(file)}: is no JSON ({error}); write one JSON object") from error
        except SourceError as error:
            raise DataError(str(error)) from error
        if not isinstance(values, dict):
            raise DataError(f"{shown_path(file)}: found {shown_value(values)}; wanted one JSON object")
        try:
            return cls.from_values(values)
        except DataError as error:
            raise DataError(f"{shown_path(file)}: {error}") from error

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Card:
        """The card of a JSON object; keys that a card does not have are left alone.

        Raises:
            DataError: A value has the wrong type; all such are told at once.
        """
        wrong = [f"{name!r} is {shown_value(values[name])}" for name in values if not _fits(name, values[name])]
        if "name" not in values:
            wrong.insert(0, "there is no 'name'")
        if wrong:
            raise DataError(
                f"{'; '.join(wrong)}; wanted strings, lists of strings for {' and '.join(_LISTS)}, "
                "and an object of such lists for facets"
            )
        known = {entry.name: values[entry.name] for entry in fields(cls) if values.get(entry.name) is not None}
        known.setdefault("source", values.get("source_repo", ""))
        for name in _LISTS:
            if name in known:
                known[name] = tuple(known[name])
        if "facets" in known:
            known["facets"] = {value: tuple(phrases) for value, phrases in known["facets"].items()}
        return cls(**known)


def _fits(name: str, value: object) -> bool:
    """Whether a value of a card has the right type."""
    if name in _TEXTS:
        return isinstance(value, str)
    if name == "facet_field":
        return value is None or (isinstance(value, str) and bool(value.strip()))
    if name in _LISTS:
        return _is_list_of_strings(value)
    if name == "facets":
        return isinstance(value, dict) and all(_is_list_of_strings(phrases) for phrases in value.values())
    return True


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
