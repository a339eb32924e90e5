"""Approximate neighbours on request: a FAISS structure, and how much of the exact answer it finds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tart.engines import Hardware
from tart.errors import QueryError
from tart_index.exact import import_faiss
from tart_index.selection.keys import keys_of, places_of, scores_of
from tart_index.selection.pool import Pool
from tart_index.selection.scoring import score_pool
from tart_index.selection.top_k import Neighbours, TopK
from tart_index.selection.vectors import PoolVectors

SAMPLE = 50
_POINTS_A_CELL = 64
_SHARE_PROBED = 8
_LEAST_SEARCHED = 64
_ROUNDING = np.float32(1e-6)


@dataclass(frozen=True, slots=True)
class Recall:
    """How good an approximate structure is, measured on some targets.

    Attributes:
        structure: FAISS's name of it.
        k: Neighbours.
        targets: How many were also searched exactly.
        recall: The mean share of their neighbours that are as near as the exact ones.
    """

    structure: str
    k: int
    targets: int
    recall: float


def approximate_neighbours(
    pool: Pool, vectors: PoolVectors, targets: NDArray[np.float32], k: int, structure: str, hardware: Hardware
) -> Neighbours:
    """The neighbours that a FAISS structure finds, with exact scores.

    Memory holds the structure, which for "ivf" and "hnsw" has a copy of all vectors.

    Args:
        pool: Of the rows.
        vectors: Theirs.
        targets: Shape: (n_targets, dim), float32, unit rows.
        k: Neighbours wanted; a target may get fewer.
        structure: "ivf", "hnsw" or a factory string.
        hardware: How many threads.

    Raises:
        QueryError: FAISS knows no such structure, or cannot train it on this pool.
    """
    faiss = import_faiss()
    faiss.omp_set_num_threads(hardware.threads)
    k = min(k, len(vectors))
    try:
        index = faiss.index_factory(vectors.dim, factory(structure, len(vectors)), faiss.METRIC_INNER_PRODUCT)
        sample = np.sort(np.random.default_rng(0).permutation(len(vectors))[: _training_rows(len(vectors))])
        index.train(vectors.rows(sample))
        # Threads that add to a graph together make another graph each time.
        faiss.omp_set_num_threads(1 if "HNSW" in factory(structure, len(vectors)) else hardware.threads)
        for number in range(vectors.blocks):
            index.add(vectors.block(number))
        faiss.omp_set_num_threads(hardware.threads)
        _look_wide(faiss, index, k)
        _, rows = index.search(targets, k)
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[-200:]
        raise QueryError(
            f"ann {structure!r} cannot be built on {len(vectors):,} rows ({reason}); try ivf or hnsw"
        ) from error
    return _rescored(pool, vectors, targets, rows)


def recall_of(
    found: Neighbours,
    pool: Pool,
    vectors: PoolVectors,
    targets: NDArray[np.float32],
    hardware: Hardware,
    structure: str,
    seed: int,
) -> Recall:
    """Measures on a sample of the targets how many of their exact neighbours were found."""
    sample = np.sort(np.random.default_rng(seed).permutation(len(targets))[:SAMPLE])
    k = min(found.rows.shape[1], len(pool))
    best = TopK(len(sample), k, pool.places)
    score_pool(vectors, targets[sample], best, hardware)
    # A row as near as the last of the nearest is as good; products of other shapes differ in the last bits.
    least = best.neighbours(pool.by_place).scores[:, -1:] - _ROUNDING
    shares = (found.scores[sample] >= least).mean(axis=1)
    return Recall(factory(structure, len(vectors)), k, len(sample), float(shares.mean()))


def factory(structure: str, rows: int) -> str:
    """FAISS's factory string of a structure for so many rows."""
    if structure == "ivf":
        return f"IVF{_cells(rows)},Flat"
    return "HNSW32,Flat" if structure == "hnsw" else structure


def _cells(rows: int) -> int:
    return max(1, min(int(4 * math.sqrt(rows)), rows // _POINTS_A_CELL))


def _training_rows(rows: int) -> int:
    """More than FAISS would look at anyway."""
    return max(256 * _cells(rows), 65_536)


def _look_wide(faiss: object, index: object, k: int) -> None:
    """Sets how much a search looks at: an eighth of the cells, twice the neighbours of a graph."""
    inner = faiss.downcast_index(index)  # type: ignore[attr-defined]
    if hasattr(inner, "index"):  # Behind a transformation such as OPQ.
        inner = faiss.downcast_index(inner.index)  # type: ignore[attr-defined]
    if hasattr(inner, "nprobe"):
        inner.nprobe = max(1, math.ceil(inner.nlist / _SHARE_PROBED))
    if hasattr(inner, "hnsw"):
        inner.hnsw.efSearch = max(2 * k, _LEAST_SEARCHED)


def _rescored(pool: Pool, vectors: PoolVectors, targets: NDArray[np.float32], rows: NDArray[np.int64]) -> Neighbours:
    """The same neighbours with exact scores, in their order."""
    keys = np.zeros(rows.shape, np.uint64)
    for number, found in enumerate(rows):
        there = found >= 0
        wanted, back = np.unique(found[there], return_inverse=True)
        scores = (vectors.rows(wanted) @ targets[number])[back]
        keys[number, there] = keys_of(scores.astype(np.float32), pool.places[found[there]])
    keys = np.sort(keys, axis=1)[:, ::-1]
    places = places_of(keys)
    return Neighbours(np.where(places < 0, -1, pool.by_place[places]), scores_of(keys))
