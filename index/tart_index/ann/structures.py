"""Make, tune and publish a search structure for an index; or take it away."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.errors import IndexFolderError
from tart_index.ann.choose import Wanted, estimated_bytes, factories
from tart_index.ann.making import MakingProgress, QuietMaking, make, sample_rows, write
from tart_index.ann.stored import StoredStructure, structure_name
from tart_index.ann.tuning import DEPTHS, Truth, Tuned, tune
from tart_index.exact import ExactSearch
from tart_index.files import stored
from tart_index.folder import IndexFolder
from tart_index.gather import gather
from tart_index.gpus import GpuExactSearch, Gpus, Placement
from tart_index.manifest import Manifest
from tart_index.writer import KEPT_VERSIONS, IndexWriter

_TIMED = 8
# A disk that is filled to the last byte takes other programs down.
_DISK_MARGIN = 1.1


class StructureResult(NamedTuple):
    """What came of the wish for a structure.

    Attributes:
        manifest: The published version.
        tried: Factory strings that were made, in order; those before the last did not reach the recall.
        changed: Whether a new version was published.
        best: The best recall at ten that was measured, where none reached the one wanted.
    """

    manifest: Manifest
    tried: list[str]
    changed: bool
    best: float | None = None


def make_structure(
    path: Path,
    wanted: Wanted,
    queries: NDArray[np.float32] | None = None,
    *,
    keep: int = KEPT_VERSIONS,
    progress: MakingProgress | None = None,
) -> StructureResult:
    """Gives an index the structure that reaches a recall, and publishes it as a new version.

    Where exact search is the right choice, or no structure reaches the recall, the index is left, or put back, to
    exact search. An index that has a structure of this kind over all its parts already is left alone.

    Args:
        path: The index folder.
        wanted: Recall, memory, and perhaps the structure.
        queries: Shape: (n, dim), float32, unit rows: real queries to measure with; documents are sampled otherwise.
        keep: Versions that stay.
        progress: Is told how it goes on.

    Raises:
        IndexFolderError: There is no index, the memory or the disk is too small, or FAISS cannot make the structure.
    """
    progress = progress or QuietMaking()
    placement = Placement(Gpus.choose(wanted.device), progress.say)
    with IndexWriter.lock(path, create=False) as writer:
        folder = IndexFolder.open(path)
        manifest = folder.manifest
        # Of one vector there is no neighbour whose finding could be measured.
        wishes = factories(manifest.rows, manifest.dim, wanted) if manifest.rows > 1 else []
        if not wishes or is_there(manifest, wanted, wishes):
            return _without(writer, manifest, keep) if not wishes else StructureResult(manifest, [], changed=False)
        truth = measure_exactly(folder, wanted, queries, progress, placement)
        tried: list[str] = []
        best = 0.0
        for factory in wishes:
            _check_disk(path, factory, manifest)
            index = make(
                folder, factory, threads=wanted.threads, seed=wanted.seed, progress=progress, placement=placement
            )
            tried.append(factory)
            tuned = tune(index, truth, wanted.recall, wanted.threads, progress)
            best = max([best, *(point.recall for point in tuned.curve if point.k == DEPTHS[0])])
            if tuned.chosen and tuned.chosen[0].k == tuned.curve[0].k:
                name = structure_name(factory, [part.name for part in manifest.parts])
                file = write(index, path, name)
                structure = _described(folder, factory, file, wanted, tuned, truth, queries is not None)
                structure = replace(structure, devices=dict(placement.used))
                if placement.gpus.numbers:
                    progress.say(str(placement))
                return StructureResult(_publish(writer, manifest, structure, keep), tried, changed=True)
        return _without(writer, manifest, keep)._replace(tried=tried, best=round(best, 4))


def measure_exactly(
    folder: IndexFolder,
    wanted: Wanted,
    queries: NDArray[np.float32] | None,
    progress: MakingProgress,
    placement: Placement,
) -> Truth:
    """Exact neighbours of real queries, or of documents drawn at random."""
    rows = folder.manifest.rows
    own = np.full(0 if queries is None else len(queries), -1, dtype=np.int64)
    if queries is None:
        own = sample_rows(rows, wanted.queries, wanted.seed + 1)
        np.random.default_rng(wanted.seed).shuffle(own)
        queries = gather(folder.vectors, folder.starts, own)
    else:
        queries, own = queries[: wanted.queries], own[: wanted.queries]
    progress.stage(f"searching {len(queries):,} queries exactly")
    exact = GpuExactSearch(folder.vectors, wanted.threads, placement)
    found = exact.search(queries, min(DEPTHS[-1] + 1, rows))
    return Truth(np.ascontiguousarray(queries), own, found.rows, _exact_ms(folder, queries))


def _exact_ms(folder: IndexFolder, queries: NDArray[np.float32]) -> dict[str, float]:
    exact = ExactSearch(folder.vectors, threads=1)
    median: dict[str, float] = {}
    for k in DEPTHS:
        times = []
        for query in queries[:_TIMED]:
            started = time.perf_counter()
            exact.search(query[None], min(k, folder.manifest.rows))
            times.append(time.perf_counter() - started)
        median[str(k)] = round(float(np.median(times)) * 1_000, 4)
    return median


def is_there(manifest: Manifest, wanted: Wanted, wishes: Sequence[str]) -> bool:
    """Whether a version has one of these structures already, over all its parts and for the recall wanted."""
    structure = manifest.structure
    return (
        structure is not None
        and structure.covers([part.name for part in manifest.parts])
        and structure.factory in wishes
        and structure.wanted_recall == wanted.recall
    )


def _check_disk(path: Path, factory: str, manifest: Manifest) -> None:
    needed = estimated_bytes(factory, manifest.rows, manifest.dim) * _DISK_MARGIN
    free = shutil.disk_usage(path).free
    if needed > free:
        raise IndexFolderError(
            f"{path}: {factory} takes about {needed / 2**20:,.0f} MiB, the disk has {free / 2**20:,.0f} MiB left; "
            "free some space, or say --memory for a smaller structure"
        )


def _described(
    folder: IndexFolder,
    factory: str,
    file: Path,
    wanted: Wanted,
    tuned: Tuned,
    truth: Truth,
    real_queries: bool,
) -> StoredStructure:
    return StoredStructure(
        name=file.stem,
        factory=factory,
        parts=tuple((part.name, part.count) for part in folder.manifest.parts),
        file=stored(file),
        wanted_recall=wanted.recall,
        queries="queries" if real_queries else "documents",
        chosen=tuple(tuned.chosen),
        exact=truth.exact_ms,
        curve=tuple(tuned.curve),
    )


def _without(writer: IndexWriter, manifest: Manifest, keep: int) -> StructureResult:
    if manifest.structure is None:
        return StructureResult(manifest, [], changed=False)
    return StructureResult(_publish(writer, manifest, None, keep), [], changed=True)


def _publish(writer: IndexWriter, before: Manifest, structure: StoredStructure | None, keep: int) -> Manifest:
    manifest = before.successor(structure=structure)
    writer.publish(manifest, keep)
    return manifest
