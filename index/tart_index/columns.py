"""Metadata of a part by key and type, in an Arrow file: a filter reads a few arrays and no JSON.

One row of the table holds one key's values of one type, as parallel lists: `rows` in the part, and `ints`, `floats`
or `texts`. A list in the metadata gives several entries of one row, a missing key none. So any mix of types, and any
number of keys that few documents have, takes the space of its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tart.documents import Document, MetadataScalar
from tart.errors import IndexFolderError
from tart_index.dates import instant

ValueType: TypeAlias = Literal["null", "boolean", "integer", "float", "big", "date", "text"]
INT64: Final = (-(2**63), 2**63 - 1)
# What a person calls the types.
SHOWN_TYPES: Final[dict[str, str]] = {
    "null": "null",
    "boolean": "boolean",
    "integer": "number",
    "float": "number",
    "big": "number",
    "date": "date",
    "text": "string",
}
_SCHEMA = pa.schema(
    [
        pa.field("key", pa.large_string(), nullable=False),
        pa.field("type", pa.large_string(), nullable=False),
        *(
            pa.field(name, pa.large_list(pa.field("item", kind, nullable=False)), nullable=False)
            for name, kind in (
                ("rows", pa.uint32()),
                ("ints", pa.int64()),
                ("floats", pa.float64()),
                ("texts", pa.large_string()),
            )
        ),
    ]
)


class Group(NamedTuple):
    """The values of one key and type in a part; of the last three, those that the type has are filled.

    Attributes:
        rows: Shape: (n_values,), uint32, ascending.
        ints: Shape: (n_values,), int64: integers, booleans, microseconds of dates.
        floats: Shape: (n_values,), float64.
        texts: An Arrow array: texts, dates as written, integers beyond 64 bits in decimal digits.
    """

    rows: NDArray[np.uint32]
    ints: NDArray[np.int64]
    floats: NDArray[np.float64]
    texts: Any


@dataclass(slots=True)
class _Values:
    rows: list[int] = field(default_factory=list)
    ints: list[int] = field(default_factory=list)
    floats: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class MetadataColumns:
    """The metadata of a part. Open one with `MetadataColumns.open`.

    Attributes:
        count: Rows of the part.
    """

    def __init__(self, file: Path, batch: Any, count: int) -> None:
        self.count = count
        self._file = file
        self._batch = batch
        self._places: dict[tuple[str, str], int] | None = None
        self._groups: dict[tuple[str, str], Group] = {}

    @classmethod
    def open(cls, file: Path, count: int) -> MetadataColumns:
        """Maps a file into memory; nothing is read before it is asked for.

        Raises:
            IndexFolderError: The file is no such table.
        """
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(file)))
            batches = reader.num_record_batches
            if batches != 1 or reader.schema != _SCHEMA:
                wanted = ", ".join(_SCHEMA.names)
                raise IndexFolderError(f"{file}: not one batch of the columns {wanted}; build the index anew")
            return cls(file, reader.get_batch(0), count)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise IndexFolderError(f"{file}: not a table of metadata ({error}); build the index anew") from error

    @staticmethod
    def write(file: Path, documents: Sequence[Document]) -> None:
        """Writes the metadata of a part's documents, uncompressed.

        Args:
            file: Is made or replaced.
            documents: The rows.
        """
        groups = _grouped(documents)
        places = sorted(groups)
        columns = [
            pa.array([key for key, _ in places], type=pa.large_string()),
            pa.array([kind for _, kind in places], type=pa.large_string()),
            *(
                pa.array([getattr(groups[place], name) for place in places], type=_SCHEMA.field(name).type)
                for name in ("rows", "ints", "floats", "texts")
            ),
        ]
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
            writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))

    def groups(self) -> Iterator[tuple[str, str, Group]]:
        """All keys with each type that their values have here, sorted.

        Raises:
            IndexFolderError: The file is damaged.
        """
        for (key, kind), place in self._checked().items():
            yield key, kind, self._read(place)

    def group(self, key: str, kind: ValueType) -> Group | None:
        """The values of a key that are of a type; None where there are none.

        Raises:
            IndexFolderError: The file is damaged.
        """
        found = self._groups.get((key, kind))
        if found is None:
            place = self._checked().get((key, kind))
            if place is None:
                return None
            found = self._groups[key, kind] = self._read(place)
        return found

    def big_integers(self, key: str) -> tuple[NDArray[np.uint32], list[int]] | None:
        """The integers of a key that 64 bits do not hold, and their rows; None where there are none.

        Raises:
            IndexFolderError: The file is damaged.
        """
        group = self.group(key, "big")
        if group is None:
            return None
        try:
            return group.rows, [int(text) for text in group.texts.to_pylist()]
        except ValueError as error:
            raise IndexFolderError(f"{self._file}: is damaged ({error}); build the index anew") from error

    def check(self) -> None:
        """Reads everything once.

        Raises:
            IndexFolderError: The file is damaged.
        """
        self._checked()

    def _read(self, place: int) -> Group:
        rows, ints, floats = (
            self._batch.column(name)[place].values.to_numpy(zero_copy_only=True) for name in ("rows", "ints", "floats")
        )
        return Group(rows, ints, floats, self._batch.column("texts")[place].values)

    def _checked(self) -> dict[tuple[str, str], int]:
        """Where each key and type stands; before the first use everything is checked, so that no offset misleads."""
        if self._places is not None:
            return self._places
        try:
            self._batch.validate(full=True)
            keys, kinds = (self._batch.column(name).to_pylist() for name in ("key", "type"))
            rows = self._batch.column("rows").flatten().to_numpy(zero_copy_only=True)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise IndexFolderError(f"{self._file}: is damaged ({error}); build the index anew") from error
        if any(array.null_count for array in self._arrays()):
            raise IndexFolderError(f"{self._file}: is damaged (a null); build the index anew")
        places = {place: number for number, place in enumerate(zip(keys, kinds, strict=True))}
        if len(places) != len(keys) or not self._lengths_agree(kinds) or (len(rows) and rows.max() >= self.count):
            raise IndexFolderError(f"{self._file}: is damaged; build the index anew")
        self._places = places
        return places

    def _arrays(self) -> Iterator[Any]:
        for name in _SCHEMA.names:
            yield self._batch.column(name)
        for name in ("rows", "ints", "floats", "texts"):
            yield self._batch.column(name).flatten()

    def _lengths_agree(self, kinds: Sequence[str]) -> bool:
        rows, ints, floats, texts = (
            np.diff(self._batch.column(name).offsets.to_numpy()) for name in ("rows", "ints", "floats", "texts")
        )
        of = {"boolean": (ints,), "integer": (ints,), "float": (floats,), "big": (texts,), "date": (ints, texts)}
        lengths = {**of, "text": (texts,), "null": ()}
        return all(
            kind in lengths and all(values[number] == rows[number] for values in lengths[kind])
            for number, kind in enumerate(kinds)
        )


def stored_bytes(documents: Sequence[Document]) -> int:
    """About what the values of some documents' metadata take in the file, without its head and foot."""
    groups = _grouped(documents).values()
    numbers = sum(4 * len(one.rows) + 8 * (len(one.ints) + len(one.floats) + len(one.texts)) for one in groups)
    return numbers + sum(len(text.encode("utf-8", "surrogatepass")) for one in groups for text in one.texts)


