"""What a selection will cost, told before it begins."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from tart.encoder import Encoder
from tart.engines import Hardware
from tart_index.planning.words import duration
from tart_index.selection.options import SelectionOptions
from tart_index.selection.pool import Pool, document_of
from tart_index.selection.product import TILE, Product, Tile
from tart_index.selection.targets import Targets
from tart_index.selection.vectors import BLOCK

_SAMPLE = 48


@dataclass(frozen=True, slots=True)
class Plan:
    """Estimates of one selection.

    Attributes:
        rows: Of the pool.
        targets: Examples.
        parts: Blocks that the pool is scored in.
        memory_bytes: That scoring holds besides model and libraries.
        scoring_seconds: Of the matrix product.
        embedding_seconds: Of rows that have no vectors yet, were none of them known; None where all have.
    """

    rows: int
    targets: int
    parts: int
    memory_bytes: int
    scoring_seconds: float
    embedding_seconds: float | None

    def sentence(self) -> str:
        """The plan in one line."""
        memory = f"about {-(-self.memory_bytes // 2**20):,} MiB besides the model"
        times = [f"scoring {duration(self.scoring_seconds)}"]
        if self.embedding_seconds is not None:
            times.insert(0, f"embedding {duration(self.embedding_seconds)} (rows that are known take none)")
        return (
            f"plan: {self.rows:,} rows in {self.parts:,} parts x {self.targets:,} targets; {memory}; about "
            + ", ".join(times)
        )


def plan_of(
    pool: Pool, targets: Targets, options: SelectionOptions, encoder: Encoder | None, hardware: Hardware
) -> Plan:
    """Estimates from a small sample of the work itself."""
    rows, count = len(pool), len(targets)
    block = min(rows, BLOCK)
    tile = min(count, TILE)
    if encoder is None:
        return Plan(rows, count, 0, 16 * rows, 0.0, None)
    kept = min(options.neighbours, rows)
    state = 8 * rows if options.method == "rds" else count * (kept + max(kept, 64)) * 8
    # Ids and places of all rows; two blocks and the targets; the scores of a tile and the keys of its first block.
    memory = 16 * rows + state + 4 * encoder.dim * (2 * block + count) + 16 * block * tile
    embedding = None if pool.vectors is not None else rows / _rows_a_second(pool, encoder)
    return Plan(rows, count, -(-rows // BLOCK), memory, _scoring_seconds(rows, count, encoder.dim, hardware), embedding)


def _scoring_seconds(rows: int, targets: int, dim: int, hardware: Hardware) -> float:
    some = min(targets, TILE)
    best = float("inf")
    with Product(np.zeros((some, dim), np.float32), hardware, side_by_side=True) as product:
        block = product.load(np.zeros((BLOCK, dim), np.float32))
        for _ in range(3):
            started = time.perf_counter()
            product.each(block, lambda _, tile: _look_at(tile))
            best = min(best, time.perf_counter() - started)
    return best * rows / BLOCK * targets / some


def _look_at(tile: Tile) -> None:
    tile.at_least(np.ones(tile.shape[1], np.float32))


def _rows_a_second(pool: Pool, encoder: Encoder) -> float:
    sample = [document_of(pool.examples[row]) for row in np.linspace(0, len(pool) - 1, _SAMPLE).astype(int).tolist()]
    encoder.encode_documents(sample[:4])
    started = time.perf_counter()
    encoder.encode_documents(sample)
    return len(sample) / (time.perf_counter() - started)
