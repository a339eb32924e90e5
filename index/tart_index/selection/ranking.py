"""From a method to its candidates: neighbours are looked up once, however many methods ask for them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.engines import Hardware
from tart.errors import QueryError
from tart_index.selection.ann import Recall, approximate_neighbours, recall_of
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
    task_lists,
    union_of,
)
from tart_index.selection.checkpoint import Checkpoint
from tart_index.selection.options import Method, SelectionOptions
from tart_index.selection.pool import Pool
from tart_index.selection.scoring import Scores, score_pool
from tart_index.selection.stage import Stages
from tart_index.selection.targets import Targets
from tart_index.selection.top_k import Neighbours, TopK
from tart_index.selection.vectors import BLOCK, PoolVectors


class Ranked(NamedTuple):
    """The candidates of a method, best first, and how many there are; None where only the end tells."""

    candidates: Candidates
    size: int | None


class Ranking:
    """Ranks the rows of a pool by any method.

    Args:
        pool: With vectors where the method compares them.
        targets: Likewise.
        options: Of the selection.
        hardware: Where to multiply.
        checkpoint_file: Where scoring saves how far it came; None: nowhere.
        stages: Is told how it goes on.
    """

    def __init__(
        self,
        pool: Pool,
        targets: Targets,
        options: SelectionOptions,
        hardware: Hardware,
        checkpoint_file: Path | None,
        stages: Stages,
    ) -> None:
        self._pool = pool
        self._targets = targets
        self._options = options
        self._hardware = hardware
        self._file = checkpoint_file
        self._stages = stages
        self.recall: Recall | None = None

    def ranked(self, method: Method, wanted: int | None) -> Ranked:
        """The candidates of a method.

        Args:
            method: Which one.
            wanted: How many rows should be chosen of them; only "bm25" looks further for more.

        Raises:
            QueryError: Turns over tasks were asked for, and a target has none.
            DependencyError: "bm25" needs a library that is not installed.
        """
        if method == "random":
            return Ranked(at_random(self._pool, self._options.seed), len(self._pool))
        if method == "balanced":
            return Ranked(balanced(self._pool, self._options.seed), len(self._pool))
        if method == "bm25":
            index = WordIndex(self._pool, self._stages)
            return Ranked(by_words(index, self._targets, self._options.neighbours, wanted, self._stages), None)
        if method == "rds":
            best = BestTarget(len(self._pool))
            self._score(best, "rds")
            return Ranked(by_best_score(best, self._pool), len(self._pool))
        return self._by_neighbours(method)

    def _by_neighbours(self, method: Method) -> Ranked:
        tasks = [example.task for example in self._targets.examples]
        if self._options.over == "tasks" and None in tasks:
            raise QueryError("turns over tasks need the task of every target; map it with --target-fields task=NAME")
        neighbours = self._neighbours()
        union = union_of(neighbours)
        if method == "deft":
            return Ranked(by_count(union, self._pool), len(union.rows))
        over_tasks = self._options.over == "tasks"
        lists = task_lists(neighbours, tasks, self._pool) if over_tasks else target_lists(neighbours)
        return Ranked(in_turns(lists), len(union.rows))

    def _neighbours(self) -> Neighbours:
        k, structure = self._options.neighbours, self._options.ann
        if structure is None:
            best = TopK(len(self._targets), k, self._pool.places)
            self._score(best, f"top {k}")
            return best.neighbours(self._pool.by_place)
        pool, vectors = _with_both(self._pool, self._targets)
        self._stages.start("indexing", None)
        found = approximate_neighbours(self._pool, pool, vectors, k, structure, self._hardware)
        self.recall = recall_of(found, self._pool, pool, vectors, self._hardware, structure, self._options.seed)
        return found

    def _score(self, scores: Scores, what: str) -> None:
        pool, targets = _with_both(self._pool, self._targets)
        checkpoint = None
        if self._file is not None:
            checkpoint = Checkpoint(self._file, self._identity(what))
        self._stages.start("scoring", len(self._pool))
        score_pool(pool, targets, scores, self._hardware, checkpoint, self._stages.done)

    def _identity(self, what: str) -> str:
        """Stands for every number that scoring gives: products differ in the last bits by device and threads."""
        assert self._pool.folder is not None
        assert self._targets.vectors is not None
        digest = hashlib.sha256(self._targets.vectors.tobytes())
        made_by = (self._hardware.device, str(self._hardware.threads), str(BLOCK), what)
        for text in (self._pool.folder.manifest.fingerprint, *made_by):
            digest.update(text.encode() + b"\0")
        return digest.hexdigest()


def _with_both(pool: Pool, targets: Targets) -> tuple[PoolVectors, NDArray[np.float32]]:
    assert pool.vectors is not None
    assert targets.vectors is not None
    return pool.vectors, targets.vectors