def count_types(columns: Iterable[MetadataColumns], alive: NDArray[np.bool_] | None) -> dict[str, dict[str, int]]:
    """By key and type, in how many documents a value of that type stands.

    Args:
        columns: Of all parts, in their order.
        alive: Shape: (stored rows,); None where no row is deleted.

    Raises:
        IndexFolderError: A file is damaged.
    """
    counts: dict[str, dict[str, int]] = {}
    start = 0
    for part in columns:
        inside = slice(start, start + part.count)
        start += part.count
        found: dict[tuple[str, str], NDArray[np.bool_]] = {}
        for key, kind, group in part.groups():
            mask = found.setdefault((key, SHOWN_TYPES[kind]), np.zeros(part.count, dtype=np.bool_))
            mask[group.rows] = True
        for (key, shown), mask in found.items():
            number = int((mask if alive is None else mask & alive[inside]).sum())
            if number:
                types = counts.setdefault(key, {})
                types[shown] = types.get(shown, 0) + number
    return {key: dict(sorted(counts[key].items())) for key in sorted(counts)}


def _grouped(documents: Sequence[Document]) -> dict[tuple[str, ValueType], _Values]:
    groups: dict[tuple[str, ValueType], _Values] = {}
    for row, document in enumerate(documents):
        for key, value in document.metadata.items():
            for one in value if isinstance(value, list) else (value,):
                _add(groups, key, row, one)
    return groups


def _add(groups: dict[tuple[str, ValueType], _Values], key: str, row: int, value: MetadataScalar) -> None:
    kind, number = _typed(value)
    values = groups.setdefault((key, kind), _Values())
    values.rows.append(row)
    if kind in ("boolean", "integer", "date"):
        values.ints.append(int(number))
    if kind == "float":
        values.floats.append(float(number))
    if kind in ("big", "date", "text"):
        values.texts.append(str(value))


def _typed(value: MetadataScalar) -> tuple[ValueType, int | float]:
    """The type of a value, and what of it is stored as a number."""
    if value is None:
        return "null", 0
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int):
        return ("integer", value) if INT64[0] <= value <= INT64[1] else ("big", 0)
    if isinstance(value, float):
        return "float", value
    moment = instant(value)
    return ("text", 0) if moment is None else ("date", moment)
