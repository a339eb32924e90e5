"""Scores and ids in one number, so that one partial sort settles both: higher scores first, equal ones by id.

A key is 64 bits: above, the score's bits in an order that integers share with floats; below, the id's place among all
ids of the pool, turned round. No two rows of a pool have the same key, and 0 is the key of no row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tart.errors import SourceError

MAX_ROWS = 2**32 - 2
_SIGN = np.uint32(0x8000_0000)
_ALL = np.uint32(0xFFFF_FFFF)
_HALF = np.uint64(32)


def keys_of(scores: NDArray[np.float32], places: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """The keys of rows.

    Args:
        scores: Shape: (..., n_rows), float32, finite.
        places: Shape: broadcast against `scores`, uint32: of each row's id among all ids, from 0.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # Adding 0 turns -0.0 into 0.0.
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    keys: NDArray[np.uint64] = (ordered.astype(np.uint64) << _HALF) | (_ALL - places).astype(np.uint64)
    return keys


def scores_of(keys: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The scores in keys; minus infinity for the key of no row."""
    ordered = (keys >> _HALF).astype(np.uint32)
    bits = np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered)
    scores: NDArray[np.float32] = np.where(keys == 0, np.float32(-np.inf), bits.view(np.float32))
    return scores


def places_of(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The places of ids in keys; -1 for the key of no row."""
    places = (_ALL - (keys & np.uint64(_ALL)).astype(np.uint32)).astype(np.int64)
    found: NDArray[np.int64] = np.where(keys == 0, np.int64(-1), places)
    return found


def refuse_too_many(rows: int) -> None:
    """Refuses a pool with more rows than keys can tell apart.

    Raises:
        SourceError: It has.
    """
    if rows > MAX_ROWS:
        raise SourceError(
            f"the pool has {rows:,} rows; at most {MAX_ROWS:,} can be told apart: select from halves of it"
        )
