"""A judged set as an evaluation reads it: ids, queries and grades in memory, documents as a stream."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from tart.documents import Document
from tart_train.card import Card
from tart_train.dataset import Query, RetrievalSet
from tart_train.examples import DataError

_SHOWN_FAULTS = 5


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """A corpus, queries and grades. Open one with `JudgedSet.open`.

    Attributes:
        source: The folder.
        ids: Of the documents, in the order of the corpus.
        queries: In the order of the file.
        grades: Query id -> document id -> grade; 1 and above is relevant, 0 is judged and not relevant.
    """

    source: RetrievalSet
    ids: tuple[str, ...]
    queries: tuple[Query, ...]
    grades: Mapping[str, Mapping[str, int]]

    @classmethod
    def open(cls, path: str | Path) -> JudgedSet:
        """Reads a dataset folder in the layout of BEIR.

        Raises:
            DataError: A file is missing or malformed, an id stands twice, or a judgment names what is not there.
            SourceError: A file cannot be read.
        """
        source = RetrievalSet.open(path)
        ids = tuple(document.id for document in source.documents())
        queries = tuple(source.queries())
        grades = source.qrels()
        _check(source.path, ids, queries, grades)
        return cls(source, ids, queries, grades)

    @property
    def name(self) -> str:
        """From the card, else the folder's."""
        return self.source.name

    @property
    def card(self) -> Card:
        """What the set says about itself."""
        return self.source.card

    def documents(self) -> Iterator[Document]:
        """Streams the corpus."""
        return self.source.documents()

    def answerable(self) -> JudgedSet:
        """The set with only those queries that have a relevant document.

        Raises:
            DataError: There is none.
        """
        kept = tuple(q for q in self.queries if any(grade > 0 for grade in self.grades.get(q.id, {}).values()))
        if not kept:
            raise DataError(f"set {self.name!r}: no query has a relevant document; wanted grades of 1 or more in qrels")
        return replace(self, queries=kept)

    def group_of(self, query: Query) -> str:
        """The group of a query: the row's own, in a facet set its text; "" is none."""
        return query.group or (query.text if self.card.facet_field else "")

    def limited(self, queries: int | None) -> JudgedSet:
        """The set with about this many queries, groups kept whole, chosen by a hash of ids and groups."""
        if queries is None or len(self.queries) <= queries:
            return self
        sizes = Counter(self.group_of(query) or query.id for query in self.queries)
        kept: set[str] = set()
        total = 0
        for unit in sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest()):
            if total >= queries:
                break
            kept.add(unit)
            total += sizes[unit]
        return replace(self, queries=tuple(q for q in self.queries if (self.group_of(q) or q.id) in kept))


def open_sets(paths: Sequence[str | Path]) -> list[JudgedSet]:
    """Opens dataset folders, or folders of dataset folders, sorted by name.

    Raises:
        DataError: A folder is no dataset folder, or two sets have one name.
    """
    folders: list[Path] = []
    for path in map(Path, paths):
        inner = (
            [] if any(path.glob("corpus.jsonl*")) else sorted({file.parent for file in path.glob("*/corpus.jsonl*")})
        )
        folders += inner or [path]
    sets = sorted((JudgedSet.open(folder) for folder in folders), key=lambda one: one.name)
    for first, second in pairwise(sets):
        if first.name == second.name:
            raise DataError(f"two sets are named {first.name!r}; give each its own name in card.json")
    return sets


def _check(folder: Path, ids: Sequence[str], queries: Sequence[Query], grades: Mapping[str, Mapping[str, int]]) -> None:
    """Gathers what does not fit together.

    Raises:
        DataError: Something does not.
    """
    known, asked = set(ids), {query.id for query in queries}
    faults = [f"the document id {one!r} stands twice" for one, count in Counter(ids).items() if count > 1]
    twice = Counter(query.id for query in queries)
    faults += [f"the query id {one!r} stands twice" for one, count in twice.items() if count > 1]
    for query, judged in grades.items():
        if query not in asked:
            faults.append(f"the qrels name the query {query!r}, which is not in the queries")
        faults += [f"the qrels name the document {one!r}, which is not in the corpus" for one in judged.keys() - known]
    if faults:
        shown = "; ".join(sorted(faults)[:_SHOWN_FAULTS])
        more = f"; and {len(faults) - _SHOWN_FAULTS:,} more faults" if len(faults) > _SHOWN_FAULTS else ""
        raise DataError(f"{folder}: {shown}{more}; mend the files")
