"""What the report of a selection tells, gathered before any of it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart_index.selection.chosen import Chosen, Selection
from tart_index.selection.examples import Example
from tart_index.selection.vectors import PoolVectors

SAMPLES = 12
# More points than these hide each other.
_POOL_POINTS, _TARGET_POINTS, _CHOSEN_POINTS = 2_000, 500, 1_000


class Sample(NamedTuple):
    """A chosen row to read, beside the target that chose it.

    Attributes:
        chosen: Its place and score.
        input: Of the row.
        answer: Of the row; None where it has none.
        target: The input of the target that chose it; None where none did.
    """

    chosen: Chosen
    input: str
    answer: str | None
    target: str | None


@dataclass(frozen=True, slots=True)
class MapVectors:
    """Vectors that the map is drawn from; each may be a sample.

    Attributes:
        pool: Shape: (pool points, dim), float32, unit rows.
        targets: Shape: (target points, dim), float32, unit rows.
        chosen: Shape: (chosen points, dim), float32, unit rows.
    """

    pool: NDArray[np.float32]
    targets: NDArray[np.float32]
    chosen: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """Everything that a report tells.

    Attributes:
        selection: What was chosen.
        about: Where it comes from, by name: pool, targets, model, options, versions, checksums.
        pool_tasks: Rows of each task in the pool; empty where the pool names none.
        controls: Selections of the same size by other means; empty where none was asked for.
        samples: Rows to read.
        vectors: For the map; None where no vectors were made.
    """

    selection: Selection
    about: Mapping[str, str]
    pool_tasks: Mapping[str, int] = field(default_factory=dict)
    controls: Sequence[Selection] = ()
    samples: Sequence[Sample] = ()
    vectors: MapVectors | None = None

    @property
    def selections(self) -> list[Selection]:
        """The selection and its controls."""
        return [self.selection, *self.controls]


def spread_ranks(count: int, wanted: int) -> list[int]:
    """Places from 0 on, evenly over all ranks; the first and the last are among them."""
    if wanted < 2 or count <= 1:
        return list(range(min(count, wanted)))
    last = min(count, wanted) - 1
    return [place * (count - 1) // last for place in range(last + 1)]


def samples_of(
    selection: Selection,
    row: Callable[[int], Example],
    target: Callable[[str], Example],
    wanted: int = SAMPLES,
) -> list[Sample]:
    """Rows evenly over all ranks, the best and the last among them.

    Args:
        selection: What was chosen.
        row: A pool row's example, by number.
        target: A target's example, by id.
        wanted: At most so many.
    """
    found = []
    for place in spread_ranks(len(selection.chosen), wanted):
        one = selection.chosen[place]
        example = row(one.row)
        chose = None if one.target is None else target(one.target).input
        found.append(Sample(one, example.input, example.target, chose))
    return found


def map_vectors(pool: PoolVectors, targets: NDArray[np.float32], selection: Selection) -> MapVectors:
    """What the map shows: of each kind so many points, evenly over the pool, the targets and the ranks."""

    def rows(wanted: Sequence[int]) -> NDArray[np.float32]:
        return pool.rows(np.asarray(sorted(wanted), dtype=np.int64))

    chosen = [selection.chosen[place].row for place in spread_ranks(len(selection.chosen), _CHOSEN_POINTS)]
    return MapVectors(
        rows(spread_ranks(len(pool), _POOL_POINTS)),
        np.asarray(targets)[spread_ranks(len(targets), _TARGET_POINTS)],
        rows(chosen),
    )


def shown(value: Any) -> str:
    """A value in words, for a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
