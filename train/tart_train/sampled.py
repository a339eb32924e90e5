"""A sampled dataset: as many queries as mining takes of one set, their judged documents, and some distractors."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING, Any

from tart.documents import Document
from tart.normal import normalised
from tart_index.keys import digest
from tart_train.card import Card
from tart_train.families import family
from tart_train.hold_out import HoldOut

if TYPE_CHECKING:
    from tart_train.dataset import RetrievalSet

# Explicit zeros that are read of one query: more never become negatives.
_ZEROS = 24
_REPEATED = 0.2


@dataclass(frozen=True, slots=True)
class SamplingLimits:
    """How much of a set is taken.

    Attributes:
        queries: At most.
        documents: Distractors beside the judged documents, at most.
        seed: Chooses.
    """

    queries: int = 6_000
    documents: int = 6_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SampledQuery:
    """A query with the rows of its judged documents.

    Attributes:
        id: In its set.
        text: Of the query.
        metadata: Of the query.
        positives: Rows of documents of grade 1 and above, best grade first.
        zeros: Rows of documents that are judged not relevant.
    """

    id: str
    text: str
    metadata: Mapping[str, Any]
    positives: tuple[int, ...]
    zeros: tuple[int, ...]


@dataclass(frozen=True)
class SampledSet:
    """What mining holds of one set. Document ids carry the set's name, so that they are unique in a mixture."""

    name: str
    card: Card
    documents: Sequence[Document]
    queries: Sequence[SampledQuery]
    left_out: int = field(default=0)

    @property
    def family(self) -> str:
        """See `tart_train.families`."""
        return family(self.card)

    @cached_property
    def texts(self) -> list[bytes]:
        """What makes each document the same as another."""
        return [text_key(document.text) for document in self.documents]

    @cached_property
    def asks_by_facet(self) -> bool:
        """Whether one query text asks for several things, so that only an instruction tells which."""
        texts = Counter(query.text for query in self.queries)
        repeated = sum(count for count in texts.values() if count > 1)
        return bool(self.card.facet_field) and repeated > _REPEATED * len(self.queries)


def text_key(text: str) -> bytes:
    """Equal for texts of the same letters and digits."""
    return digest(normalised(text) or text)


def sample(dataset: RetrievalSet, limits: SamplingLimits, hold_out: HoldOut) -> SampledSet:
    """Samples a set; the same seed gives the same sample.

    Queries and documents that are held out are left out, and queries that then have no positive.
    """
    chance = random.Random(f"{limits.seed}:{dataset.name}")  # noqa: S311 (a sample, no secret)
    asked = [query for query in dataset.queries() if not hold_out(query.metadata)]
    if len(asked) > limits.queries:
        asked = [asked[number] for number in sorted(chance.sample(range(len(asked)), limits.queries))]
    grades = _grades(dataset, {query.id for query in asked})
    judged = {document_id for each in grades.values() for document_id in each}
    documents, left_out = _documents(dataset, judged, limits.documents, hold_out, chance)
    rows = {document.id: row for row, document in enumerate(documents)}
    queries = []
    for query in asked:
        positives, zeros = _rows(grades.get(query.id, {}), rows)
        if positives:
            queries.append(SampledQuery(query.id, query.text, query.metadata, positives, zeros))
    named = [Document(f"{dataset.name}:{one.id}", one.text, one.title, one.metadata) for one in documents]
    return SampledSet(dataset.name, dataset.card, named, queries, left_out)


def _grades(dataset: RetrievalSet, wanted: set[str]) -> dict[str, dict[str, int]]:
    """Grades by query and document; of a query with many zeros the first ones only."""
    grades: dict[str, dict[str, int]] = {}
    for query_id, judged in dataset.qrels().items():
        if query_id not in wanted:
            continue
        zeros = [document_id for document_id, grade in judged.items() if grade <= 0][:_ZEROS]
        grades[query_id] = {one: grade for one, grade in judged.items() if grade > 0} | dict.fromkeys(zeros, 0)
    return grades


def _documents(
    dataset: RetrievalSet, judged: set[str], distractors: int, hold_out: HoldOut, chance: random.Random
) -> tuple[list[Document], int]:
    """The judged documents and a uniform sample of the others (a reservoir by random keys), in the order of the set."""
    kept: list[tuple[int, Document]] = []
    others: list[tuple[float, int, Document]] = []
    left_out = 0
    for number, document in enumerate(dataset.documents()):
        if hold_out(document.metadata):
            left_out += 1
        elif document.id in judged:
            kept.append((number, document))
        elif distractors:
            push = heappush if len(others) < distractors else heappushpop
            push(others, (chance.random(), number, document))
    kept += [(number, document) for _, number, document in others]
    return [document for _, document in sorted(kept, key=lambda pair: pair[0])], left_out


def _rows(grades: Mapping[str, int], rows: Mapping[str, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    ranked = sorted((pair for pair in grades.items() if pair[0] in rows), key=lambda pair: (-pair[1], rows[pair[0]]))
    positives = tuple(rows[one] for one, grade in ranked if grade > 0)
    return positives, tuple(rows[one] for one, grade in ranked if grade <= 0)


def batches(count: int, size: int) -> Iterator[slice]:
    """Slices that cover `count` rows."""
    yield from (slice(start, min(start + size, count)) for start in range(0, count, size))
