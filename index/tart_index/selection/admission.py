"""Who may come in: every candidate is looked at in its turn, and left out for the first reason that there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tart.normal import text_key
from tart_index.selection.candidates import Candidate, Candidates
from tart_index.selection.evaluation_texts import EvaluationTexts
from tart_index.selection.options import SelectionOptions
from tart_index.selection.pool import Pool
from tart_index.selection.targets import Targets

SAME_AS_TARGET = "input of a target"
FULL_TASK = "task has enough rows"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near-duplicate"
SHARED_WORDS = "words of an evaluation set"
NEAR_EVALUATION = "near an evaluation set"


@dataclass(slots=True)
class Admitted:
    """Candidates that came in, and an account of the others.

    Attributes:
        candidates: In their order.
        dropped: Left out, by reason.
        looked_at: Both together.
    """

    candidates: list[Candidate] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def looked_at(self) -> int:
        """All candidates that were taken from the stream."""
        return len(self.candidates) + self.dropped.total()


def admit(candidates: Candidates, admission: Admission, most: int | None, on_row: Callable[[int], None]) -> Admitted:
    """Takes candidates until there are enough or no more.

    Args:
        candidates: Best first.
        admission: Decides.
        most: How many come in; None: all that may.
        on_row: Is told of each candidate that was looked at.
    """
    admitted = Admitted()
    answer: bool | None = None
    while most is None or len(admitted.candidates) < most:
        try:
            candidate = next(candidates) if answer is None else candidates.send(answer)
        except StopIteration:
            break
        reason = admission.refusal(candidate.row)
        answer = reason is None
        if reason is None:
            admission.enter(candidate.row)
            admitted.candidates.append(candidate)
        else:
            admitted.dropped[reason] += 1
        on_row(1)
    candidates.close()
    return admitted


class Admission:
    """Decides one selection; remembers what came in.

    Args:
        options: What may not be chosen.
        pool: Of the rows.
        targets: Whose inputs may be left out.
        evaluation: Texts that must not be trained on; None for none.
    """

    def __init__(
        self, options: SelectionOptions, pool: Pool, targets: Targets, evaluation: EvaluationTexts | None
    ) -> None:
        self._options = options
        self._pool = pool
        self._evaluation = evaluation
        self._target_keys = {text_key(text) for text in targets.texts} if options.exclude_targets else set()
        self._texts: set[tuple[bytes, bytes]] = set()
        self._in_task: Counter[int] = Counter()
        self._vectors = _Near(pool, options.near_duplicates)

    def refusal(self, row: int) -> str | None:
        """Why a row may not come in; None where it may. The cheapest questions come first."""
        if self._options.per_task is not None and self._in_task[self._task(row)] >= self._options.per_task:
            return FULL_TASK
        if self._target_keys and text_key(self._pool.examples[row].input) in self._target_keys:
            return SAME_AS_TARGET
        if self._options.drop_duplicates and self._key(row) in self._texts:
            return DUPLICATE
        if self._evaluation is not None and self._evaluation.shares_words(self._pool.examples[row]):
            return SHARED_WORDS
        if self._is_near_evaluation(row):
            return NEAR_EVALUATION
        return NEAR_DUPLICATE if self._vectors.has_near(row) else None

    def enter(self, row: int) -> None:
        """Remembers a row that came in."""
        self._in_task[self._task(row)] += 1
        if self._options.drop_duplicates:
            self._texts.add(self._key(row))
        self._vectors.add(row)

    def _is_near_evaluation(self, row: int) -> bool:
        evaluation = self._evaluation
        return evaluation is not None and evaluation.vectors is not None and evaluation.is_near(self._vectors.of(row))

    def _task(self, row: int) -> int:
        return int(self._pool.task_of[row])

    def _key(self, row: int) -> tuple[bytes, bytes]:
        example = self._pool.examples[row]
        return text_key(example.input), text_key(example.target or "")


class _Near:
    """Vectors of the rows that came in, in an array that doubles when it is full."""

    def __init__(self, pool: Pool, similarity: float | None) -> None:
        self._pool = pool
        self._similarity = similarity
        self._count = 0
        self._held: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def of(self, row: int) -> NDArray[np.float32]:
        """The vector of a row."""
        assert self._pool.vectors is not None
        vector: NDArray[np.float32] = self._pool.vectors.rows(np.array([row]))[0]
        return vector

    def has_near(self, row: int) -> bool:
        """Whether a row that came in is as similar as is not allowed."""
        if self._similarity is None or not self._count:
            return False
        return bool((self._held[: self._count] @ self.of(row)).max() >= self._similarity)

    def add(self, row: int) -> None:
        """Takes the vector of a row that came in."""
        if self._similarity is None:
            return
        vector = self.of(row)
        if self._count == len(self._held):
            grown = np.empty((max(1_024, 2 * self._count), len(vector)), np.float32)
            grown[: self._count] = self._held[: self._count] if self._count else 0
            self._held = grown
        self._held[self._count] = vector
        self._count += 1
