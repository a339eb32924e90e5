"""A structure is made: trained on a sample, fed part by part, written whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tart.errors import IndexFolderError
from tart_index.ann.choose import sample_size
from tart_index.ann.effort import Layers
from tart_index.ann.search import structure_file
from tart_index.ann.stored import structure_name
from tart_index.exact import import_faiss
from tart_index.files import stored, sync, writing
from tart_index.folder import IndexFolder
from tart_index.gather import gather

_HNSW_BUILD_EFFORT = 80


class MakingProgress(Protocol):
    """Is told how the making of a structure goes on."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Another stage begins, of so many steps, where that is known."""

    def done(self, steps: int) -> None:
        """So many steps more are done."""


class QuietMaking:
    """Shows nothing."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Shows nothing."""

    def done(self, steps: int) -> None:
        """Shows nothing."""


def make(folder: IndexFolder, factory: str, *, threads: int, seed: int, progress: MakingProgress) -> Any:
    """A FAISS index over all stored vectors of a version, deleted ones included.

    Training reads a random sample, adding one part at a time: memory holds the structure and the sample.

    Raises:
        IndexFolderError: FAISS does not know the factory string, or cannot train it on so few vectors.
    """
    faiss = import_faiss()
    faiss.omp_set_num_threads(threads)
    dim, rows = folder.manifest.dim, folder.manifest.rows
    index = parse(factory, dim)
    sample = sample_rows(rows, sample_size(factory, rows), seed)
    progress.stage(f"training {factory} on {len(sample):,} vectors")
    try:
        if not index.is_trained:
            index.train(gather(folder.vectors, folder.starts, sample))
    except RuntimeError as error:
        raise IndexFolderError(
            f"FAISS cannot train {factory!r} on {len(sample):,} vectors: {_reason(error)}"
        ) from error
    progress.stage("adding vectors", rows)
    for part in folder.vectors:
        index.add(np.ascontiguousarray(part))
        progress.done(len(part))
    return index


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
