"""The corpora of all sets side by side: closed is one of them, pooled is all, and every document is scored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tart_train.evaluation.judged_set import JudgedSet
from tart_train.evaluation.ranking import Keys, id_places, nearest, places_of
from tart_train.evaluation.vectors import VectorStore


@dataclass(frozen=True, slots=True)
class Corpora:
    """Documents of several sets, ordered by set and id; a document's place is its number in this order.

    Attributes:
        sets: Sorted by name.
        parts: For each set, its vectors in the order of its corpus.
        places: For each set, the place of each document.
        starts: Shape: (n_sets + 1,); places of set i run from ``starts[i]`` to ``starts[i + 1]``.
        names: Document ids by place; shape: (n_documents,), strings as objects.
        qualified: The same behind their sets' names.
    """

    sets: Sequence[JudgedSet]
    parts: Sequence[Sequence[NDArray[np.float32]]]
    places: Sequence[NDArray[np.int64]]
    starts: NDArray[np.int64]
    names: NDArray[np.object_]
    qualified: NDArray[np.object_]

    @classmethod
    def encode(cls, sets: Sequence[JudgedSet], store: VectorStore) -> Corpora:
        """Encodes each corpus once, or finds its vectors."""
        parts = [store.documents(judged.name, judged.documents(), len(judged.ids)) for judged in sets]
        starts = np.cumsum([0, *(len(judged.ids) for judged in sets)])
        places = [id_places(judged.ids) + start for judged, start in zip(sets, starts[:-1], strict=True)]
        names = [(judged.name, one) for judged in sets for one in sorted(judged.ids)]
        plain = np.array([one for _, one in names], dtype=object)
        qualified = np.array([f"{name}/{one}" for name, one in names], dtype=object)
        return cls(sets, parts, places, starts, plain, qualified)

    def nearest(self, own: int, queries: NDArray[np.float32], depth: int) -> tuple[Keys, Keys]:
        """The best documents of queries in their own corpus (closed) and in all (pooled).

        Args:
            own: The number of the queries' set.
            queries: Shape: (n_queries, dim).
            depth: Documents of a ranking.

        Returns:
            Two arrays of shape (n_queries, at most depth), best first.
        """
        closed = nearest(queries, self.parts[own], self.places[own], depth)
        pooled = closed
        for number, (parts, places) in enumerate(zip(self.parts, self.places, strict=True)):
            if number != own:
                pooled = nearest(queries, parts, places, depth, pooled)
        return closed, pooled

    def rankings(self, own: int, keys: Keys) -> list[list[str]]:
        """Document ids of each query, best first; another set's document is named ``set/id``."""
        places = places_of(keys)
        found: list[list[str]] = np.where(self._owned(own, places), self.names[places], self.qualified[places]).tolist()
        return found

    def owned(self, own: int, keys: Keys) -> NDArray[np.bool_]:
        """Whether each document is of this set's corpus; the shape of the keys."""
        return self._owned(own, places_of(keys))

    def _owned(self, own: int, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        owned: NDArray[np.bool_] = (self.starts[own] <= places) & (places < self.starts[own + 1])
        return owned
