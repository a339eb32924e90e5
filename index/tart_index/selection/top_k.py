"""A running top k: the best rows of every target, kept while scores stream by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tart_index.selection.keys import keys_of, places_of, scores_of


class ScoreTile(Protocol):
    """The scores of a block of rows with some targets, wherever they were computed.

    Shape: (n_rows, n_targets), float32.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and targets."""

    def dense(self) -> NDArray[np.float32]:
        """All scores."""

    def at_least(self, floors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Flat places of the scores that reach their target's floor, ascending, and these scores."""

    def best(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The best score of each row and the first target that has it. Shapes: (n_rows,)."""


class Neighbours(NamedTuple):
    """The best rows of every target, best first, equal scores by id.

    Attributes:
        rows: Shape: (n_targets, k), int64; -1 behind the last, where a target has fewer.
        scores: Shape: (n_targets, k), float32; minus infinity there.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


class TopK:
    """Collects the best `k` rows of every target.

    A score below its target's floor, the k-th best so far, can be left out unlooked at; after the first blocks that is
    nearly all of them. Those that pass wait in a buffer behind the best and are sorted in when it is full.

    Args:
        targets: How many.
        k: How many rows of each.
        places: Shape: (n_rows,), uint32: of each row's id among all ids.
    """

    by_target: ClassVar = True

    def __init__(self, targets: int, k: int, places: NDArray[np.uint32]) -> None:
        self._k = min(k, len(places))
        self._room = max(self._k, 64)
        self._places = places
        self._keys = np.zeros((targets, self._k + self._room), np.uint64)
        self._filled = np.zeros(targets, np.int64)
        self._floors = np.full(targets, -np.inf, np.float32)

    def add(self, first_target: int, first_row: int, tile: ScoreTile) -> None:
        """Takes the scores of a block of rows with some targets."""
        rows, targets = tile.shape
        floors = self._floors[first_target : first_target + targets]
        places = self._places[first_row : first_row + rows]
        flat, scores = tile.at_least(floors)
        of_row = flat // targets
        of_target = flat - of_row * targets
        counts = np.bincount(of_target, minlength=targets)
        if counts.max(initial=0) > self._room:
            self._sort_in(first_target, keys_of(tile.dense().T, places))
        else:
            self._append(first_target, of_target, keys_of(scores, places[of_row]), counts)

    def neighbours(self, by_place: NDArray[np.int64]) -> Neighbours:
        """The best rows so far.

        Args:
            by_place: Shape: (n_rows,): the row whose id has a place.
        """
        keys = np.sort(self._best(), axis=1)[:, ::-1]
        places = places_of(keys)
        return Neighbours(np.where(places < 0, -1, by_place[places]), scores_of(keys))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state, from which `restore` goes on."""
        return {"keys": self._best()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Goes on from what `arrays` gave."""
        self._keys[:] = 0
        self._keep(np.arange(len(self._keys)), arrays["keys"])

    def _best(self) -> NDArray[np.uint64]:
        """The best keys of every target, the worst of them first. Shape: (n_targets, k)."""
        return np.partition(self._keys, self._room, axis=1)[:, self._room :]

    def _append(
        self, first_target: int, of_target: NDArray[np.int64], keys: NDArray[np.uint64], counts: NDArray[np.int64]
    ) -> None:
        """Puts keys behind those that wait. `counts`: how many of each target there are."""
        self._make_room(first_target, counts)
        # Numbers of 16 bits are sorted digit by digit, in a fifth of the time; a tile has no more targets.
        order = np.argsort(of_target.astype(np.uint16), kind="stable")
        behind = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
        targets = first_target + of_target[order]
        self._keys[targets, self._filled[targets] + behind] = keys[order]
        self._filled[first_target : first_target + len(counts)] += counts

    def _make_room(self, first_target: int, counts: NDArray[np.int64]) -> None:
        """Sorts in the buffers that so many keys more would not fit into."""
        filled = self._filled[first_target : first_target + len(counts)]
        full = first_target + np.flatnonzero(filled + counts > self._keys.shape[1])
        if len(full):
            self._keep(full, np.partition(self._keys[full], self._room, axis=1)[:, self._room :])

    def _sort_in(self, first_target: int, keys: NDArray[np.uint64]) -> None:
        """Takes every score of a tile, not only what passes the floor."""
        targets = np.arange(first_target, first_target + len(keys))
        both = np.concatenate([self._keys[targets], keys], axis=1)
        over = both.shape[1] - self._k
        self._keep(targets, np.partition(both, over, axis=1)[:, over:])

    def _keep(self, targets: NDArray[np.int64], best: NDArray[np.uint64]) -> None:
        """Stores the best keys of some targets and raises their floors. `best`: the worst key first."""
        self._keys[targets, : self._k] = best
        self._keys[targets, self._k :] = 0
        self._filled[targets] = self._k
        self._floors[targets] = scores_of(best.min(axis=1))
