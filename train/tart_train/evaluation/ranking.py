"""Exact rankings with one order for everyone: by score, then by document id.

A score and a document's place in the order of the ids are packed into one integer, so that a larger key is a better
place and no two keys are equal. Scores are rounded to a millionth first: two documents of the same text then tie,
whatever the shape of the matrix product that scored them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Keys: TypeAlias = NDArray[np.int64]

_SCALE = 1_000_000
_PLACE_BITS = 36
_PLACES = (1 << _PLACE_BITS) - 1
# Scores of a block: 1,024 queries x 4,096 documents are 16 MiB, which stays near the cache.
_QUERIES = 1_024
_DOCUMENTS = 4_096


def pack(scores: NDArray[np.floating], places: NDArray[np.int64]) -> Keys:
    """Keys of scores.

    Args:
        scores: Any shape whose last axis is the documents; absolute values below 100.
        places: Shape: (n_documents,); each document's place in the order of the ids, from 0.
    """
    return _pack(_rounded(scores), places)


def _rounded(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scores in whole millionths."""
    millionths: NDArray[np.floating] = np.rint(scores * scores.dtype.type(_SCALE))
    return millionths


def _pack(millionths: NDArray[np.floating], places: NDArray[np.int64]) -> Keys:
    keys = millionths.astype(np.int64)
    keys <<= _PLACE_BITS
    keys += _PLACES - places
    return keys


def places_of(keys: Keys) -> NDArray[np.int64]:
    """Each key's place in the order of the ids."""
    places: NDArray[np.int64] = _PLACES - (keys & _PLACES)
    return places


def scores_of(keys: Keys) -> NDArray[np.float64]:
    """Each key's score, rounded as it was packed."""
    scores: NDArray[np.float64] = (keys >> _PLACE_BITS) / _SCALE
    return scores


def best(keys: Keys, k: int) -> Keys:
    """The `k` largest keys of each row, best first; fewer where there are fewer."""
    width = keys.shape[1]
    if width > k:
        keys = np.partition(keys, width - k, axis=1)[:, width - k :]
    ordered: Keys = np.sort(keys, axis=1)[:, ::-1]
    return ordered


def nearest(
    queries: NDArray[np.float32],
    parts: Sequence[NDArray[np.float32]],
    places: NDArray[np.int64],
    k: int,
    known: Keys | None = None,
) -> Keys:
    """The best `k` documents of each query, every document scored.

    Args:
        queries: Shape: (n_queries, dim), float32, unit rows.
        parts: The corpus in a row; arrays of shape (part count, dim), float32, unit rows; may be memory-mapped.
        places: Shape: (n_documents,); see `pack`.
        k: At least 1.
        known: The best documents of other corpora, best first, which the new ones must beat.

    Returns:
        Shape: (n_queries, at most k), best first.
    """
    known = np.empty((len(queries), 0), np.int64) if known is None else known
    found = [
        _nearest(queries[start : start + _QUERIES], parts, places, k, known[start : start + _QUERIES])
        for start in range(0, len(queries), _QUERIES)
    ]
    return np.concatenate(found) if found else known


def _nearest(
    queries: NDArray[np.float32], parts: Sequence[NDArray[np.float32]], places: NDArray[np.int64], k: int, kept: Keys
) -> Keys:
    start = 0
    for part in parts:
        for first in range(0, len(part), _DOCUMENTS):
            block = part[first : first + _DOCUMENTS]
            millionths = _rounded(queries @ block.T)
            block_places = places[start : start + len(block)]
            full = kept.shape[1] >= k
            keys = _rivals(millionths, block_places, kept[:, -1]) if full else _pack(millionths, block_places)
            kept = best(np.concatenate([kept, keys], axis=1), k)
            start += len(block)
    return kept


def _rivals(millionths: NDArray[np.floating], places: NDArray[np.int64], worst: Keys) -> Keys:
    """Keys of the few documents that may beat a query's worst one; rows are filled up with the worst."""
    # Whole millionths of a cosine are exact in float32.
    least = (worst >> _PLACE_BITS).astype(millionths.dtype)
    rows, columns = np.nonzero(millionths >= least[:, None])
    counts = np.bincount(rows, minlength=len(worst))
    keys = np.repeat(worst[:, None], counts.max(initial=0), axis=1)
    firsts = np.cumsum(counts) - counts
    keys[rows, np.arange(len(rows)) - firsts[rows]] = _pack(millionths[rows, columns], places[columns])
    return keys


def all_keys(queries: NDArray[np.float32], parts: Sequence[NDArray[np.float32]], places: NDArray[np.int64]) -> Keys:
    """The key of every document for each query, in the order of the corpus; for ranks of single documents.

    Returns:
        Shape: (n_queries, n_documents).
    """
    return pack(np.concatenate([queries @ part.T for part in parts], axis=1), places)


def ranks(keys: Keys, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ranks, from 1, of some documents of one query; keys are distinct, so there are no ties.

    Args:
        keys: Shape: (n_documents,), of all documents.
        rows: Which documents.
    """
    found: NDArray[np.int64] = 1 + (keys[None, :] > keys[rows][:, None]).sum(axis=1)
    return found


def id_places(ids: Sequence[str]) -> NDArray[np.int64]:
    """Each document's place in the order of the ids."""
    places = np.empty(len(ids), np.int64)
    places[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return places
