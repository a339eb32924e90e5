"""One cell of the replication: choose, train, score."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.select.cells import Cell, Result
from bench.select.choices import Question, TrainingQuestions, label_sets
from bench.select.fine_tuned import ChoiceModel, TunedSettings
from bench.select.frozen import FrozenSettings, Vectors, right_answers, train_head
from bench.select.held_out import HeldOut, Split, hold_out, split
from bench.select.pool import PoolRow
from bench.select.texts import kept_json
from bench.select.wording import examples

FROZEN, TUNED = "frozen", "fine-tuned"
UNTRAINED, WHOLE, OWN = "untrained", "whole pool", "own labels"


class Sizes(NamedTuple):
    """How much of a target is drawn, and from how many answers a model learns to choose.

    Attributes:
        asked: Target inputs of a selection.
        scored: Rows that a model is scored on.
        answers: Of a training question, at most.
        whole: Rows of the "whole pool" in the fine-tuned tier: all of it takes hours there. None: all.
    """

    asked: int = 250
    scored: int = 400
    answers: int = 4
    whole: int | None = None


# Method, rows of the pool that may be chosen, target rows, budget, seed -> rows, best first.
Choose = Callable[[str, NDArray[np.int64], Sequence[int], int, int], list[int]]


class Experiment:
    """All that cells share.

    Args:
        rows: The pool, with the targets.
        vectors: Of all texts; called when the frozen tier first needs them.
        choose: Chooses rows.
        work: Where selections are kept.
        sizes: See there.
        frozen: How a head is trained.
        tuned: How an encoder is fine-tuned.
    """

    def __init__(
        self,
        rows: Sequence[PoolRow],
        vectors: Callable[[], Vectors],
        choose: Choose,
        work: Path,
        sizes: Sizes,
        frozen: FrozenSettings,
        tuned: TunedSettings,
    ) -> None:
        self._rows = rows
        self._labels = label_sets(rows)
        self._training = TrainingQuestions(rows, self._labels, sizes.answers)
        self._vectors = functools.cache(vectors)
        self._choose = choose
        self._work = work
        self._sizes = sizes
        self._frozen = frozen
        self._tuned = tuned
        self.target = functools.cache(self._hold_out)
        self._examples = functools.cache(self._example_of_every_row)

    def _hold_out(self, dataset: str) -> HeldOut:
        return hold_out(self._rows, dataset, self._labels)

    def split(self, dataset: str, seed: int) -> Split:
        """The two sides of a target."""
        return split(self.target(dataset), seed, self._sizes.asked, self._sizes.scored)

    def run(self, cell: Cell) -> Result:
        """Chooses, trains and scores."""
        chosen = self._training_rows(cell)
        questions = self._questions(cell, chosen)
        scored = self.split(cell.dataset, cell.seed).scored
        start = time.perf_counter()
        right = (self._run_frozen if cell.tier == FROZEN else self._run_tuned)(cell, questions, scored)
        drawn = Counter(self._rows[number].dataset for number in chosen)
        more = {"datasets": dict(drawn.most_common()), "no_answers": len(chosen) - len(questions)}
        return Result(cell, float(right.mean()), len(scored), len(questions), time.perf_counter() - start, more)

    def _training_rows(self, cell: Cell) -> list[int]:
        """Numbers of the rows that a cell trains on, or has chosen."""
        target = self.target(cell.dataset)
        asked = [question.row for question in self.split(cell.dataset, cell.seed).asked]
        if cell.method in {UNTRAINED, OWN}:
            return asked if cell.method == OWN else []
        if cell.method == WHOLE:
            most = len(target.pool) if cell.tier == FROZEN else self._sizes.whole or len(target.pool)
            drawn = np.random.default_rng(cell.seed).permutation(target.pool)[:most]
            return [int(number) for number in drawn]
        file = self._work / "selections" / cell.dataset / str(cell.seed) / f"{cell.method}-{cell.budget}.json"
        return kept_json(file, lambda: self._choose(cell.method, target.pool, asked, cell.budget, cell.seed))

    def _questions(self, cell: Cell, chosen: Sequence[int]) -> list[Question]:
        """Training questions; a target's own rows are questions already, with all their answers."""
        if cell.method == OWN:
            return list(self.split(cell.dataset, cell.seed).asked)
        found = (self._training.question(number, cell.seed) for number in chosen)
        return [question for question in found if question is not None]

    def _run_frozen(self, cell: Cell, questions: Sequence[Question], scored: Sequence[Question]) -> NDArray[np.bool_]:
        of_row = self._examples()
        of_question = np.asarray([of_row[question.row] for question in questions], dtype=np.int64)
        head = train_head(questions, of_question, self._vectors(), cell.seed, self._frozen)
        return right_answers(head, scored, self._vectors())

    def _run_tuned(self, cell: Cell, questions: Sequence[Question], scored: Sequence[Question]) -> NDArray[np.bool_]:
        model = ChoiceModel(self._rows, self._tuned)
        if questions:
            model.train(questions, cell.seed)
        return model.right_answers(scored)

    def _example_of_every_row(self) -> list[int]:
        return kept_json(self._work / "examples.json", lambda: example_numbers(self._rows))


def example_numbers(rows: Sequence[PoolRow]) -> list[int]:
    """Which example each row of the pool comes from; no example is of two datasets."""
    found = np.zeros(len(rows), dtype=np.int64)
    start = 0
    datasets = np.asarray([row.dataset for row in rows])
    for dataset in dict.fromkeys(datasets.tolist()):
        here = np.flatnonzero(datasets == dataset)
        inside = examples([rows[number] for number in here])
        found[here] = start + inside
        start += int(inside.max()) + 1
    return [int(number) for number in found]
