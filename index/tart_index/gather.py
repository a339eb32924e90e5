"""Vectors of some rows, taken out of the parts that they lie in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tart_index.vector_type import StoredVectors


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
    found = np.empty((len(rows), parts[0].shape[1]), dtype=np.float32)
    for part in np.unique(part_of):
        here = part_of == part
        inside = rows[here] - starts[part]
        found[here] = parts[part][inside if counted is None else counted[part][inside]]
    return found
