"""The index folder on disk, formats 1 and 2: published atomically, read without locks.

::

    DIR/manifest.json                    the published version; replaced by one rename
    DIR/versions/000007.json             the last few manifests, the published one among them
    DIR/parts/NAME/vectors.npy           (count, dim) float32 or float16 unit rows
    DIR/parts/NAME/documents.arrow       id, title, text, metadata (JSON), in the rows' order
    DIR/parts/NAME/columns.arrow         metadata by key and type, for filters
    DIR/parts/NAME/ids.npy               sorted digests of ids, each with its row
    DIR/parts/NAME/contents.npy          sorted digests of titles and texts, each with its row
    DIR/parts/NAME/part.json             count and checksums, for a build that resumes
    DIR/deletions/NAME.npy               rows of a part that a version leaves out
    DIR/ann/NAME.faiss                   a search structure over the vectors, derived and deletable
    DIR/writer.lock                      held by the one writer

Parts are immutable and named by their content, so a version is no more than a list of parts: an interrupted build
leaves complete parts that the next one takes over, and a reader never sees half of anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import IndexFolderError
from tart_index.ann.stored import ANN
from tart_index.columns import MetadataColumns
from tart_index.files import check_content, check_size, open_array
from tart_index.keys import KeyTable, content_digest, id_digest
from tart_index.manifest import CARD, COLUMNS, CONTENTS, DOCUMENTS, IDS, VECTORS, Deletion, Manifest, Part
from tart_index.table import DocumentTable
from tart_index.vector_type import StoredVectors, first_not_unit

MANIFEST = "manifest.json"
PARTS = "parts"
VERSIONS = "versions"
DELETIONS = "deletions"


class IndexFolder:
    """One published version of an index, opened for reading; vectors and documents are memory-mapped.

    Open one with `IndexFolder.open`. It stays whole while newer versions are published beside it.

    Attributes:
        path: The folder.
        manifest: What was published.
        vectors: One array a part, as it is stored: see `tart_index.vector_type`. Shape: (part count, dim), unit rows;
            deleted rows included.
        starts: The first row of each part, and the number of stored rows at the end. Shape: (parts + 1,), int64.
        columns: One table of metadata a part; deleted rows included.
        alive: Shape: (stored rows,), bool: rows that are not deleted; None where none is.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self.vectors: list[StoredVectors] = [_open_vectors(path, part, manifest) for part in manifest.parts]
        self._documents = [_open_documents(path, part) for part in manifest.parts]
        self.columns = [_open_columns(path, part) for part in manifest.parts]
        self._ids = [_open_keys(path, part, IDS) for part in manifest.parts]
        self._contents = [_open_keys(path, part, CONTENTS) for part in manifest.parts]
        self.starts = np.cumsum([0, *(part.count for part in manifest.parts)])
        self.alive = self._alive()

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
        """The document of a row, rows counted through all parts, deleted ones included.

        Raises:
            IndexError: There is no such row.
        """
        part, inside = self.locate(row)
        return self._documents[part][inside]

    def vector(self, row: int) -> NDArray[np.float32]:
        """The vector of a row. Shape: (dim,), float32, of unit length.

        Raises:
            IndexError: There is no such row.
        """
        part, inside = self.locate(row)
        vector: NDArray[np.float32] = self.vectors[part][inside].astype(np.float32, copy=False)
        return vector

    def locate(self, row: int) -> tuple[int, int]:
        """The number of the part that holds a row, and the row's place in it.

        Raises:
            IndexError: There is no such row.
        """
        if not 0 <= row < self.manifest.rows:
            raise IndexError(f"row {row} of {self.manifest.rows}")
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        return part, row - int(self.starts[part])

    def column(self, number: int, name: str) -> Any:
        """The values of "id", "title", "text" or "metadata" (JSON) in a part; deleted rows included."""
        return self._documents[number].column(name)

    def truncated(self, row: int) -> bool:
        """Whether a row's document was longer than the model takes.

        Raises:
            IndexError: There is no such row.
        """
        part, inside = self.locate(row)
        return self._documents[part].truncated(inside)

    def find(self, document_id: str) -> int | None:
        """The row of a document by its id, or None; deleted rows are not found.

        Raises:
            IndexFolderError: The digest belongs to another document: a file is damaged.
        """
        wanted = id_digest(document_id)
        for table, start in zip(self._ids, self.starts, strict=False):
            for inside in table.rows(wanted):
                row = int(start) + inside
                if self.is_alive(row):
                    self._check_id(row, document_id)
                    return row
        return None

    def check_ids(self) -> None:
        """Compares the digests of all ids with their checksums: a change that misses a document would go unnoticed.

        Raises:
            IndexFolderError: A file is missing or its bytes have changed.
        """
        for part in self.manifest.parts:
            check_content(self.path / PARTS / part.name / IDS, part.files[IDS])

    def _check_id(self, row: int, document_id: str) -> None:
        found = self.document(row).id
        if found != document_id:
            raise IndexFolderError(
                f"{self.path}: row {row} is {found!r} and should be {document_id!r}; damaged: build the index anew"
            )

    def find_content(self, document: Document) -> int | None:
        """A row, deleted or not, whose title and text are the document's, so that its vector can be taken over."""
        wanted = content_digest(document)
        for table, start in zip(self._contents, self.starts, strict=False):
            for inside in table.rows(wanted):
                return int(start) + inside
        return None

    def is_alive(self, row: int) -> bool:
        """Whether a row is not deleted."""
        return self.alive is None or bool(self.alive[row])

    def deleted_rows(self, number: int) -> NDArray[np.int64]:
        """The deleted rows of a part, counted inside it, ascending."""
        part = self.manifest.parts[number]
        deletion = self.manifest.deletions.get(part.name)
        return np.empty(0, np.int64) if deletion is None else read_deletion(self.path, part, deletion)

    def rows(self) -> Iterator[int]:
        """The rows of all documents, in the order of the corpus."""
        return (row for row in range(self.manifest.rows) if self.is_alive(row))

    def documents(self) -> Iterator[Document]:
        """All documents in the order of the corpus, streamed."""
        return (self.document(row) for row in self.rows())

    def ids(self) -> Iterator[str]:
        """All ids in the order of the corpus, streamed."""
        return (document.id for document in self.documents())

    def _alive(self) -> NDArray[np.bool_] | None:
        if not self.manifest.deletions:
            return None
        alive = np.ones(self.manifest.rows, dtype=np.bool_)
        for number, start in enumerate(self.starts[:-1]):
            alive[start + self.deleted_rows(number)] = False
        return alive

    def verify(self) -> Iterator[Part]:
        """Reads everything and compares it with the manifest; yields each part that is sound.

        Raises:
            IndexFolderError: A checksum, a count, a vector or an id is wrong.
        """
        yield from (self.verify_part(number) for number in range(len(self.manifest.parts)))
        self.verify_structure()

    def verify_structure(self) -> None:
        """Compares the search structure, where there is one, with its checksum.

        Raises:
            IndexFolderError: It is missing or its bytes have changed.
        """
        structure = self.manifest.structure
        if structure is not None:
            check_content(self.path / ANN / f"{structure.name}.faiss", structure.file)

    def verify_part(self, number: int) -> Part:
        """Reads one part and its deleted rows, and compares them with the manifest.

        Raises:
            IndexFolderError: A checksum, a count, a vector or an id is wrong.
        """
        part, table = self.manifest.parts[number], self._documents[number]
        for name, file in part.files.items():
            check_content(self.path / PARTS / part.name / name, file)
        _check_card(self.path / PARTS / part.name / CARD, part)
        if len(table) != part.count:
            raise IndexFolderError(f"part {part.name}: {len(table)} documents, the manifest says {part.count}")
        _check_unit_rows(part, self.vectors[number])
        self.columns[number].check()
        deletion = self.manifest.deletions.get(part.name)
        if deletion is not None:
            check_content(self.path / DELETIONS / f"{deletion.name}.npy", deletion.file)
        return part


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


