"""Diversity: rows that are like a target and unlike each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tart_index.selection.candidates import Candidate

# What is weighed against each other at most: 31 MiB of vectors at 384 numbers.
MOST = 20_000
POOL_PER_ROW = 4


def considered(budget: int) -> int:
    """How many of the best candidates are weighed for so many rows."""
    return max(budget, min(POOL_PER_ROW * budget, MOST))


def diverse(
    candidates: Sequence[Candidate], vectors: NDArray[np.float32], weight: float, budget: int
) -> list[Candidate]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998, equation 1), greedily.

    Each time the candidate with the highest ``(1 - weight) * score - weight * nearest`` is taken, where ``nearest`` is
    its highest similarity to one that was taken; of equal ones the first.

    Args:
        candidates: Best first.
        vectors: Shape: (len(candidates), dim), float32, unit rows.
        weight: 0 takes the best scores, 1 looks at diversity only.
        budget: How many are taken.
    """
    scores = np.array([candidate.score for candidate in candidates], np.float64)
    nearest = np.full(len(candidates), -np.inf)
    gain = (1 - weight) * scores
    taken: list[Candidate] = []
    for _ in range(min(budget, len(candidates))):
        best = int(np.argmax(gain))
        taken.append(candidates[best])
        scores[best] = -np.inf
        nearest = np.maximum(nearest, vectors @ vectors[best])
        gain = np.where(np.isfinite(scores), (1 - weight) * scores - weight * nearest, -np.inf)
    return taken
