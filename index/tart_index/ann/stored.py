"""What a manifest says of a search structure: what it covers, how hard it searches, what was measured."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tart.errors import IndexFolderError
from tart_index.stored_file import StoredFile, check_stored

ANN = "ann"
_NAME = re.compile(r"[0-9a-f]{32}")
# A structure of which less is left is not worth its memory: exact search answers until the next one is made.
_WORTH_KEEPING = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """One point of a curve.

    Attributes:
        k: Neighbours that were asked for.
        effort: Search parameters by FAISS's names: nprobe, efSearch, k_factor.
        recall: Share of the exact neighbours that were found, 0 to 1.
        ms: Median milliseconds of a query on one thread.
    """

    k: int
    effort: Mapping[str, int]
    recall: float
    ms: float

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Measured:
        """Reads what `dataclasses.asdict` made of it."""
        return cls(int(row["k"]), _effort(row["effort"]), float(row["recall"]), float(row["ms"]))


@dataclass(frozen=True, slots=True)
class StoredStructure:
    """A FAISS index over the vectors of some parts, with the efforts that reach the recall wanted.

    Attributes:
        name: Of the file, without its suffix; see `structure_name`.
        factory: FAISS's factory string.
        parts: Whose rows it holds, in its own order of rows: names and counts.
        file: Size and checksum.
        wanted_recall: What it was tuned for, 0 to 1.
        queries: Whose neighbours were looked for: "documents" or "queries".
        chosen: The smallest effort for each k that was tuned, ascending by k; recall measured on queries that the
            choice did not see.
        exact: Milliseconds of exact search by k, on one thread, for comparison.
        curve: Every point that was measured.
        devices: Where each step of the making was done, such as ``{"k-means": "cuda:0", "adding": "cpu"}``.
    """

    name: str
    factory: str
    parts: tuple[tuple[str, int], ...]
    file: StoredFile
    wanted_recall: float
    queries: str
    chosen: tuple[Measured, ...]
    exact: Mapping[str, float]
    curve: tuple[Measured, ...]
    devices: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.rows < 1 or not self.chosen:
            raise IndexFolderError(f"search structure {self.name!r} is not valid; the index is damaged")
        check_stored(self.file, f"search structure {self.name}")

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> StoredStructure:
        """Reads what `dataclasses.asdict` made of it."""
        return cls(
            name=str(row["name"]),
            factory=str(row["factory"]),
            parts=tuple((str(name), int(count)) for name, count in row["parts"]),
            file=StoredFile.from_json(row["file"]),
            wanted_recall=float(row["wanted_recall"]),
            queries=str(row["queries"]),
            chosen=tuple(Measured.from_json(point) for point in row["chosen"]),
            exact={str(k): float(ms) for k, ms in row["exact"].items()},
            curve=tuple(Measured.from_json(point) for point in row["curve"]),
            devices={str(step): str(device) for step, device in row.get("devices", {}).items()},
        )

    @property
    def rows(self) -> int:
        """Vectors that it holds."""
        return sum(count for _, count in self.parts)

    @property
    def bytes_per_vector(self) -> float:
        """Of the file, which is about what a search holds in memory."""
        return self.file.bytes / self.rows

    @property
    def deciding(self) -> dict[str, Any]:
        """What of it decides an answer: for the fingerprint of an index."""
        return {"name": self.name, "efforts": [[point.k, dict(point.effort)] for point in self.chosen]}

    def worth_keeping(self, counts: Mapping[str, int]) -> bool:
        """Whether enough of its rows are in a version.

        Args:
            counts: Rows by the names of the version's parts.
        """
        left = sum(counts.get(name, 0) for name, _ in self.parts)
        return left >= self.rows * _WORTH_KEEPING

    def covers(self, parts: Collection[str]) -> bool:
        """Whether it holds every row of some parts."""
        return set(parts) <= {name for name, _ in self.parts}


def structure_name(factory: str, parts: Sequence[str]) -> str:
    """32 hexadecimal digits that stand for a factory string and the vectors that it is fed with."""
    return hashlib.sha256("\n".join([factory, *parts]).encode()).hexdigest()[:32]


def _effort(row: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): int(value) for name, value in row.items()}
