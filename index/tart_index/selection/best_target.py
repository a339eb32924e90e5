"""The best target of every row, kept while scores stream by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tart_index.selection.top_k import ScoreTile


class BestTarget:
    """For each row of the pool its highest score and the target that gave it; the first of equal ones.

    Eight bytes a row.
    """

    by_target: ClassVar = False

    def __init__(self, rows: int) -> None:
        self.scores = np.full(rows, -np.inf, np.float32)
        self.targets = np.full(rows, -1, np.int32)

    def add(self, first_target: int, first_row: int, tile: ScoreTile) -> None:
        """Takes the scores of a block of rows with some targets; targets come in their order."""
        scores, targets = tile.best()
        rows = slice(first_row, first_row + len(scores))
        better = scores > self.scores[rows]
        self.scores[rows] = np.where(better, scores, self.scores[rows])
        self.targets[rows] = np.where(better, targets + np.int32(first_target), self.targets[rows])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state, from which `restore` goes on."""
        return {"scores": self.scores, "targets": self.targets}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Goes on from what `arrays` gave."""
        self.scores[:] = arrays["scores"]
        self.targets[:] = arrays["targets"]
