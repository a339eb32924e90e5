"""The index folder on disk, format 1: published atomically, read without locks.

::

    DIR/manifest.json                    the published version; replaced by one rename
    DIR/parts/NAME/vectors.npy           (count, dim) float32 unit rows
    DIR/parts/NAME/documents.arrow       id, title, text, metadata (JSON), in the rows' order
    DIR/parts/NAME/part.json             count and checksums, for a build that resumes
    DIR/writer.lock                      held by the one writer

Parts are immutable and named by their content, so a version is no more than a list of parts: an interrupted build
leaves complete parts that the next one takes over, and a reader never sees half of anything. ANN structures are
derived from the vectors and will lie beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import IndexFolderError
from tart_index.files import check_content, check_size
from tart_index.manifest import DOCUMENTS, VECTORS, Manifest, Part
from tart_index.table import DocumentTable

MANIFEST = "manifest.json"
PARTS = "parts"


class IndexFolder:
    """One published version of an index, opened for reading; vectors and documents are memory-mapped.

    Open one with `IndexFolder.open`. It stays whole while newer versions are published beside it.

    Attributes:
        path: The folder.
        manifest: What was published.
        vectors: One array a part. Shape: (part count, dim), float32, unit rows.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self.vectors = [_open_vectors(path, part, manifest.dim) for part in manifest.parts]
        self._documents = [_open_documents(path, part) for part in manifest.parts]
        self._starts = np.cumsum([0, *(part.count for part in manifest.parts)])

    @classmethod
    def open(cls, path: str | Path) -> IndexFolder:
        """Opens the published version.

        Raises:
            IndexFolderError: No index there, one of another format, or a damaged one.
        """
        path = Path(path)
        while True:
            manifest = read_manifest(path)
            try:
                return cls(path, manifest)
            except IndexFolderError:
                # A writer that published meanwhile has taken the old parts away: read what is published now.
                if read_manifest(path).fingerprint == manifest.fingerprint:
                    raise

    def __len__(self) -> int:
        return self.manifest.count

    def document(self, row: int) -> Document:
        """The document of a row, rows counted through all parts.

        Raises:
            IndexError: There is no such row.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._documents[part][row - int(self._starts[part])]

    def documents(self) -> Iterator[Document]:
        """All documents in the order of the corpus, streamed."""
        for table in self._documents:
            yield from table

    def ids(self) -> Iterator[str]:
        """All ids in the order of the corpus, streamed by part."""
        for table in self._documents:
            yield from table.ids()

    def verify(self) -> Iterator[Part]:
        """Reads everything and compares it with the manifest; yields each part that is sound.

        Raises:
            IndexFolderError: A checksum, a count, a vector or an id is wrong.
        """
        for part, vectors, table in zip(self.manifest.parts, self.vectors, self._documents, strict=True):
            for name, file in part.files.items():
                check_content(self.path / PARTS / part.name / name, file)
            if len(table) != part.count:
                raise IndexFolderError(f"part {part.name}: {len(table)} documents, the manifest says {part.count}")
            _check_unit_rows(part, vectors)
            yield part


def read_manifest(path: Path) -> Manifest:
    """The published manifest.

    Raises:
        IndexFolderError: No index there, or one that cannot be read.
    """
    try:
        return Manifest.from_bytes((path / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise IndexFolderError(_no_index(path)) from None
    except OSError as error:
        raise IndexFolderError(f"{path}: cannot be read ({error.strerror})") from error
    except IndexFolderError as error:
        raise IndexFolderError(f"{path}: {error}") from error


def _no_index(path: Path) -> str:
    if not path.exists():
        return f"no index at {path}: there is no such folder; build one with: tart index build SOURCE --out {path}"
    if (path / PARTS).is_dir():
        return f"no index at {path}: its first build has not finished; run the same build command again"
    return f"no index at {path}: it has no {MANIFEST}; give a folder that `tart index build` wrote"


def _open_vectors(path: Path, part: Part, dim: int) -> NDArray[np.float32]:
    file = path / PARTS / part.name / VECTORS
    check_size(file, part.files[VECTORS])
    try:
        vectors: NDArray[np.float32] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise IndexFolderError(f"{file}: not a vector file ({error}); build the index anew") from error
    if vectors.dtype != np.float32 or vectors.shape != (part.count, dim) or not vectors.flags.c_contiguous:
        raise IndexFolderError(
            f"{file}: found {vectors.shape} {vectors.dtype}; wanted {(part.count, dim)} float32; build the index anew"
        )
    return vectors


def _open_documents(path: Path, part: Part) -> DocumentTable:
    file = path / PARTS / part.name / DOCUMENTS
    check_size(file, part.files[DOCUMENTS])
    return DocumentTable.open(file)


def _check_unit_rows(part: Part, vectors: NDArray[np.float32]) -> None:
    for start in range(0, len(vectors), 65_536):
        norms = np.linalg.norm(vectors[start : start + 65_536], axis=1)
        if not np.all(np.abs(norms - 1) < 1e-3):
            raise IndexFolderError(f"part {part.name}: a vector is not of unit length; build the index anew")
