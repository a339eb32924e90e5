"""The matrix product of targets and a block of the pool, on the CPU or a GPU."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tart.engines import Hardware

# Targets in one product: bounds the scores that are held at once, 32 MiB with 4,096 rows.
TILE = 2_048


class Product:
    """Multiplies blocks of the pool with all targets, tile by tile.

    Args:
        targets: Shape: (n_targets, dim), float32.
        hardware: Where; in float32 whatever the model's number type is.
    """

    def __init__(self, targets: NDArray[np.float32], hardware: Hardware) -> None:
        hardware.pin_threads()
        self._device = torch.device(hardware.device)
        self._targets = torch.from_numpy(np.array(targets, np.float32)).to(self._device)

    def load(self, block: NDArray[np.float32]) -> Tensor:
        """A block where it is multiplied."""
        return torch.from_numpy(block).to(self._device)

    def first_targets(self) -> range:
        """Where the tiles begin."""
        return range(0, len(self._targets), TILE)

    def tile(self, first_target: int, block: Tensor) -> Tile:
        """The scores of the targets from one on with a block."""
        return Tile(torch.mm(self._targets[first_target : first_target + TILE], block.T))


class Tile:
    """Scores of some targets with a block of rows; see `tart_index.selection.top_k.ScoreTile`."""

    def __init__(self, scores: Tensor) -> None:
        self._scores = scores

    @property
    def shape(self) -> tuple[int, int]:
        """Targets and rows."""
        targets, rows = self._scores.shape
        return targets, rows

    def dense(self) -> NDArray[np.float32]:
        """All scores."""
        scores: NDArray[np.float32] = self._scores.cpu().numpy()
        return scores

    def at_least(self, floors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Flat places of the scores that reach their target's floor, and these scores."""
        if self._scores.device.type == "cpu":
            # numpy finds the few that pass in a tenth of torch's time.
            scores = self.dense()
            flat: NDArray[np.int64] = np.flatnonzero(scores >= floors[:, None])
            return flat, scores.ravel()[flat]
        least = torch.from_numpy(floors).to(self._scores.device)[:, None]
        places = (self._scores >= least).flatten().nonzero().flatten()
        return places.cpu().numpy(), self._scores.flatten()[places].cpu().numpy()

    def best(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The best score of each row and the first target that has it."""
        scores, targets = self._scores.max(dim=0)
        return scores.cpu().numpy(), targets.to(torch.int32).cpu().numpy()
