"""The vectors of a pool: blocks of memory-mapped parts, without deleted rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tart_index.folder import IndexFolder
from tart_index.gather import gather
from tart_index.vector_type import StoredVectors, as_float32

BLOCK = 2_048


class PoolVectors:
    """Vectors by row of the pool, read block by block; memory holds a block or two.

    Args:
        parts: Arrays of shape (part count, dim), float32 or float16; may be memory-mapped.
        alive: For each part the rows that count, ascending; None: all of all parts.
        block: The most rows in a block; `BLOCK` by default.
    """

    def __init__(
        self,
        parts: Sequence[StoredVectors],
        alive: Sequence[NDArray[np.int64]] | None = None,
        block: int | None = None,
    ) -> None:
        self._parts = parts
        self._alive = alive
        counts = [len(part) for part in parts] if alive is None else [len(rows) for rows in alive]
        self._part_starts = np.cumsum([0, *counts])
        self._starts = np.array([*range(0, len(self), block or BLOCK), len(self)])

    @classmethod
    def of(cls, folder: IndexFolder) -> PoolVectors:
        """The vectors of an index; deleted documents do not count."""
        if folder.alive is None:
            return cls(folder.vectors)
        alive = [np.flatnonzero(folder.alive[a:b]) for a, b in pairwise(folder.starts.tolist())]
        return cls(folder.vectors, alive)

    def __len__(self) -> int:
        return int(self._part_starts[-1])

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._parts[0].shape[1])

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return len(self._starts) - 1

    def first_row(self, number: int) -> int:
        """The first row of a block; behind the last block, how many rows there are."""
        return int(self._starts[number])

    def block(self, number: int) -> NDArray[np.float32]:
        """A copy of a block. Shape: (rows, dim), float32."""
        first, end = int(self._starts[number]), int(self._starts[number + 1])
        found = np.empty((end - first, self.dim), np.float32)
        part = int(np.searchsorted(self._part_starts, first, side="right")) - 1
        row = first
        while row < end:
            start, stop = self._part_starts[part : part + 2]
            inside = slice(row - start, min(end, stop) - start)
            rows = inside if self._alive is None else self._alive[part][inside]
            taken = as_float32(self._parts[part][rows])
            found[row - first : row - first + len(taken)] = taken
            row += len(taken)
            part += 1
        return found

    def rows(self, wanted: NDArray[np.int64]) -> NDArray[np.float32]:
        """A copy of some rows, ascending. Shape: (len(wanted), dim), float32."""
        return gather(self._parts, self._part_starts, wanted, self._alive)
