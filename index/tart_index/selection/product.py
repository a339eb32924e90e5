"""The matrix product of targets and a block of the pool, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

from tart.engines import Hardware
from tart.engines.linear import Linear
from tart.engines.share import share_of, take_share

# Targets in one product: bounds the scores that are held at once, 16 MiB with 2,048 rows.
TILE = 2_048
# With fewer targets than this, a matrix product is too narrow for a thread of its own.
NARROWEST = 64


class Product:
    """Multiplies blocks of the pool with all targets, tile by tile.

    Where tiles may be taken side by side, each processor multiplies and takes its own: one product on all processors,
    whose scores then are taken by one of them, is slower.

    Args:
        targets: Shape: (n_targets, dim), float32.
        hardware: Where; in float32 whatever the model's number type is.
        side_by_side: Whether tiles may be taken by several threads at once.
    """

    def __init__(self, targets: NDArray[np.float32], hardware: Hardware, *, side_by_side: bool = False) -> None:
        hardware.pin_threads()
        self._device = torch.device(hardware.device)
        threads, count = share_of(hardware.threads), len(targets)
        workers = min(threads, count // NARROWEST) if side_by_side and hardware.device == "cpu" else 1
        self._pool = None
        if workers > 1:
            self._pool = ThreadPoolExecutor(workers, "tart-score", take_share, (threads // workers,))
        step = min(TILE, -(-count // max(workers, 1)))
        moved = torch.from_numpy(np.array(targets, np.float32)).to(self._device)
        self._tiles = [(first, _product_with(moved[first : first + step])) for first in range(0, count, step)]

    def load(self, block: NDArray[np.float32]) -> Tensor:
        """A block where it is multiplied."""
        return torch.from_numpy(block).to(self._device)

    def each(self, block: Tensor, take: Callable[[int, Tile], None]) -> None:
        """Hands over the scores of a block, tile by tile.

        Args:
            block: What `load` gave.
            take: Is given the tile's first target, and the tile.
        """

        def multiply(tile: tuple[int, Linear]) -> None:
            first, product = tile
            take(first, Tile(product(block)))

        for _ in (self._pool.map if self._pool else map)(multiply, self._tiles):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool:
            self._pool.shutdown()


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


def _product_with(targets: Tensor) -> Linear:
    """Vectors times these targets; oneDNN multiplies a sixth to a third faster than what `torch.mm` calls."""
    return Linear(targets, targets.new_zeros(len(targets)))
