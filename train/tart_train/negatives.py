"""Negatives of a set's own rows: judged, hard (denoised), and instruction-unfollowing.

TART (Asai et al. 2022, section 4.2) trains against three kinds: documents of the batch, hard ones from the target
corpus whose false positives a cross-encoder removes, and documents that fit the query but not the instruction,
retrieved from another task's corpus. The last are what its quality on pooled corpora rests on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart_index.exact import ExactSearch
from tart_train.examples import DataError, Example, Negative
from tart_train.hold_out import UNIT_SETS
from tart_train.sampled import SampledQuery, SampledSet, batches, text_key

_BLOCK = 512
_MAX_POSITIVES = 8
_CUT_QUERY = 600
"""Characters; a reranker refuses queries that leave no room for the document."""
# Hits that are looked at for each one that is wanted.
_DEPTH = 6
_LOST_RANK = 20
"""A positive that the model ranks below this says nothing of what is near: the hits after this rank are taken then."""


@dataclass(frozen=True, slots=True)
class NegativeSettings:
    """How many negatives of each kind a row gets, and what is taken for a false one.

    Attributes:
        judged: Explicit zeros, those nearest to the query first.
        hard: From the set's own corpus.
        unfollowing: From other families' corpora, at most one of each set.
        below: A hard negative scores at most this share of the best positive (TopK-PercPos of NV-Retriever,
            Moreira et al. 2024).
        duplicate: An unfollowing negative is less similar to every positive than this cosine.
        low: With a reranker: candidates that score less are hard negatives (TART's 0.1).
        high: With a reranker: candidates that score more are further positives.
        pool_per_set: Documents of one other set among which unfollowing negatives are sought.
        threads: CPU threads of the search.
        seed: Chooses the pool.

    Raises:
        DataError: A value is out of range.
    """

    judged: int = 2
    hard: int = 4
    unfollowing: int = 3
    below: float = 0.95
    duplicate: float = 0.9
    low: float = 0.1
    high: float = 0.9
    pool_per_set: int = 4_000
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("judged", "hard", "unfollowing"):
            if getattr(self, name) < 0:
                raise DataError(f"{name} negatives: found {getattr(self, name)}; wanted 0 or more")
        if not 0 <= self.low <= self.high <= 1:
            raise DataError(f"denoising thresholds {self.low} and {self.high}; wanted 0 <= low <= high <= 1")
        if not 0 < self.below <= 1:
            raise DataError(f"the share of the positive's score is {self.below}; wanted above 0, at most 1")


class RelevanceModel(Protocol):
    """What denoising needs of `tart.reranker.Reranker`."""

    def score(self, query: str, instruction: str, documents: Sequence[Document]) -> Iterable[float]:
        """How relevant each document is, 0 to 1."""


class EmbeddedSet(NamedTuple):
    """A sampled set with its vectors.

    Attributes:
        sampled: The set.
        documents: Shape: (n_documents, dim), float32, unit rows.
        queries: Shape: (n_queries, dim), float32, unit rows.
    """

    sampled: SampledSet
    documents: NDArray[np.float32]
    queries: NDArray[np.float32]


class Answers:
    """Which texts answer a query in any set: what is right in one set is no negative in another."""

    def __init__(self) -> None:
        self._texts: dict[bytes, set[bytes]] = defaultdict(set)

    @classmethod
    def of(cls, sets: Sequence[SampledSet]) -> Answers:
        """The answers that the judgments of some sets hold."""
        answers = cls()
        for each in sets:
            for query in each.queries:
                answers.add(query.text, [each.texts[row] for row in query.positives])
        return answers

    def add(self, query: str, texts: Sequence[bytes]) -> None:
        """Takes in further answers, by `text_key`."""
        self._texts[text_key(query)].update(texts)

    def __call__(self, query: str) -> set[bytes]:
        """Text keys of all documents that answer a query."""
        return self._texts.get(text_key(query), set())


class RowMiner:
    """Makes the rows of sets with their own judgments.

    Args:
        sets: All sets of the mixture.
        settings: Numbers and thresholds.
        answers: See `Answers`.
        reranker: Denoises hard negatives; without one, `NegativeSettings.below` does.
        instructions: A wording of each set, for the reranker.
    """

    def __init__(
        self,
        sets: Sequence[EmbeddedSet],
        settings: NegativeSettings,
        answers: Answers,
        reranker: RelevanceModel | None = None,
        instructions: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._sets = sets
        self._settings = settings
        self._answers = answers
        self._reranker = reranker
        self._instructions = instructions or {}

    def rows(self, one: EmbeddedSet) -> Iterator[Example]:
        """The rows of one set; none of a set whose queries ask by facet, which only contrasts can teach."""
        sampled = one.sampled
        if sampled.asks_by_facet or not sampled.queries:
            return
        foreign = self._foreign(one)
        for part in batches(len(sampled.queries), _BLOCK):
            scores = one.queries[part] @ one.documents.T
            for number, query in enumerate(sampled.queries[part]):
                taken = {text_key(query.text), *self._answers(query.text)}
                taken.update(sampled.texts[row] for row in query.positives)
                judged = self._judged(sampled, query, scores[number], taken)
                extra, hard = self._hard(sampled, query, scores[number], taken)
                other = next(foreign)
                unfollowing = self._unfollowing(one, query, other, taken)
                positives = [*query.positives[:_MAX_POSITIVES], *extra]
                yield Example(
                    id=f"{sampled.name}:{query.id}",
                    dataset=sampled.name,
                    query=query.text,
                    positives=tuple(sampled.documents[row].id for row in positives),
                    negatives=(*judged, *hard, *unfollowing),
                    task=sampled.name,
                )

    def _judged(
        self, sampled: SampledSet, query: SampledQuery, scores: NDArray[np.float32], taken: set[bytes]
    ) -> list[Negative]:
        """Explicit zeros, nearest first."""
        ranked = sorted(query.zeros, key=lambda row: -float(scores[row]))
        found: list[Negative] = []
        for row in ranked:
            if len(found) == self._settings.judged:
                break
            if sampled.texts[row] not in taken:
                taken.add(sampled.texts[row])
                found.append(Negative(sampled.documents[row].id, "judged", float(scores[row])))
        return found

    def _hard(
        self, sampled: SampledSet, query: SampledQuery, scores: NDArray[np.float32], taken: set[bytes]
    ) -> tuple[list[int], list[Negative]]:
        """Further positives, and the nearest documents that are not too near."""
        wanted = self._settings.hard
        if not wanted:
            return [], []
        if self._reranker is None:
            best = float(scores[list(query.positives)].max())
            ceiling = max(best - (1 - self._settings.below) * abs(best), _score_at(scores, _LOST_RANK))
            scores = np.where(scores > ceiling, -np.inf, scores)
        rows = [row for row in nearest(scores, wanted * _DEPTH) if sampled.texts[row] not in taken]
        if self._reranker is not None:
            return self._denoised(self._reranker, sampled, query, rows, taken)
        found: list[Negative] = []
        for row in rows:
            if len(found) == wanted:
                break
            if sampled.texts[row] not in taken:
                taken.add(sampled.texts[row])
                found.append(Negative(sampled.documents[row].id, "hard", float(scores[row])))
        return [], found

    def _denoised(
        self,
        reranker: RelevanceModel,
        sampled: SampledSet,
        query: SampledQuery,
        rows: Sequence[int],
        taken: set[bytes],
    ) -> tuple[list[int], list[Negative]]:
        """Candidates as a cross-encoder sees them: wrong, right, or neither and dropped."""
        unique = list({sampled.texts[row]: row for row in reversed(rows)}.values())[::-1]
        if not unique:
            return [], []
        instruction = next(iter(self._instructions.get(sampled.name, ())), "")
        given = reranker.score(query.text[:_CUT_QUERY], instruction, [sampled.documents[row] for row in unique])
        extra = [row for row, score in zip(unique, given, strict=True) if score > self._settings.high]
        hard = [
            Negative(sampled.documents[row].id, "hard", float(score))
            for row, score in zip(unique, given, strict=True)
            if score < self._settings.low
        ][: self._settings.hard]
        chosen = {negative.id for negative in hard}
        taken.update(sampled.texts[row] for row in unique if sampled.documents[row].id in chosen or row in extra)
        return extra, hard

    def _foreign(self, one: EmbeddedSet) -> Iterator[list[_Hit]]:
        """For each query, the nearest documents of other families, best first."""
        kept = UNIT_SETS if one.sampled.name in UNIT_SETS else frozenset[str]()
        others = [
            each
            for each in self._sets
            if each.sampled.family != one.sampled.family and each.sampled.name not in kept and len(each.documents)
        ]
        if not self._settings.unfollowing or not others:
            while True:
                yield []
        rows = [self._pool(each) for each in others]
        search = ExactSearch(
            [each.documents[kept] for each, kept in zip(others, rows, strict=True)], self._settings.threads
        )
        places = [(each, int(row)) for each, kept in zip(others, rows, strict=True) for row in kept]
        depth = min(self._settings.unfollowing * _DEPTH, len(places))
        for part in batches(len(one.queries), 4 * _BLOCK):
            found = search.search(np.ascontiguousarray(one.queries[part]), depth)
            for scores, numbers in zip(found.scores.tolist(), found.rows.tolist(), strict=True):
                yield [
                    _Hit(places[number][0], places[number][1], score)
                    for number, score in zip(numbers, scores, strict=True)
                ]

    def _pool(self, each: EmbeddedSet) -> NDArray[np.int64]:
        """Rows of a set in which others seek unfollowing negatives."""
        count = len(each.documents)
        if count <= self._settings.pool_per_set:
            return np.arange(count)
        chance = np.random.default_rng([self._settings.seed, *each.sampled.name.encode()])
        return np.sort(chance.choice(count, self._settings.pool_per_set, replace=False))

    def _unfollowing(
        self, one: EmbeddedSet, query: SampledQuery, hits: Sequence[_Hit], taken: set[bytes]
    ) -> list[Negative]:
        """The nearest documents of other families, one of each set, none a near copy of a positive."""
        positives = one.documents[list(query.positives[:_MAX_POSITIVES])]
        found: list[Negative] = []
        used: set[str] = set()
        for hit in hits:
            if len(found) == self._settings.unfollowing:
                break
            sampled = hit.one.sampled
            text = sampled.texts[hit.row]
            if sampled.family in used or text in taken:
                continue
            if float((positives @ hit.one.documents[hit.row]).max()) >= self._settings.duplicate:
                continue
            used.add(sampled.family)
            taken.add(text)
            found.append(Negative(sampled.documents[hit.row].id, "unfollowing", hit.score))
        return found


class _Hit(NamedTuple):
    one: EmbeddedSet
    row: int
    score: float


def _score_at(scores: NDArray[np.float32], rank: int) -> float:
    """The score at a rank, counted from 1; the lowest there is where there are fewer documents."""
    return float(-np.partition(-scores, rank - 1)[rank - 1]) if len(scores) >= rank else -np.inf


def nearest(scores: NDArray[np.float32], count: int) -> list[int]:
    """The rows of the highest finite scores, best first, equal ones in the order of the rows."""
    count = min(count, len(scores))
    if not count:
        return []
    rows = np.argpartition(-scores, count - 1)[:count]
    rows = rows[np.isfinite(scores[rows])]
    return [int(row) for row in rows[np.lexsort((rows, -scores[rows]))]]
