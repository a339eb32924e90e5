"""Vectors cut to their first numbers: Matryoshka embeddings (Kusupati et al. 2022, arXiv 2205.13147)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tart.engines.around import EngineAround
from tart.engines.base import Engine


class CutEngine(EngineAround):
    """Runs another engine and keeps the first numbers of its vectors, brought to unit length again.

    Args:
        own: Runs the batches.
        dim: Numbers that stay, fewer than its own.
    """

    def __init__(self, own: Engine, dim: int) -> None:
        super().__init__(own)
        self._dim = dim

    @property
    def dim(self) -> int:
        """Numbers that stay."""
        return self._dim

    def embed(self, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        """Embeds one batch; see `tart.engines.Engine.embed`."""
        return cut_vectors(self._own.embed(texts, skip), self._dim)


def cut_vectors(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """The first numbers of vectors, of unit length again.

    Args:
        vectors: Shape: (n, more than dim), float32, unit rows.
        dim: Numbers that stay.

    Returns:
        Shape: (n, dim), float32, unit rows; one whose first numbers are all zero becomes the first axis.
    """
    cut: NDArray[np.float32] = vectors[:, :dim].copy()
    norms = np.linalg.norm(cut, axis=1, keepdims=True)
    cut[norms[:, 0] == 0, 0] = 1.0
    cut /= np.where(norms == 0, 1.0, norms)
    return cut
