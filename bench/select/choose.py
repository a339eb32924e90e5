"""Selection by every method, with the tool's own parts, over a part of the pool."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.select.pool import PoolRow
from bench.select.texts import KeptVectors
from tart.engines import Hardware
from tart_index.selection.admission import Admission, admit
from tart_index.selection.best_target import BestTarget
from tart_index.selection.bm25 import WordIndex, by_words
from tart_index.selection.candidates import (
    Candidates,
    at_random,
    balanced,
    by_best_score,
    by_count,
    in_turns,
    target_lists,
    union_of,
)
from tart_index.selection.examples import Example
from tart_index.selection.options import NEIGHBOURS, SelectionOptions
from tart_index.selection.pool import Pool
from tart_index.selection.scoring import score_pool
from tart_index.selection.stage import Silent
from tart_index.selection.targets import Targets
from tart_index.selection.top_k import TopK
from tart_index.selection.vectors import PoolVectors

INSTRUCTION = "Find examples that need the same skill to answer"
_INSTRUCTED = ", instruction"

Floats = NDArray[np.float32]


class Chooser:
    """Chooses rows of the pool for target inputs.

    Args:
        rows: The pool.
        inputs: The vectors of its inputs; called when a method first needs them.
        kept: Keeps the vectors of inputs under the instruction.
        hardware: Where vectors are multiplied.
    """

    def __init__(
        self, rows: Sequence[PoolRow], inputs: Callable[[], Floats], kept: KeptVectors, hardware: Hardware
    ) -> None:
        self._rows = rows
        self._inputs = inputs
        self._kept = kept
        self._hardware = hardware
        # Methods follow each other within a dataset, seeds do not: word indexes of all datasets are kept.
        self._pool = functools.lru_cache(1)(self._pool_of)
        self._words = functools.cache(lambda numbers: WordIndex(self._pool(numbers), Silent()))
        self._instructed = functools.cache(self._under_instruction)

    def __call__(self, method: str, pool: NDArray[np.int64], asked: Sequence[int], budget: int, seed: int) -> list[int]:
        """Numbers of the rows chosen, best first.

        Args:
            method: As the tool calls it; ", instruction" behind it: targets are read under one.
            pool: Numbers of the rows that may be chosen, ascending.
            asked: Numbers of the target rows; only their inputs are looked at.
            budget: How many.
            seed: Of what is random.
        """
        numbers = pool.tobytes()
        inside = self._pool(numbers)
        targets = Targets("target", "", tuple(_example(self._rows[number]) for number in asked))
        if method == "bm25":
            candidates = by_words(self._words(numbers), targets, NEIGHBOURS, budget, Silent())
        elif method in {"random", "balanced"}:
            candidates = (at_random if method == "random" else balanced)(inside, seed)
        else:
            vectors = self._targets(asked, instructed=method.endswith(_INSTRUCTED))
            candidates = self._nearest(method.removesuffix(_INSTRUCTED), inside, vectors)
        admission = Admission(SelectionOptions(budget=budget), inside, targets, None)
        return [int(pool[one.row]) for one in admit(candidates, admission, budget, lambda _: None).candidates]

    def _nearest(self, method: str, pool: Pool, targets: Floats) -> Candidates:
        """Candidates of the methods that compare vectors."""
        assert pool.vectors is not None
        if method == "rds":
            best = BestTarget(len(pool))
            score_pool(pool.vectors, targets, best, self._hardware)
            return by_best_score(best, pool)
        top = TopK(len(targets), NEIGHBOURS, pool.places)
        score_pool(pool.vectors, targets, top, self._hardware)
        neighbours = top.neighbours(pool.by_place)
        return by_count(union_of(neighbours), pool) if method == "deft" else in_turns(target_lists(neighbours))

    def _targets(self, asked: Sequence[int], *, instructed: bool) -> Floats:
        if not instructed:
            vectors: Floats = self._inputs()[list(asked)]
            return vectors
        numbers, made = self._instructed(self._rows[asked[0]].dataset)
        return made[np.searchsorted(numbers, asked)]

    def _under_instruction(self, dataset: str) -> tuple[NDArray[np.int64], Floats]:
        """Numbers of a dataset's rows, ascending, and their vectors under the instruction."""
        numbers = np.asarray([number for number, row in enumerate(self._rows) if row.dataset == dataset])
        texts = [self._rows[number].input for number in numbers]
        return numbers, self._kept.queries(f"instructed/{dataset}", texts, INSTRUCTION)

    def _pool_of(self, numbers: bytes) -> Pool:
        inside = np.frombuffer(numbers, dtype=np.int64)
        rows = [self._rows[number] for number in inside]
        ids = pa.array([row.id for row in rows], pa.large_string())
        by_place = np.argsort(np.asarray([row.id for row in rows]), kind="stable").astype(np.int64)
        places = np.empty(len(rows), np.uint32)
        places[by_place] = np.arange(len(rows), dtype=np.uint32)
        tasks = sorted({row.template for row in rows})
        number_of = {task: number for number, task in enumerate(tasks)}
        task_of = np.asarray([number_of[row.template] for row in rows], dtype=np.int32)
        examples = [_example(row) for row in rows]
        vectors = PoolVectors([self._inputs()[inside]])
        return Pool("pool", "", ids, places, by_place, tuple(tasks), task_of, examples, vectors=vectors)


def _example(row: PoolRow) -> Example:
    return Example(row.id, row.input, row.target, row.template, {})
