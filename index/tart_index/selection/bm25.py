"""BM25: rows that share words with a target, as a method and as a control."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart.errors import DependencyError
from tart.normal import words
from tart_index.selection.candidates import Candidate, Candidates, in_turns, target_lists
from tart_index.selection.pool import Pool
from tart_index.selection.stage import Stages
from tart_index.selection.targets import Targets
from tart_index.selection.top_k import Neighbours, TopK

_STEP = 1_000


class _OneTarget:
    """The scores of one target with all rows, as a `ScoreTile`; rows without a common word score minus infinity."""

    def __init__(self, scores: NDArray[np.float32]) -> None:
        self._scores = np.where(scores > 0, scores, np.float32(-np.inf))

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._scores), 1

    def dense(self) -> NDArray[np.float32]:
        return self._scores[:, None]

    def at_least(self, floors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        flat = np.flatnonzero(self._scores >= floors[0])
        return flat, self._scores[flat]

    def best(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        return self._scores, np.zeros(len(self._scores), np.int32)


class WordIndex:
    """An index of the words of a pool. It lies in memory: about twelve bytes for each word of each row.

    Raises:
        DependencyError: bm25s is not installed.
    """

    def __init__(self, pool: Pool, stages: Stages) -> None:
        self._pool = pool
        self._model = _import_bm25s().BM25()
        stages.start("reading words", len(pool))
        vocabulary: dict[str, int] = {}
        rows = [_numbers(text, vocabulary) for text in _inputs(pool, stages)]
        self._vocabulary = vocabulary
        # A vocabulary of nothing cannot be indexed: texts may hold no letter or digit.
        if vocabulary:
            self._model.index((rows, vocabulary), show_progress=False, create_empty_token=False)

    @property
    def rows(self) -> int:
        """Rows of the pool."""
        return len(self._pool)

    def neighbours(self, targets: Targets, k: int, stages: Stages) -> Neighbours:
        """The best rows of every target that share a word with it; equal scores by id."""
        best = TopK(len(targets), k, self._pool.places)
        stages.start("scoring words", len(targets))
        for number, text in enumerate(targets.texts):
            best.add(number, 0, _OneTarget(self._scores(text)))
            stages.done(1)
        found = best.neighbours(self._pool.by_place)
        return Neighbours(np.where(np.isfinite(found.scores), found.rows, -1), found.scores)

    def _scores(self, text: str) -> NDArray[np.float32]:
        known = [word for word in words(text) if word in self._vocabulary]
        if not known:
            return np.zeros(len(self._pool), np.float32)
        scores: NDArray[np.float32] = self._model.get_scores(known)
        return scores.astype(np.float32)


def by_words(index: WordIndex, targets: Targets, depth: int, wanted: int | None, stages: Stages) -> Candidates:
    """Targets in turn take their next best row by BM25, whose scores of different targets cannot be compared.

    Args:
        index: Of the pool's words.
        targets: Take turns.
        depth: Rows of each target to begin with.
        wanted: How many rows must come of it, as far as there are any: the lists grow until they do. None: any number.
        stages: Is told how it goes on.
    """
    given: set[int] = set()
    accepted = 0
    while True:
        lists = target_lists(index.neighbours(targets, depth, stages))
        accepted += yield from _fresh(in_turns(lists), given)
        if depth >= index.rows or wanted is None or accepted >= wanted:
            return
        depth *= 4


def _fresh(candidates: Candidates, given: set[int]) -> Generator[Candidate, bool, int]:
    """Candidates that were not given before; returns how many of them were chosen."""
    accepted = 0
    answer: bool | None = None
    while True:
        try:
            candidate = next(candidates) if answer is None else candidates.send(answer)
        except StopIteration:
            return accepted
        answer = False
        if candidate.row not in given:
            given.add(candidate.row)
            answer = yield candidate
            accepted += answer


def _inputs(pool: Pool, stages: Stages) -> Iterator[str]:
    for row in range(len(pool)):
        if row % _STEP == _STEP - 1:
            stages.done(_STEP)
        yield pool.examples[row].input


def _numbers(text: str, vocabulary: dict[str, int]) -> list[int]:
    return [vocabulary.setdefault(word, len(vocabulary)) for word in words(text)]


def _import_bm25s() -> Any:
    try:
        import bm25s
    except ImportError as error:
        raise DependencyError("no bm25s is installed; pip install 'tart-retrieval[select]'") from error
    return bm25s
