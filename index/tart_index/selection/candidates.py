"""Methods: from scores to candidates, best first, one after the other.

A stream of candidates is a generator that is told of each whether it was chosen, so that in turns a target whose best
row was left out takes its next one instead of losing its turn.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tart.errors import QueryError
from tart_index.selection.best_target import BestTarget
from tart_index.selection.pool import Pool
from tart_index.selection.top_k import Neighbours


class Candidate(NamedTuple):
    """A row that may be chosen next.

    Attributes:
        row: Of the pool.
        score: NaN where chance put it here.
        votes: Targets that stand for it.
        target: Number of the target that has it best; -1 for none.
    """

    row: int
    score: float
    votes: int
    target: int


Candidates: TypeAlias = Generator[Candidate, bool, None]


class Ordered(Protocol):
    """What says in which order equal scores come: a pool by its ids, an index by its rows."""

    @property
    def places(self) -> NDArray[np.uint32]:
        """Of each row among all."""


class Union(NamedTuple):
    """The rows that any target has among its neighbours. Shapes: (n_rows,).

    Attributes:
        rows: Ascending.
        scores: The highest.
        votes: How many targets have the row.
        targets: The first target that has it with this score.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    votes: NDArray[np.int64]
    targets: NDArray[np.int64]


def union_of(neighbours: Neighbours) -> Union:
    """The union of all targets' neighbours."""
    there = neighbours.rows.ravel() >= 0
    rows = neighbours.rows.ravel()[there]
    scores = neighbours.scores.ravel()[there]
    targets = np.repeat(np.arange(len(neighbours.rows)), neighbours.rows.shape[1])[there]
    order = np.lexsort((targets, -scores, rows))
    found, firsts, counts = np.unique(rows[order], return_index=True, return_counts=True)
    return Union(found, scores[order][firsts], counts, targets[order][firsts])


def by_count(union: Union, order: Ordered) -> Candidates:
    """DEFT's union: the rows of most targets first, then the nearest, then by id (Ivison et al. 2022, section 3)."""
    for place in np.lexsort((order.places[union.rows], -union.scores, -union.votes)):
        yield Candidate(*(column[place].item() for column in union))


def by_best_score(best: BestTarget, order: Ordered) -> Candidates:
    """RDS+ with the maximum over targets: the nearest rows first, then by id (Ivison et al. 2025)."""
    for row in np.lexsort((order.places, -best.scores)):
        yield Candidate(int(row), float(best.scores[row]), 1, int(best.targets[row]))


def in_turns(lists: Sequence[Iterator[Candidate]]) -> Candidates:
    """Round-robin: each list in turn gives its next best row that no other has given, until all are empty."""
    seen: set[int] = set()
    waiting = list(lists)
    while waiting:
        left = []
        for candidates in waiting:
            for candidate in candidates:
                if candidate.row in seen:
                    continue
                seen.add(candidate.row)
                if (yield candidate):
                    left.append(candidates)
                    break
        waiting = left


def target_lists(neighbours: Neighbours) -> list[Iterator[Candidate]]:
    """The neighbours of every target, best first."""
    return [_list(number, *pair) for number, pair in enumerate(zip(neighbours.rows, neighbours.scores, strict=True))]


def _list(target: int, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> Iterator[Candidate]:
    for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
        if row >= 0:
            yield Candidate(row, score, 1, target)


def task_lists(neighbours: Neighbours, tasks: Sequence[str | None], pool: Pool) -> list[Iterator[Candidate]]:
    """The neighbours of every task of the targets, in the order of the tasks' names: a row counts with its best score.

    Raises:
        QueryError: A target has no task.
    """
    if None in tasks:
        raise QueryError("turns over tasks need the task of every target; map it with --target-fields task=NAME")
    numbers = np.array([str(task) for task in tasks])
    lists = []
    for task in sorted(set(numbers)):
        members = np.flatnonzero(numbers == task)
        union = union_of(Neighbours(neighbours.rows[members], neighbours.scores[members]))
        order = np.lexsort((pool.places[union.rows], -union.scores))
        lists.append(_task_list(union, members, order))
    return lists


def _task_list(union: Union, members: NDArray[np.int64], order: NDArray[np.int64]) -> Iterator[Candidate]:
    for place in order:
        row, score, _, target = (column[place].item() for column in union)
        yield Candidate(row, score, 1, int(members[target]))


def at_random(pool: Pool, seed: int) -> Candidates:
    """Rows in random order, whatever their order in the pool's files."""
    for place in np.random.default_rng(seed).permutation(len(pool)):
        yield Candidate(int(pool.by_place[place]), float("nan"), 0, -1)


def balanced(pool: Pool, seed: int) -> Candidates:
    """Rows at random, one of each task in turn; rows without a task count as one task."""
    by_task: dict[int, list[int]] = {}
    rng = np.random.default_rng([seed, 1])
    for place in rng.permutation(len(pool)):
        row = int(pool.by_place[place])
        by_task.setdefault(int(pool.task_of[row]), []).append(row)
    # In random order too, or a budget below the number of tasks would always take the same ones.
    tasks = rng.permutation(sorted(by_task))
    yield from in_turns([_unscored(by_task[int(task)]) for task in tasks])


def _unscored(rows: Sequence[int]) -> Iterator[Candidate]:
    return (Candidate(row, float("nan"), 0, -1) for row in rows)
