"""The corpora of all sets side by side: closed is one of them, pooled is all, and every document is scored once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tart_train.evaluation.judged_set import JudgedSet
from tart_train.evaluation.ranking import Keys, best, id_places, nearest, places_of
from tart_train.evaluation.vectors import VectorStore


@dataclass(frozen=True, slots=True)
class Corpora:
    """Documents of several sets, ordered by set and id; a document's place is its number in this order.

    Attributes:
        sets: Sorted by name.
        parts: For each set, its vectors in the order of its corpus.
        places: For each set, the place of each document.
        starts: Shape: (n_sets + 1,); places of set i run from ``starts[i]`` to ``starts[i + 1]``.
        names: Document ids by place.
    """

    sets: Sequence[JudgedSet]
    parts: Sequence[Sequence[NDArray[np.float32]]]
    places: Sequence[NDArray[np.int64]]
    starts: NDArray[np.int64]
    names: Sequence[str]

    @classmethod
    def encode(cls, sets: Sequence[JudgedSet], store: VectorStore) -> Corpora:
        """Encodes each corpus once, or finds its vectors."""
        parts = [store.documents(judged.name, judged.documents(), len(judged.ids)) for judged in sets]
        starts = np.cumsum([0, *(len(judged.ids) for judged in sets)])
        places = [id_places(judged.ids) + start for judged, start in zip(sets, starts[:-1], strict=True)]
        names = list(chain.from_iterable(sorted(judged.ids) for judged in sets))
        return cls(sets, parts, places, starts, names)

    def nearest(self, own: int, queries: NDArray[np.float32], depth: int) -> tuple[Keys, Keys]:
        """The best documents of queries in their own corpus (closed) and in all (pooled).

        Args:
            own: The number of the queries' set.
            queries: Shape: (n_queries, dim).
            depth: Documents of a ranking.

        Returns:
            Two arrays of shape (n_queries, at most depth), best first.
        """
        closed: Keys = np.empty((len(queries), 0), np.int64)
        pooled: Keys = np.empty((len(queries), 0), np.int64)
        for number, (parts, places) in enumerate(zip(self.parts, self.places, strict=True)):
            found = nearest(queries, parts, places, depth)
            if number == own:
                closed = found
            pooled = best(np.concatenate([pooled, found], axis=1), depth)
        return closed, pooled

    def rankings(self, own: int, keys: Keys) -> Iterator[list[str]]:
        """Document ids of each query, best first; another set's document is named ``set/id``."""
        first, last = self.starts[own], self.starts[own + 1]
        for row in places_of(keys):
            yield [self.names[place] if first <= place < last else self.qualified(int(place)) for place in row]

    def owned(self, own: int, keys: Keys) -> NDArray[np.bool_]:
        """Whether each document is of this set's corpus; the shape of the keys."""
        places = places_of(keys)
        owned: NDArray[np.bool_] = (self.starts[own] <= places) & (places < self.starts[own + 1])
        return owned

    def owner(self, place: int) -> int:
        """The number of a document's set."""
        return int(np.searchsorted(self.starts, place, side="right")) - 1

    def qualified(self, place: int) -> str:
        """A document's id behind its set's name."""
        return f"{self.sets[self.owner(place)].name}/{self.names[place]}"
