"""Exact scoring: the pool streams once through a matrix product with every target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tart.engines import Hardware
from tart.prefetch import Prefetch
from tart_index.selection.checkpoint import Checkpoint
from tart_index.selection.product import Product
from tart_index.selection.top_k import ScoreTile
from tart_index.selection.vectors import PoolVectors


class Scores(Protocol):
    """What collects scores while they stream by.

    Attributes:
        by_target: Whether each target has a state of its own, so that several threads may add tiles at once.
    """

    by_target: ClassVar[bool]

    def add(self, first_target: int, first_row: int, tile: ScoreTile) -> None:
        """Takes the scores of some targets with a block of rows."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state, from which `restore` goes on."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Goes on from what `arrays` gave."""


def score_pool(
    vectors: PoolVectors,
    targets: NDArray[np.float32],
    scores: Scores,
    hardware: Hardware,
    checkpoint: Checkpoint | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> None:
    """Hands the scores of all targets with all rows to `scores`, block by block.

    Blocks are always the same, so a run that was killed and goes on computes the very numbers that it would have.

    Args:
        vectors: Of the pool.
        targets: Shape: (n_targets, dim), float32, unit rows.
        scores: Collects.
        hardware: Where to multiply.
        checkpoint: Where to go on from, and to save to.
        on_rows: Is told how many rows more are done.
    """
    done = 0
    saved = checkpoint.load() if checkpoint is not None else None
    if saved is not None:
        done = saved[0]
        scores.restore(saved[1])
        on_rows(vectors.first_row(done))
    product = Product(targets, hardware, side_by_side=scores.by_target)
    with product, Prefetch(_blocks(vectors, done)) as blocks:
        for number, block in enumerate(blocks, start=done):
            product.each(product.load(block), _adding(scores, vectors.first_row(number)))
            on_rows(len(block))
            if checkpoint is not None and checkpoint.is_due():
                checkpoint.save(number + 1, scores.arrays())


def _adding(scores: Scores, first_row: int) -> Callable[[int, ScoreTile], None]:
    return lambda first_target, tile: scores.add(first_target, first_row, tile)


def _blocks(vectors: PoolVectors, first: int) -> Iterator[NDArray[np.float32]]:
    for number in range(first, vectors.blocks):
        yield vectors.block(number)
