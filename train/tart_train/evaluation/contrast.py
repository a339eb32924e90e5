"""Obedience: the same query under instructions that ask for different documents.

Document d is relevant under instruction A and judged not relevant under B. p-MRR (Weller et al. 2024, "FollowIR",
equation 1) asks how far d moves; pair accuracy asks whether d and a document e of the opposite kind change places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from tart_train.dataset import Query
from tart_train.evaluation.judged_set import JudgedSet
from tart_train.evaluation.ranking import Keys, ranks, scores_of
from tart_train.examples import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Opposition:
    """Two queries of one group and the documents on which they differ.

    Attributes:
        first: Number of query A.
        second: Number of query B.
        changed: Rows of documents that are relevant under A and judged not relevant under B.
        opposite: The other way round; may be empty.
    """

    first: int
    second: int
    changed: NDArray[np.int64]
    opposite: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ContrastGroup:
    """Queries of one text that ask for different things, by their numbers in the set."""

    name: str
    queries: tuple[int, ...]
    oppositions: tuple[Opposition, ...]


@dataclass(frozen=True, slots=True)
class GroupScores:
    """What became of a group.

    Attributes:
        p_mrr: -1 to 1, of each query with a changed document.
        pairs: Share of (d, e) that are in the right order under both instructions; NaN without a pair.
        directions: Share of the two directions of all pairs that are right; NaN without a pair.
        n_pairs: Pairs (d, e).
    """

    p_mrr: tuple[float, ...]
    pairs: float
    directions: float
    n_pairs: int


def contrast_groups(judged: JudgedSet) -> list[ContrastGroup]:
    """The groups of a contrast set that differ in at least one document.

    Queries of one ``group`` belong together; in a facet set, queries of one text do.

    Raises:
        DataError: Queries of a group differ in their text, or no two queries of a group disagree on a document.
    """
    members: dict[str, list[int]] = {}
    for number, query in enumerate(judged.queries):
        name = judged.group_of(query)
        if name:
            members.setdefault(name, []).append(number)
    rows = {document: row for row, document in enumerate(judged.ids)}
    groups = []
    for name, numbers in members.items():
        _check_texts(judged, name, numbers)
        found = tuple(_oppositions(judged, numbers, rows))
        if found:
            groups.append(ContrastGroup(name, tuple(numbers), found))
    if not groups:
        raise DataError(
            f"contrast set {judged.name!r}: found no group of queries that disagree on a document; wanted queries of "
            "one `group` and text (or a card with `facet_field`), and explicit grades of 0 in the qrels"
        )
    return groups


def _check_texts(judged: JudgedSet, name: str, numbers: Sequence[int]) -> None:
    texts = {judged.queries[number].text for number in numbers}
    if len(texts) > 1:
        first, second = sorted(texts)[:2]
        raise DataError(
            f"contrast set {judged.name!r}, group {name!r}: found the texts {first!r} and {second!r}; "
            "wanted one text, under different instructions"
        )


def _oppositions(judged: JudgedSet, numbers: Sequence[int], rows: Mapping[str, int]) -> Iterator[Opposition]:
    """Ordered pairs of queries with at least one changed document."""
    for first, second in permutations(numbers, 2):
        a, b = judged.queries[first], judged.queries[second]
        changed = _changed(judged, a, b, rows)
        if len(changed):
            yield Opposition(first, second, changed, _changed(judged, b, a, rows))


def _changed(judged: JudgedSet, a: Query, b: Query, rows: Mapping[str, int]) -> NDArray[np.int64]:
    under_b = judged.grades.get(b.id, {})
    found = [rows[one] for one, grade in judged.grades.get(a.id, {}).items() if grade > 0 and under_b.get(one, 1) <= 0]
    return np.array(sorted(found), np.int64)


def p_mrr(rank_relevant: NDArray[np.int64], rank_other: NDArray[np.int64]) -> Floats:
    """How far documents move: 1 towards the top where they are wanted, -1 the other way, 0 not at all.

    Args:
        rank_relevant: Ranks, from 1, under the instruction for which the documents are relevant.
        rank_other: Ranks under the one for which they are not.
    """
    wanted, other = rank_relevant.astype(np.float64), rank_other.astype(np.float64)
    return np.where(wanted < other, 1 - wanted / other, other / wanted - 1)


def score_group(group: ContrastGroup, keys: Keys) -> GroupScores:
    """Scores a group.

    Args:
        group: What differs.
        keys: Shape: (len(group.queries), n_documents): the key of every document; see `ranking.pack`.
    """
    own = dict(zip(group.queries, keys, strict=True))
    moves: dict[int, list[float]] = {}
    right_pairs, right_directions, pairs = 0, 0, 0
    for one in group.oppositions:
        under_a, under_b = own[one.first], own[one.second]
        moved = p_mrr(ranks(under_a, one.changed), ranks(under_b, one.changed))
        moves.setdefault(one.first, []).extend(moved.tolist())
        # Every pair of queries comes in both orders; the pairs (d, e) are the same.
        if one.first < one.second and len(one.opposite):
            a_right, b_right = _right_directions(under_a, under_b, one)
            right_pairs += int((a_right & b_right).sum())
            right_directions += int(a_right.sum()) + int(b_right.sum())
            pairs += a_right.size
    return GroupScores(
        tuple(float(np.mean(values)) for values in moves.values()),
        right_pairs / pairs if pairs else float("nan"),
        right_directions / (2 * pairs) if pairs else float("nan"),
        pairs,
    )


def _right_directions(under_a: Keys, under_b: Keys, one: Opposition) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether d beats e under A, and e beats d under B; shapes: (n_changed, n_opposite)."""
    a = scores_of(under_a[one.changed])[:, None] > scores_of(under_a[one.opposite])[None, :]
    b = scores_of(under_b[one.opposite])[None, :] > scores_of(under_b[one.changed])[:, None]
    return a, b