def _open_vectors(path: Path, part: Part, manifest: Manifest) -> StoredVectors:
    file = path / PARTS / part.name / VECTORS
    check_size(file, part.files[VECTORS])
    return open_array(file, (part.count, manifest.dim), manifest.vector_dtype)


def _open_documents(path: Path, part: Part) -> DocumentTable:
    file = path / PARTS / part.name / DOCUMENTS
    check_size(file, part.files[DOCUMENTS])
    return DocumentTable.open(file)


def _open_columns(path: Path, part: Part) -> MetadataColumns:
    file = path / PARTS / part.name / COLUMNS
    check_size(file, part.files[COLUMNS])
    return MetadataColumns.open(file, part.count)


def _open_keys(path: Path, part: Part, name: str) -> KeyTable:
    file = path / PARTS / part.name / name
    check_size(file, part.files[name])
    return KeyTable.open(file, part.count)


def read_deletion(path: Path, part: Part, deletion: Deletion) -> NDArray[np.int64]:
    """The rows of a part that a version leaves out, ascending.

    Raises:
        IndexFolderError: The file is missing or damaged.
    """
    file = path / DELETIONS / f"{deletion.name}.npy"
    check_content(file, deletion.file)
    rows = open_array(file, (deletion.count,), np.int64)
    if not 0 <= rows.min() <= rows.max() < part.count:
        raise IndexFolderError(f"{file}: not rows of part {part.name}; build the index anew")
    return rows


def _check_card(file: Path, part: Part) -> None:
    """Compares what a part says of itself, for the next build, with the manifest."""
    try:
        content = file.read_bytes()
        found = Part.from_json(json.loads(content))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexFolderError) as error:
        raise IndexFolderError(f"{file}: cannot be read ({error}); run the build again") from error
    if found != part or content != json.dumps(json.loads(content)).encode():
        raise IndexFolderError(f"{file}: contradicts the manifest; run the build again")


def _check_unit_rows(part: Part, vectors: StoredVectors) -> None:
    if first_not_unit(vectors) is not None:
        raise IndexFolderError(f"part {part.name}: a vector is not of unit length; build the index anew")
