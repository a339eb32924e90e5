"""How sure a figure is: the percentile bootstrap over queries, and paired tests of two systems.

Efron & Tibshirani (1993), chapters 13 and 16; Smucker, Allan & Carterette (2007) for the randomisation test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LEVEL = 95.0
# Sign flips in a block: 1,000 x 2,000 queries are 16 MB.
_FLIPS = 1_000


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator of a set's own, so that a set's interval does not depend on the other sets."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def resampled_means(values: Floats, resamples: int, random: np.random.Generator) -> Floats:
    """Means of the rows, drawn with replacement.

    Args:
        values: Shape: (n, columns).
        resamples: How often.
        random: What draws; the columns of one draw share their rows.

    Returns:
        Shape: (resamples, columns).
    """
    count = len(values)
    times = random.multinomial(count, np.full(count, 1 / count), size=resamples)
    means: Floats = times @ values / count
    return means


def interval(resampled: Floats) -> tuple[float, float]:
    """The 95 % percentile interval of a figure.

    Args:
        resampled: Shape: (resamples,).
    """
    tail = (100 - _LEVEL) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return float(low), float(high)


def randomisation_p(differences: Sequence[Floats], permutations: int, random: np.random.Generator) -> float:
    """Two-sided p of the paired randomisation test: the sign of each query's difference is a coin's toss.

    Args:
        differences: For each set, shape: (n_queries,); the statistic is the mean over the sets of their means.
        permutations: How often the coins are tossed.
        random: What tosses.
    """
    observed = abs(float(np.mean([one.mean() for one in differences])))
    extreme = 0
    for start in range(0, permutations, _FLIPS):
        tosses = min(_FLIPS, permutations - start)
        means = np.zeros(tosses)
        for one in differences:
            signs = random.integers(0, 2, size=(tosses, len(one)), dtype=np.int8) * 2 - 1
            means += signs @ one / len(one) / len(differences)
        # Rounding must not make a difference that equals the observed one smaller.
        extreme += int((np.abs(means) >= observed - 1e-12).sum())
    return (extreme + 1) / (permutations + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down correction for several tests, in the order of the tests."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    largest = 0.0
    for step, row in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[row]))
        corrected[row] = largest
    return [float(one) for one in corrected]
