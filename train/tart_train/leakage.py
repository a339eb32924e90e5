"""Which texts of a data set are texts of an evaluation set too.

Equal texts are found by a digest of their letters and digits, so that neither set has to fit in memory as text. For
long documents a second measure finds copies that were cut or edited: the share of word 8-grams that two documents have
in common, of those of the shorter one (containment, Broder 1997, "On the resemblance and containment of documents").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.normal import normalised, words
from tart.readers.rows import shown_path
from tart_train.dataset import Query, RetrievalSet
from tart_train.faults import FAULTS_SHOWN
from tart_train.set_check import Watcher

SHORTEST = 30
"""Letters and digits of a document; a shorter one ("Yes.") is no evidence of leakage."""
GRAM = 8
LONG = 50
"""Words of a document from which on its 8-grams are compared."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # An odd multiplier mixes the positions of a gram; 2^64 / golden ratio.


class Source(NamedTuple):
    """A text of an evaluation set."""

    dataset: str
    kind: str
    id: str


class Leak(NamedTuple):
    """A text of the checked set that an evaluation set has too.

    Attributes:
        kind: "query" or "document", in the checked set.
        share: The containment; `None`: the texts are equal.
    """

    path: Path
    line: int
    kind: str
    id: str
    source: Source
    share: float | None = None

    @property
    def message(self) -> str:
        """The one line that a user reads."""
        how = "equals" if self.share is None else f"shares {self.share:.0%} of the 8-grams of the shorter with"
        return (
            f"{shown_path(self.path)}:{self.line}: {self.kind} {self.id!r} {how} "
            f"{self.source.kind} {self.source.id!r} of {self.source.dataset}; drop it from training"
        )


@dataclass(slots=True)
class Leaks:
    """Collects leaks: counts all of them, keeps the first.

    Attributes:
        limit: How many are kept; `None` keeps every one.
        counts: How many there are, by evaluation set and kind of the leaking text.
        first: Those that were kept.
    """

    limit: int | None = FAULTS_SHOWN
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: list[Leak] = field(default_factory=list)

    def add(self, leak: Leak) -> None:
        """Notes one leak."""
        self.counts[leak.source.dataset, leak.kind] += 1
        if self.limit is None or len(self.first) < self.limit:
            self.first.append(leak)

    def __len__(self) -> int:
        """All of them, kept or not."""
        return self.counts.total()


class EvaluationTexts:
    """The texts that must not be trained on.

    Args:
        sets: The evaluation sets.
        containment: The share of 8-grams from which on two long documents count as one; `None`: only equal texts do.
        passed: Called after every row.
    """

    def __init__(
        self,
        sets: Iterable[RetrievalSet],
        containment: float | None = None,
        passed: Callable[[], None] = lambda: None,
    ) -> None:
        self._equal: dict[bytes, Source] = {}
        self._containment = containment
        self._long: list[tuple[Source, int]] = []
        grams: list[NDArray[np.uint64]] = []
        for data in sets:
            for query in data.queries():
                self._equal.setdefault(_key(normalised(query.text)), Source(data.name, "query", query.id))
                passed()
            for document in data.documents():
                passed()
                source = Source(data.name, "document", document.id)
                for normal in _document_forms(document):
                    self._equal.setdefault(_key(normal), source)
                if containment is not None:
                    of_document = gram_hashes(words(document.text))
                    if len(of_document):
                        self._long.append((source, len(of_document)))
                        grams.append(of_document)
        self._equal.pop(_key(""), None)
        owners = np.repeat(np.arange(len(grams), dtype=np.uint32), [len(of_document) for of_document in grams])
        every = np.concatenate(grams) if grams else np.empty(0, np.uint64)
        order = np.argsort(every, kind="stable")
        self._grams, self._owners = every[order], owners[order]

    def __len__(self) -> int:
        """How many different texts there are."""
        return len(self._equal)

    def query(self, text: str) -> Source | None:
        """Which text a query equals."""
        return self._equal.get(_key(normalised(text)))

    def document(self, document: Document) -> tuple[Source, float | None] | None:
        """Which text a document equals, or shares much with: then with the containment."""
        for normal in _document_forms(document):
            found = self._equal.get(_key(normal))
            if found is not None:
                return found, None
        return None if self._containment is None else self._contained(document.text, self._containment)

    def watcher(self, leaks: Leaks) -> Watcher:
        """What to hand to `check_set` in order to look for leaks in the same pass."""

        def on_document(file: Path, line: int, document: Document) -> None:
            found = self.document(document)
            if found is not None:
                leaks.add(Leak(file, line, "document", document.id, *found))

        def on_query(file: Path, line: int, query: Query) -> None:
            found = self.query(query.text)
            if found is not None:
                leaks.add(Leak(file, line, "query", query.id, found))

        return Watcher(on_document, on_query)

    def _contained(self, text: str, wanted: float) -> tuple[Source, float] | None:
        """The long document with which this one shares most."""
        grams = gram_hashes(words(text))
        if not len(grams) or not len(self._grams):
            return None
        starts = np.searchsorted(self._grams, grams, "left")
        stops = np.searchsorted(self._grams, grams, "right")
        rows = [np.arange(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]
        if not rows:
            return None
        owners, shared = np.unique(self._owners[np.concatenate(rows)], return_counts=True)
        shorter = np.minimum([self._long[owner][1] for owner in owners], len(grams))
        shares = shared / shorter
        best = int(np.argmax(shares))
        return (self._long[owners[best]][0], float(shares[best])) if shares[best] >= wanted else None


def gram_hashes(tokens: list[str]) -> NDArray[np.uint64]:
    """The distinct word 8-grams of a long document as numbers; of a short one, none.

    Shape: (n_grams,), uint64, sorted.
    """
    if len(tokens) < LONG:
        return np.empty(0, np.uint64)
    of_words = np.fromiter((_word_hash(token) for token in tokens), np.uint64, len(tokens))
    total = np.zeros(len(tokens) - GRAM + 1, np.uint64)
    for offset in range(GRAM):
        total = total * _FACTOR + of_words[offset : offset + len(total)]
    return np.unique(total)


@lru_cache(maxsize=1 << 17)
def _word_hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _key(normal: str) -> bytes:
    return blake2b(normal.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _document_forms(document: Document) -> Iterator[str]:
    """The texts that a document may be known by, those that are long enough: with and without its title."""
    text = normalised(document.text)
    if len(text) >= SHORTEST:
        yield text
    if document.title:
        titled = normalised(document.title) + text
        if len(titled) >= SHORTEST:
            yield titled
