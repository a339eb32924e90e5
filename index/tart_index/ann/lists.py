"""How the rows that pass a filter are spread over the inverted lists."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart_index.ann.effort import innermost
from tart_index.exact import import_faiss

# Where the lists that hold rows have more of all rows than this, leaving the others out saves nothing.
_NEARLY_ALL = 0.9
# Rows lie in a corner where most of them are in lists with fewer of all rows than this.
_MOST, _CORNER = 0.9, 0.75


class Spread(NamedTuple):
    """How some rows are spread over the inverted lists.

    Attributes:
        held: Shape: (lists,), bool: those that hold any of the rows; None where nearly all do, or there are no lists.
        lists: How many hold any.
        corner: Whether most of the rows lie in some of the lists.
    """

    held: NDArray[np.bool_] | None = None
    lists: int = 0
    corner: bool = False


class ListedRows:
    """In which inverted list each row of a structure lies, two or four bytes a row; read when it is first asked for.

    Args:
        index: A FAISS index; one without inverted lists holds no rows in any.
    """

    def __init__(self, index: Any) -> None:
        self._rows = int(index.ntotal)
        self._index = innermost(index)
        self._lists = int(getattr(self._index, "nlist", 0))
        self._list_of: NDArray[np.uint16] | NDArray[np.uint32] | None = None
        sizes = [self._index.invlists.list_size(number) for number in range(self._lists)]
        self._sizes = np.array(sizes, dtype=np.int64)

    def spread(self, mask: NDArray[np.bool_]) -> Spread:
        """Where the rows of a mask lie.

        Args:
            mask: Shape: (rows of the structure,), bool.
        """
        if not self._lists:
            return Spread()
        if self._list_of is None:
            # Two threads that come at once read the same twice; the second takes the place of the first.
            self._list_of = self._read()
        counts = np.bincount(self._list_of[mask], minlength=self._lists)
        held = counts > 0
        nearly_all = self._sizes[held].sum() >= _NEARLY_ALL * self._rows
        return Spread(
            None if nearly_all else held, int(held.sum()), self._rows_with_most(counts) < _CORNER * self._rows
        )

    def _rows_with_most(self, counts: NDArray[np.int64]) -> int:
        """All rows of the lists that hold most of some, those first that are fullest of them."""
        densest = np.argsort(-counts / np.maximum(self._sizes, 1), kind="stable")
        enough = np.searchsorted(np.cumsum(counts[densest]), _MOST * counts.sum()) + 1
        return int(self._sizes[densest[:enough]].sum())

    def _read(self) -> NDArray[np.uint16] | NDArray[np.uint32]:
        faiss = import_faiss()
        inverted = self._index.invlists
        list_of: NDArray[Any] = np.zeros(self._rows, dtype=np.uint16 if self._lists <= 1 << 16 else np.uint32)
        for number in range(self._lists):
            size = inverted.list_size(number)
            if not size:
                continue
            ids = inverted.get_ids(number)
            list_of[faiss.rev_swig_ptr(ids, size)] = number
            inverted.release_ids(number, ids)
        return list_of
