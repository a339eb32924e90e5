"""A structure is tuned: the smallest effort that finds the share of true neighbours that was asked for.

Recall at k is measured against exact search. Efforts are chosen on one half of the queries; the recall that is
reported for the chosen one is that of the other half, which the choice did not see.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart_index.ann.effort import Layers, Parameters, candidates, grid
from tart_index.ann.making import MakingProgress
from tart_index.ann.stored import Measured
from tart_index.exact import import_faiss

# An effort is tuned for each: a filter, or a page far down, is searched with that of a larger k.
DEPTHS = (10, 100, 1_000)
_TIMED = 24
# Recall that has risen by less over so many steps rises no more.
_FLAT, _FLAT_OVER = 0.002, 3


class Truth(NamedTuple):
    """Queries and their exact neighbours.

    Attributes:
        queries: Shape: (n, dim), float32.
        own: Shape: (n,), int64: the row that a query was taken from, which is not counted; -1 for none.
        rows: Shape: (n, deepest k + 1), int64: exact neighbours, best first.
        exact_ms: Milliseconds of exact search by k, on one thread.
    """

    queries: NDArray[np.float32]
    own: NDArray[np.int64]
    rows: NDArray[np.int64]
    exact_ms: dict[str, float]


class Tuned(NamedTuple):
    """What was measured: the chosen effort for each depth, and every point.

    Attributes:
        chosen: By ascending k; a depth whose recall no effort reaches is left out.
        curve: In the order of measuring.
    """

    chosen: list[Measured]
    curve: list[Measured]


def tune(index: Any, truth: Truth, recall: float, threads: int, progress: MakingProgress) -> Tuned:
    """Finds the cheapest effort that reaches a recall, for every depth."""
    layers = Layers.of(index)
    depths = [k for k in DEPTHS if k < truth.rows.shape[1]] or [truth.rows.shape[1] - 1]
    progress.stage("tuning", len(depths))
    chosen, curve = [], []
    for k in depths:
        best = None
        for point in _measured(index, layers, truth, k, recall, threads):
            curve.append(point)
            if point.recall >= recall and (best is None or point.ms < best.ms):
                best = point
        if best is not None:
            unseen = _recall(index, layers, best.effort, truth, k, slice(1, None, 2), threads)
            chosen.append(_with(best, unseen))
        progress.done(1)
    return Tuned(chosen, curve)


def _measured(index: Any, layers: Layers, truth: Truth, k: int, recall: float, threads: int) -> Iterator[Measured]:
    """Points along every row of the grid, up to the first that reaches the recall: what follows only costs more."""
    for efforts in grid(layers, k, index.ntotal):
        found: list[float] = []
        for effort in efforts:
            found.append(_recall(index, layers, effort, truth, k, slice(0, None, 2), threads))
            yield Measured(k, effort, round(found[-1], 4), _milliseconds(index, layers, effort, truth, k))
            if found[-1] >= recall or _is_flat(found):
                break


def _is_flat(found: list[float]) -> bool:
    """Whether more of this effort helps no more: another parameter holds the recall back."""
    return len(found) > _FLAT_OVER and found[-1] > 0 and found[-1] - found[-1 - _FLAT_OVER] < _FLAT


def _recall(
    index: Any, layers: Layers, effort: Mapping[str, int], truth: Truth, k: int, which: slice, threads: int
) -> float:
    import_faiss().omp_set_num_threads(threads)
    taken = candidates(k)
    _, found = index.search(truth.queries[which], taken + 1, params=Parameters(layers, effort).faiss)
    return recall_at(k, found, truth.rows[which], truth.own[which], taken)


def recall_at(
    k: int, found: NDArray[np.int64], true: NDArray[np.int64], own: NDArray[np.int64], taken: int | None = None
) -> float:
    """Mean share of the k exact neighbours among those found, a query's own row left out of both.

    Args:
        k: Neighbours that count.
        found: Shape: (n, at least taken + 1), best first; -1 for none.
        true: Shape: (n, at least k + 1), best first.
        own: Shape: (n,); -1 for a query that is no row.
        taken: Of those found; k by default. Where they are scored exactly later, a neighbour among them is among the
            best k in the end.
    """
    shares = []
    for some, all_true, row in zip(found, true, own, strict=True):
        wanted = all_true[all_true != row][:k]
        got = some[(some != row) & (some >= 0)][: taken or k]
        shares.append(len(np.intersect1d(wanted, got)) / max(len(wanted), 1))
    return float(np.mean(shares))


def _milliseconds(index: Any, layers: Layers, effort: Mapping[str, int], truth: Truth, k: int) -> float:
    """Median over single queries on one thread."""
    import_faiss().omp_set_num_threads(1)
    parameters = Parameters(layers, effort).faiss
    times = []
    for query in truth.queries[:_TIMED]:
        started = time.perf_counter()
        index.search(query[None], candidates(k), params=parameters)
        times.append(time.perf_counter() - started)
    return round(float(np.median(times)) * 1_000, 4)


def _with(point: Measured, recall: float) -> Measured:
    return Measured(point.k, point.effort, round(recall, 4), point.ms)
