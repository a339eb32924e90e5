"""The matrix product of targets and a block of the pool, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tart.engines import Hardware

# Targets in one product: bounds the scores that are held at once, 16 MiB with 2,048 rows.
TILE = 2_048


class Product:
    """Multiplies blocks of the pool with all targets, tile by tile.

    Args:
        targets: Shape: (n_targets, dim), float32.
        hardware: Where; in float32 whatever the model's number type is.
        rows: In the largest block.
    """

    def __init__(self, targets: NDArray[np.float32], hardware: Hardware, rows: int) -> None:
        hardware.pin_threads()
        self._device = torch.device(hardware.device)
        moved = torch.from_numpy(np.array(targets, np.float32)).to(self._device)
        self._tiles = [moved[first : first + TILE] for first in range(0, len(moved), TILE)]
        # Memory that stays is not asked for again with every block.
        self._scores = torch.empty(rows * len(self._tiles[0]), device=self._device)

    def load(self, block: NDArray[np.float32]) -> Tensor:
        """A block where it is multiplied."""
        return torch.from_numpy(block).to(self._device)

    def tiles(self, block: Tensor) -> Iterator[tuple[int, Tile]]:
        """The scores of a block, tile by tile: the tile's first target, and the tile, which the next one overwrites."""
        first = 0
        for targets in self._tiles:
            out = self._scores[: len(block) * len(targets)].view(len(block), len(targets))
            yield first, Tile(torch.mm(block, targets.T, out=out))
            first += len(targets)


class Tile:
    """Scores of a block of rows with some targets; see `tart_index.selection.top_k.ScoreTile`."""

    def __init__(self, scores: Tensor) -> None:
        self._scores = scores

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and targets."""
        rows, targets = self._scores.shape
        return rows, targets

    def dense(self) -> NDArray[np.float32]:
        """All scores."""
        scores: NDArray[np.float32] = self._scores.cpu().numpy()
        return scores

    def at_least(self, floors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Flat places of the scores that reach their target's floor, and these scores."""
        if self._scores.device.type == "cpu":
            # numpy finds the few that pass in a tenth of torch's time.
            scores = self.dense()
            flat: NDArray[np.int64] = np.flatnonzero(scores >= floors)
            return flat, scores.ravel()[flat]
        least = torch.from_numpy(floors).to(self._scores.device)
        places = (self._scores >= least).flatten().nonzero().flatten()
        return places.cpu().numpy(), self._scores.flatten()[places].cpu().numpy()

    def best(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The best score of each row and the first target that has it."""
        scores, targets = self._scores.max(dim=1)
        return scores.cpu().numpy(), targets.to(torch.int32).cpu().numpy()
