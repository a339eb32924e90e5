"""Vectors of some rows, taken out of the parts that they lie in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tart_index.vector_type import StoredVectors

# So many rows are copied one by one sooner than they are grouped by their parts.
_FEW = 64


def gather(
    parts: Sequence[StoredVectors],
    starts: NDArray[np.int64],
    rows: NDArray[np.int64],
    counted: Sequence[NDArray[np.int64]] | None = None,
) -> NDArray[np.float32]:
    """A copy of the vectors of some rows. Shape: (len(rows), dim), float32.

    Args:
        parts: Arrays of shape (part count, dim), float32 or float16; may be memory-mapped.
        starts: First row of each part, and the number of all rows at the end.
        rows: In any order.
        counted: For each part the places of the rows that count, ascending; None: all do.
    """
    part_of = np.searchsorted(starts, rows, side="right") - 1
    inside = rows - starts[part_of]
    found = np.empty((len(rows), parts[0].shape[1]), dtype=np.float32)
    if len(rows) <= _FEW:
        for place, (part, row) in enumerate(zip(part_of.tolist(), inside.tolist(), strict=True)):
            found[place] = parts[part][row if counted is None else counted[part][row]]
        return found
    by_part = np.argsort(part_of, kind="stable")
    bounds = np.flatnonzero(np.diff(part_of[by_part])) + 1
    for here in np.split(by_part, bounds):
        part, some = part_of[here[0]], inside[here]
        found[here] = parts[part][some if counted is None else counted[part][some]]
    return found
