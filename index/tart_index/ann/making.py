"""A structure is made: trained on a sample, fed part by part, written whole."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tart.errors import IndexFolderError
from tart_index.ann.choose import sample_size
from tart_index.ann.effort import Layers
from tart_index.ann.gpu_making import ListAssignment, has_lists, train_on
from tart_index.ann.search import structure_file
from tart_index.ann.stored import structure_name
from tart_index.exact import import_faiss
from tart_index.files import stored, sync, writing
from tart_index.folder import IndexFolder
from tart_index.gather import gather
from tart_index.gpus import Gpus, Placement
from tart_index.vector_type import as_float32

_HNSW_BUILD_EFFORT = 80
# Below FAISS's own block of rows, so that a block is added whole or not at all.
_ADDED_AT_ONCE = 65_536


class MakingProgress(Protocol):
    """Is told how the making of a structure goes on."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Another stage begins, of so many steps, where that is known."""

    def done(self, steps: int) -> None:
        """So many steps more are done."""

    def say(self, text: str) -> None:
        """Something that the operator should know."""


class QuietMaking:
    """Shows nothing."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Shows nothing."""

    def done(self, steps: int) -> None:
        """Shows nothing."""

    def say(self, text: str) -> None:
        """Shows nothing."""


def make(
    folder: IndexFolder,
    factory: str,
    *,
    threads: int,
    seed: int,
    progress: MakingProgress,
    placement: Placement | None = None,
) -> Any:
    """A FAISS index over all stored vectors of a version, deleted ones included.

    Training reads a random sample, adding one part at a time: memory holds the structure and the sample.

    Args:
        folder: The version.
        factory: FAISS's factory string.
        threads: CPU threads.
        seed: Of the sample.
        progress: Is told how it goes on.
        placement: Where k-means and the assignment to lists are done; the CPU by default.

    Raises:
        IndexFolderError: FAISS does not know the factory string, or cannot train it on so few vectors.
    """
    import_faiss().omp_set_num_threads(threads)
    placement = placement or Placement(Gpus())
    rows = folder.manifest.rows
    sample = sample_rows(rows, sample_size(factory, rows), seed)
    progress.stage(f"training {factory} on {len(sample):,} vectors")
    index = _trained(factory, folder, sample, placement)
    progress.stage("adding vectors", rows)
    _add(index, folder, progress, placement)
    return index


def _trained(factory: str, folder: IndexFolder, sample: NDArray[np.int64], placement: Placement) -> Any:
    index = parse(factory, folder.manifest.dim)
    if index.is_trained:
        return index
    vectors = gather(folder.vectors, folder.starts, sample)

    def on_cpu() -> Any:
        index.train(vectors)
        return index

    # GPUs train an index of their own: one that they fail on is half trained.
    on_gpus = (lambda gpus: train_on(gpus, parse(factory, index.d), vectors)) if has_lists(index) else None
    try:
        return placement.run("k-means", on_gpus, on_cpu)
    except RuntimeError as error:
        raise IndexFolderError(
            f"FAISS cannot train {factory!r} on {len(vectors):,} vectors: {_reason(error)}"
        ) from error


def _add(index: Any, folder: IndexFolder, progress: MakingProgress, placement: Placement) -> None:
    supported = ListAssignment.supports(index)
    assigned = cache(lambda gpus: ListAssignment(gpus, index))
    for part in folder.vectors:
        for start in range(0, len(part), _ADDED_AT_ONCE):
            block = np.ascontiguousarray(as_float32(part[start : start + _ADDED_AT_ONCE]))
            on_gpus = partial(lambda rows, gpus: assigned(gpus).add(rows), block) if supported else None
            placement.run("adding", on_gpus, partial(index.add, block))
        progress.done(len(part))


def parse(factory: str, dim: int) -> Any:
    """An empty index of a factory string.

    Raises:
        IndexFolderError: FAISS does not know it, or not for vectors of this length.
    """
    faiss = import_faiss()
    try:
        index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise IndexFolderError(
            f"FAISS cannot make {factory!r} for vectors of {dim}: {_reason(error)}; "
            "wanted a factory string such as IVF1024,PQ96x4fs,Refine(SQ8) or HNSW32_SQ8, or exact"
        ) from error
    if not Layers.of(index).dial:
        raise IndexFolderError(
            f"{factory!r} has no search effort that could be tuned; wanted inverted lists (IVF...) or a graph (HNSW...)"
        )
    inner = faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index
    if isinstance(inner, faiss.IndexHNSW):
        inner.hnsw.efConstruction = _HNSW_BUILD_EFFORT
    return index


def write(index: Any, path: Path, name: str) -> Path:
    """Stores a structure whole, by one rename.

    Its bytes are part of its file's name: made again it may differ, for threads add to a graph in no fixed order, and
    an older version's structure of the same kind must stay as it is.

    Args:
        index: Of FAISS.
        path: The index folder.
        name: Stands for what it is made of, see `structure_name`.

    Returns:
        The file; its name without the suffix is the structure's.

    Raises:
        IndexFolderError: The disk is full or refuses to be written.
    """
    faiss = import_faiss()
    new = structure_file(path, f"{name}.new")
    with writing(path):
        new.parent.mkdir(exist_ok=True)
        # FAISS itself reports a full disk as a RuntimeError without the system's number.
        with new.open("wb") as stream:
            faiss.write_index(index, faiss.PyCallbackIOWriter(stream.write))
        sync(new)
        file = structure_file(path, structure_name(name, [stored(new).sha256]))
        new.replace(file)
        sync(file.parent)
    return file


def sample_rows(rows: int, size: int, seed: int) -> NDArray[np.int64]:
    """Row numbers drawn without replacement, ascending. Shape: (min(size, rows),), int64."""
    rng = np.random.default_rng(seed)
    drawn: NDArray[np.int64] = np.sort(rng.choice(rows, size=min(size, rows), replace=False))
    return drawn


def _reason(error: RuntimeError) -> str:
    """FAISS's message without its place in FAISS's source."""
    return str(error).rpartition(": ")[2].strip() or str(error)
