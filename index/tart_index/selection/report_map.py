"""The map of a report: vectors laid flat by their two principal axes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart_index.selection.report_facts import MapVectors

Points = NDArray[np.float64]


class FlatMap(NamedTuple):
    """Points of the map.

    Attributes:
        pool: Shape: (pool points, 2).
        targets: Shape: (target points, 2).
        chosen: Shape: (chosen points, 2).
        explained: Share of the variance of pool and targets that the two axes hold, 0 to 1.
    """

    pool: Points
    targets: Points
    chosen: Points
    explained: float


def flat_map(vectors: MapVectors) -> FlatMap:
    """Projects onto the principal axes of pool and targets; the same vectors give the same map.

    The axes are the eigenvectors of the covariance matrix, computed in float64; of the two directions of each, the one
    whose largest coordinate is positive.
    """
    drawn_from = np.concatenate([vectors.pool, vectors.targets]).astype(np.float64)
    middle = drawn_from.mean(axis=0)
    centred = drawn_from - middle
    values, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, [0, 1]] < 0, -1.0, 1.0)
    variance = float(values.sum())
    explained = float(values[::-1][:2].sum()) / variance if variance > 0 else 0.0
    pool, targets, chosen = (
        (some.astype(np.float64) - middle) @ axes for some in (vectors.pool, vectors.targets, vectors.chosen)
    )
    return FlatMap(pool, targets, chosen, explained)
