"""Exact nearest neighbours: every vector is scored, straight from the memory-mapped parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tart.errors import DependencyError


class Neighbours(NamedTuple):
    """The best rows of some queries, best first; equal scores in the order of the rows.

    Attributes:
        scores: Shape: (n_queries, k), float32, inner products.
        rows: Shape: (n_queries, k), int64.
    """

    scores: NDArray[np.float32]
    rows: NDArray[np.int64]


class NearestRows(Protocol):
    """The face of every structure that finds neighbours: exact here, approximate ones and other stores beside it."""

    def search(self, queries: NDArray[np.float32], k: int) -> Neighbours:
        """The best `k` rows (or all, where there are fewer) for each query of shape (n_queries, dim)."""


class ExactSearch:
    """FAISS's flat inner-product search over parts, without a copy of the vectors.

    Args:
        parts: Arrays of shape (part count, dim), float32, C order; may be memory-mapped.
        threads: CPU threads, pinned because torch and faiss each bring an OpenMP runtime.

    Raises:
        DependencyError: No faiss is installed.
    """

    def __init__(self, parts: Sequence[NDArray[np.float32]], threads: int) -> None:
        self._faiss = import_faiss()
        self._threads = threads
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part) for part in parts)])

    def search(self, queries: NDArray[np.float32], k: int) -> Neighbours:
        """The best `k` rows for each query; see `NearestRows.search`."""
        # OpenMP keeps this setting per calling thread, and a service searches in a thread of its own.
        self._faiss.omp_set_num_threads(self._threads)
        found = [self._search_part(number, queries, k) for number in range(len(self._parts))]
        scores = np.concatenate([neighbours.scores for neighbours in found], axis=1)
        rows = np.concatenate([neighbours.rows for neighbours in found], axis=1)
        order = np.lexsort((rows, -scores), axis=1)[:, :k]
        return Neighbours(np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1))

    def _search_part(self, number: int, queries: NDArray[np.float32], k: int) -> Neighbours:
        part = self._parts[number]
        kept = min(k, len(part))
        scores, rows = self._faiss.knn(queries, part, kept, metric=self._faiss.METRIC_INNER_PRODUCT)
        return Neighbours(scores, rows + self._starts[number])


def import_faiss() -> Any:
    """The module faiss, which one of two extras brings.

    Raises:
        DependencyError: None is installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise DependencyError(
            "no faiss is installed; install exactly one: pip install 'tart-retrieval[cpu]' (or [gpu])"
        ) from error
    return faiss
