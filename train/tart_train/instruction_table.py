"""The wordings of instructions for each data set: some for training, others that only evaluation sees.

BERRI (Asai et al. 2022, section 3.2) has 3.5 instructions a set, of much the same length and mood. A model that meets
only those learns their wording; so here they differ in length, mood and in what they name, and sensitivity is measured
on wordings that no training row has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from tart.errors import SourceError
from tart.normal import normalised
from tart.readers.lines import read_bytes
from tart.readers.rows import shown_path, shown_value
from tart_train.card import Card
from tart_train.dataset import Query
from tart_train.examples import DataError, check_instructions

Part = Literal["train", "held_out"]
PLACEHOLDER = "{facet}"
LONGEST = 40
"""Words in a wording; a longer one would leave little room for the query."""

_FOLDER = "instructions"
_KEYS = ("dataset", "train", "held_out", "facets")


@dataclass(frozen=True, slots=True)
class SetInstructions:
    """The wordings of one data set.

    Attributes:
        dataset: Its name.
        train: For training; empty: never trained on.
        held_out: For evaluation only.
        facets: Facet value -> phrases that can stand for `{facet}`; empty: the wordings have no placeholder.

    Raises:
        DataError: A wording is empty, no text, too long or stands twice; or placeholders and facets do not agree.
    """

    dataset: str
    train: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"instructions of {self.dataset}"
        _check_wordings([*self.train, *self.held_out], where, faceted=bool(self.facets))
        for value, phrases in self.facets.items():
            check_instructions((value,), f"{where}, facet value")
            check_instructions(phrases, f"{where}, facet {value!r}")
            if not phrases:
                raise DataError(f"{where}: the facet {value!r} has no phrase; give it one or more")
            if any("{" in phrase or "}" in phrase for phrase in phrases):
                raise DataError(f"{where}: a phrase of the facet {value!r} has a brace; wanted plain words")

    def wordings(self, part: Part, facet: str | None = None) -> tuple[str, ...]:
        """The instructions of a part; those of a facet set with every phrase of the facet filled in.

        Args:
            part: "train" or "held_out".
            facet: The value that is wanted; needed for a facet set and ignored elsewhere.

        Raises:
            DataError: The set has facets, and not this one.
        """
        chosen = self.train if part == "train" else self.held_out
        if not self.facets:
            return chosen
        if facet is None or facet not in self.facets:
            found = "none was given" if facet is None else f"found {facet!r}"
            raise DataError(
                f"instructions of {self.dataset} need a facet and {found}; wanted one of {', '.join(self.facets)}"
            )
        return tuple(wording.replace(PLACEHOLDER, phrase) for wording in chosen for phrase in self.facets[facet])

    def for_query(self, query: Query, card: Card, part: Part) -> tuple[str, ...]:
        """The instructions that apply to one query: its own, else those of the set and the query's facet.

        Raises:
            DataError: The query lacks the facet that the set's wordings speak of.
        """
        if query.instruction is not None:
            return (query.instruction,)
        value = query.metadata.get(card.facet_field) if card.facet_field else None
        try:
            return self.wordings(part, None if value is None else str(value))
        except DataError as error:
            raise DataError(f"query {query.id!r}: {error}") from error


@dataclass(frozen=True, slots=True)
class InstructionTable:
    """The instructions of many sets by name. `packaged` gives those that come with this package."""

    sets: Mapping[str, SetInstructions]

    @classmethod
    def packaged(cls) -> InstructionTable:
        """The table that comes with this package; read once."""
        return _packaged()

    @classmethod
    def read(cls, folder: str | Path) -> InstructionTable:
        """The table of a folder of files `<set>.yaml`.

        Raises:
            DataError: There is no such folder, a file is malformed, or a file's name is not that of its set.
        """
        path = Path(folder)
        if not path.is_dir():
            raise DataError(f"{shown_path(path)}: no such folder; wanted one with a file SET.yaml for each set")
        found = {}
        for file in sorted(path.glob("*.yaml")):
            instructions = read_instructions(file)
            if instructions.dataset != file.stem:
                raise DataError(
                    f"{shown_path(file)}: is for the set {instructions.dataset!r}; wanted the file named so too"
                )
            found[file.stem] = instructions
        return cls(found)

    def __contains__(self, name: object) -> bool:
        return name in self.sets

    def __iter__(self) -> Iterator[SetInstructions]:
        return iter(self.sets.values())

    def __len__(self) -> int:
        return len(self.sets)

    def for_set(self, name: str) -> SetInstructions:
        """The instructions of a set.

        Raises:
            DataError: The table has none.
        """
        if name not in self.sets:
            raise DataError(
                f"there are no instructions for the set {name!r}; add 'instructions' to its card.json, "
                f"or choose one of the {len(self.sets)} sets that have some"
            )
        return self.sets[name]

    def for_card(self, card: Card) -> SetInstructions:
        """The instructions of a set, where those in its card take the place of the table's, part by part.

        Raises:
            DataError: Neither has any.
        """
        if not (card.instructions or card.held_out_instructions or card.facets):
            return self.for_set(card.name)
        base = self.sets.get(card.name, SetInstructions(card.name))
        return SetInstructions(
            card.name,
            card.instructions or base.train,
            card.held_out_instructions or base.held_out,
            card.facets or base.facets,
        )


def read_instructions(file: Path) -> SetInstructions:
    """The instructions in one YAML file.

    Raises:
        DataError: It cannot be read or is malformed.
    """
    import yaml

    try:
        values = yaml.safe_load(read_bytes(file))
    except SourceError as error:
        raise DataError(str(error)) from error
    except yaml.YAMLError as error:
        raise DataError(f"{shown_path(file)}: is no YAML ({' '.join(str(error).split())})") from error
    try:
        return _from_values(values)
    except DataError as error:
        raise DataError(f"{shown_path(file)}: {error}") from error


def _from_values(values: Any) -> SetInstructions:
    """The instructions of a YAML document."""
    if not isinstance(values, dict) or not isinstance(values.get("dataset"), str):
        raise DataError(f"found {shown_value(values)}; wanted the keys dataset, train, held_out and perhaps facets")
    unknown = sorted(str(key) for key in values if key not in _KEYS)
    if unknown:
        raise DataError(f"there is no key {unknown[0]!r}; wanted {', '.join(_KEYS)}")
    facets = values.get("facets") or {}
    lists = [values.get("train") or [], values.get("held_out") or []]
    if not isinstance(facets, dict) or not all(isinstance(value, list) for value in [*lists, *facets.values()]):
        raise DataError("train, held_out and every facet want a list of wordings")
    return SetInstructions(
        values["dataset"],
        tuple(lists[0]),
        tuple(lists[1]),
        {value: tuple(phrases) for value, phrases in facets.items()},
    )


def _check_wordings(wordings: Sequence[str], where: str, *, faceted: bool) -> None:
    """Refuses wordings that are no text, too long, twice there, or at odds with the facets."""
    check_instructions(wordings, where)
    seen: set[str] = set()
    for wording in wordings:
        if len(wording.split()) > LONGEST:
            raise DataError(
                f"{where}: {len(wording.split())} words in {shown_value(wording)}; wanted at most {LONGEST}"
            )
        key = normalised(wording)
        if key in seen:
            raise DataError(f"{where}: the wording {shown_value(wording)} stands twice; keep one")
        seen.add(key)
        if (PLACEHOLDER in wording) != faceted or wording.replace(PLACEHOLDER, "").count("{"):
            wanted = f"{PLACEHOLDER} in every wording" if faceted else "no brace, or facets to fill it"
            raise DataError(f"{where}: found {shown_value(wording)}; wanted {wanted}")


@lru_cache(maxsize=1)
def _packaged() -> InstructionTable:
    """Reads the packaged files; a wheel is always unpacked, so that they are files."""
    return InstructionTable.read(Path(str(files("tart_train").joinpath(_FOLDER))))
