"""Between the rows of a search structure and those of the version that it serves, which may have changed since."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tart_index.ann.stored import StoredStructure
from tart_index.manifest import Manifest


class CoveredRows:
    """The rows that a structure and a version share.

    Args:
        structure: Made for this version, or for one before it.
        manifest: Of the version.

    Attributes:
        fresh: Numbers of the version's parts that the structure does not hold.
    """

    def __init__(self, structure: StoredStructure, manifest: Manifest) -> None:
        names = [part.name for part in manifest.parts]
        starts = np.cumsum([0, *(part.count for part in manifest.parts)])
        start_of = dict(zip(names, starts.tolist(), strict=False))
        held = [name for name, _ in structure.parts]
        self.fresh = [number for number, name in enumerate(names) if name not in set(held)]
        self._same = names[: len(held)] == held
        self._rows = structure.rows
        self._starts = np.cumsum([0, *(count for _, count in structure.parts)])
        # -1 stands for a part that is gone.
        self._targets = np.array([start_of.get(name, -1) for name in held], dtype=np.int64)

    def in_version(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the structure as rows of the version; -1 stays, and stands for rows that are gone."""
        if self._same:
            return rows
        part = np.searchsorted(self._starts, rows, side="right") - 1
        target = self._targets[part]
        found: NDArray[np.int64] = np.where((rows < 0) | (target < 0), -1, target + rows - self._starts[part])
        return found

    def in_structure(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """Which rows of the structure may be found. Shape: (rows of the structure,), bool; None allows all.

        Args:
            allowed: Shape: (rows of the version,), bool; None allows all.
        """
        if self._same:
            return None if allowed is None else allowed[: self._rows]
        mask = np.zeros(self._rows, dtype=np.bool_)
        for start, end, target in zip(self._starts[:-1], self._starts[1:], self._targets, strict=True):
            if target >= 0:
                mask[start:end] = True if allowed is None else allowed[target : target + end - start]
        return mask

    def of_version(self, allowed: NDArray[np.bool_] | None, rows: int) -> NDArray[np.bool_]:
        """Rows of the version that the structure holds and that may be found. Shape: (rows,), bool.

        Args:
            allowed: Shape: (rows,), bool; None allows all.
            rows: Of the version.
        """
        mask = np.zeros(rows, dtype=np.bool_)
        for start, end, target in zip(self._starts[:-1], self._starts[1:], self._targets, strict=True):
            if target >= 0:
                mask[target : target + end - start] = True
        return mask if allowed is None else mask & allowed
