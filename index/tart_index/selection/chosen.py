"""What a selection is: rows in rank order, each with what chose it, and an account of those left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tart_index.selection.options import Method


@dataclass(frozen=True, slots=True)
class Chosen:
    """A row that was chosen.

    Attributes:
        rank: From 1.
        row: Number of the row in the pool, from 0.
        id: Of the row.
        score: Cosine with the target that chose it best, or that target's BM25 score; None where chance chose it.
        count: Targets that have it among their neighbours ("deft"); otherwise 1, or 0 where chance chose it.
        target: Id of the target that chose it best: equal scores, the first id; None where chance chose it.
        task: Of the row; None where the pool names none.
        pool: Name of the pool.
    """

    rank: int
    row: int
    id: str
    score: float | None
    count: int
    target: str | None
    task: str | None
    pool: str

    def provenance(self) -> dict[str, Any]:
        """The row's line in `provenance.jsonl`."""
        return {name: value for name, value in asdict(self).items() if name != "row"}


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows that one method chose.

    Attributes:
        method: Which one.
        chosen: Best first.
        candidates: Rows that the method had to choose from.
        dropped: Candidates that were looked at and left out, by reason.
        notes: What the user should know, one sentence each.
    """

    method: Method
    chosen: tuple[Chosen, ...]
    candidates: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[int]:
        """Numbers of the rows in the pool, best first."""
        return [one.row for one in self.chosen]

    @property
    def ids(self) -> list[str]:
        """Ids of the rows, best first."""
        return [one.id for one in self.chosen]
