"""Approximate search: a tuned structure finds candidates, the vectors themselves score them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.engines.share import share_of
from tart.errors import IndexFolderError
from tart_index.ann.effort import Layers, Parameters, candidates
from tart_index.ann.lists import ListedRows, Spread
from tart_index.ann.rows import CoveredRows
from tart_index.ann.stored import ANN, StoredStructure
from tart_index.exact import ExactSearch, Neighbours, best_first, import_faiss, merge
from tart_index.files import check_content
from tart_index.folder import IndexFolder
from tart_index.gather import gather

# Below so many numbers, scoring every allowed row is faster than any structure.
_EXACT_NUMBERS = 2_000_000
# An effort that was tuned for k serves so many times k: a search asks for one hit more than wanted, to tell whether
# there are more, and a few deleted rows must not cost the effort of a hundred.
_SERVES = 1.2
# What passes a filter may lie far from the query: one in ten is searched for as if it were one in twenty.
_FILTERED = 1.3
# And some of what passes may lie in lists that a query without the filter would not look into: more of them are
# searched, unless nearly everything passes. Where most of it lies in one corner, what is nearest to a query from
# outside is spread over many of the corner's lists, even where a query's own list is enough otherwise.
_WIDER, _WIDER_IN_A_CORNER = 1.5, 2.0
_NEARLY_ALL = 0.9


class _Selection(NamedTuple):
    """Rows that may be found, as the version and as the structure counts them.

    Attributes:
        allowed: Shape: (rows of the version,), bool; None where only parts that are gone are left out.
        mask: Shape: (rows of the structure,), bool.
        left: How many of the structure's rows may be found.
        bits: The mask, eight rows a byte, the lowest bit first.
        spread: How the rows of the mask are spread over the inverted lists.
    """

    allowed: NDArray[np.bool_] | None
    mask: NDArray[np.bool_]
    left: int
    bits: NDArray[np.uint8]
    spread: Spread

    def widened(self, effort: int) -> int:
        """The effort to take where so much is enough for as many neighbours without a filter."""
        if self.left >= _NEARLY_ALL * len(self.mask):
            return effort
        if self.spread.corner:
            return round(_WIDER_IN_A_CORNER * max(effort, math.sqrt(self.spread.lists)))
        return round(_WIDER * effort)


class ApproximateSearch:
    """Neighbours of one version by the structure that its manifest names.

    Parts that are newer than the structure are searched exactly. A filter, or many deleted rows, widens the effort as
    if more neighbours were wanted: under a filter that lets one row in ten pass, the ten best allowed rows are about
    the hundred best of all. Inverted lists that hold no allowed row are passed over. Where that still finds too few,
    the rows that are allowed are all scored: so never fewer than `k` are found while more are allowed, and never one
    that is not.

    Args:
        folder: The version; its manifest names a structure.
        threads: CPU threads.

    Raises:
        IndexFolderError: The structure's file is missing or damaged.
        DependencyError: No faiss is installed.
    """

    def __init__(self, folder: IndexFolder, threads: int) -> None:
        structure = folder.manifest.structure
        if structure is None:
            raise IndexFolderError(f"{folder.path}: has no search structure; make one with: tart index tune")
        self._index = load_structure(folder.path, structure, folder.manifest.dim)
        self._layers = Layers.of(self._index)
        self._structure = structure
        self._rows = CoveredRows(structure, folder.manifest)
        self._listed = ListedRows(self._index)
        # Plain arrays on the same pages: a memory map makes an object of its kind at every look.
        self._parts = [np.asarray(part) for part in folder.vectors]
        self._alive = folder.alive
        self._parameters: dict[int, Parameters] = {}
        self._selection: _Selection | None = None
        self._starts = folder.starts
        self._exact = ExactSearch(folder.vectors, threads)
        self._fresh = ExactSearch([folder.vectors[number] for number in self._rows.fresh], threads)
        empty = np.empty(0, dtype=np.int64)
        ranges = [np.arange(self._starts[number], self._starts[number + 1]) for number in self._rows.fresh]
        self._fresh_rows = np.concatenate([empty, *ranges])
        self._threads = threads

    def search(self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None) -> Neighbours:
        """The best `k` rows for each query, as far as the effort finds them; see `NearestRows.search`."""
        known = self._search_structure(queries, k, allowed)
        return merge(known, self._search_fresh(queries, k, allowed), k) if self._rows.fresh else known

    def _search_structure(self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None) -> Neighbours:
        selection = self._selected(allowed)
        left = self._structure.rows if selection is None else selection.left
        parameters = self._prepared(k, selection) if left * queries.shape[1] > _EXACT_NUMBERS else None
        if parameters is None:
            return self._exactly(queries, k, allowed)
        found = self._best(queries, min(k, left), min(candidates(k), left), parameters, selection)
        short = (found.rows < 0).any(axis=1)
        if short.any():
            # Every row that is allowed is scored for these queries, so that a filter costs no hits.
            exact = self._exactly(queries[short], found.rows.shape[1], allowed)
            found.rows[short], found.scores[short] = exact.rows, exact.scores
        return found

    def _selected(self, allowed: NDArray[np.bool_] | None) -> _Selection | None:
        """What a filter lets pass; that of the last filter is kept, for the same one is often asked again."""
        last = self._selection
        if last is not None and last.allowed is allowed:
            return last
        mask = self._rows.in_structure(allowed)
        if mask is None:
            return None
        left = int(np.count_nonzero(mask))
        spread = self._listed.spread(mask) if left < _NEARLY_ALL * len(mask) else Spread()
        selection = _Selection(allowed, mask, left, np.packbits(mask, bitorder="little"), spread)
        if allowed is None or allowed is self._alive or not allowed.flags.writeable:
            self._selection = selection
        return selection

    def _prepared(self, k: int, selection: _Selection | None) -> Parameters | None:
        """Search parameters for so many neighbours; None where no effort was tuned for them."""
        if selection is None and k in self._parameters:
            return self._parameters[k]
        passing = 1.0 if selection is None else max(selection.left, 1) / self._structure.rows
        effort = self._effort(k, k * passing**-_FILTERED)
        if effort is None:
            return None
        if selection is not None:
            dial = self._layers.dial
            wide = {**effort, dial: selection.widened(effort[dial])}
            return Parameters(self._layers, wide, selection.bits, selection.spread.held)
        return self._parameters.setdefault(k, Parameters(self._layers, effort))

    def _effort(self, k: int, depth: float) -> dict[str, int] | None:
        """The smallest effort that was tuned for so many neighbours; None where none was.

        Args:
            k: Neighbours that are asked for.
            depth: How many would have to be found without the filter.
        """
        deep, shallow = self._tuned_for(depth), self._tuned_for(k)
        if deep is None or shallow is None:
            return None
        # Coarse scores tell a hundred better than ten: candidates are refined as for the number asked for, at least.
        return {**deep, "k_factor": max(point.get("k_factor", 0) for point in (deep, shallow))}

    def _tuned_for(self, depth: float) -> Mapping[str, int] | None:
        return next((point.effort for point in self._structure.chosen if point.k * _SERVES >= depth), None)

    def _best(
        self, queries: NDArray[np.float32], k: int, taken: int, parameters: Parameters, selection: _Selection | None
    ) -> Neighbours:
        """The best of what the structure finds, scored by the vectors themselves; -1 where it found too few."""
        import_faiss().omp_set_num_threads(share_of(self._threads))
        _, found = self._index.search(queries, taken, params=parameters.faiss)
        if selection is not None:
            # Some of FAISS's structures are known to drop a filter silently: nothing passes unchecked.
            found = np.where((found >= 0) & selection.mask[np.maximum(found, 0)], found, -1)
        rows = self._rows.in_version(found)
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        inside = rows >= 0
        vectors = gather(self._parts, self._starts, rows[inside])
        asked = queries if len(queries) == 1 else np.repeat(queries, inside.sum(axis=1), axis=0)
        scores[inside] = np.einsum("ij,ij->i", np.broadcast_to(asked, vectors.shape), vectors)
        return best_first(scores, rows, k)

    def _exactly(self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None) -> Neighbours:
        return self._exact.search(queries, k, self._rows.of_version(allowed, int(self._starts[-1])))

    def _search_fresh(self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None) -> Neighbours:
        rows = self._fresh_rows
        found = self._fresh.search(queries, k, None if allowed is None else allowed[rows])
        return Neighbours(found.scores, rows[found.rows])


def structure_file(path: Path, name: str) -> Path:
    """Where a structure lies in an index folder."""
    return path / ANN / f"{name}.faiss"


def load_structure(path: Path, structure: StoredStructure, dim: int) -> Any:
    """Opens a structure, its bytes compared with their checksum first: an index file is not to be trusted.

    Large arrays stay in the file and are read when they are needed.

    Raises:
        IndexFolderError: The file is missing, damaged, or not the structure that the manifest describes.
    """
    faiss = import_faiss()
    file = structure_file(path, structure.name)
    check_content(file, structure.file)
    try:
        index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise IndexFolderError(f"{file}: not a search structure; make it anew with: tart index tune {path}") from error
    if (index.d, index.ntotal, index.metric_type) != (dim, structure.rows, faiss.METRIC_INNER_PRODUCT):
        raise IndexFolderError(
            f"{file}: holds {index.ntotal} vectors of {index.d}; make it anew: tart index tune {path}"
        )
    return index
