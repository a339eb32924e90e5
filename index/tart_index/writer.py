"""The one writer of an index folder: parts appear whole, versions are published by one rename."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import IndexBusyError, IndexFolderError
from tart_index.ann.stored import ANN
from tart_index.columns import MetadataColumns
from tart_index.files import check_content, replace_synced, stored, sync, write_array, write_synced, writing
from tart_index.folder import DELETIONS, MANIFEST, PARTS, VERSIONS, read_manifest
from tart_index.keys import KeyTable, content_digest, id_digest
from tart_index.manifest import CARD, COLUMNS, CONTENTS, DOCUMENTS, IDS, VECTORS, Deletion, Manifest, Part
from tart_index.stored_file import StoredFile
from tart_index.table import DocumentTable
from tart_index.vector_type import StoredVectors, first_not_unit

LOCK = "writer.lock"
_UNFINISHED = ".unfinished"
_NEW_MANIFEST = f"{MANIFEST}.new"
_OURS = {MANIFEST, _NEW_MANIFEST, PARTS, VERSIONS, DELETIONS, ANN, LOCK}
KEPT_VERSIONS = 3


class IndexWriter:
    """Writes parts into an index folder and publishes versions. Hold one with `IndexWriter.lock`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parts = path / PARTS

    @classmethod
    @contextmanager
    def lock(cls, path: Path, *, create: bool = True) -> Iterator[IndexWriter]:
        """Holds the folder's one writer's lock, which ends with the process.

        Args:
            path: The index folder.
            create: Make the folder where it is missing; otherwise an index must be there, and nothing is made.

        Raises:
            IndexBusyError: Another writer is at work.
            IndexFolderError: The folder holds something else, or it cannot be written.
        """
        refuse_foreign(path)
        if not create:
            read_manifest(path)
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path / LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise IndexBusyError(f"{path}: another process is writing this index; wait for it to end") from None
        try:
            with writing(path):
                for name in (PARTS, VERSIONS, DELETIONS):
                    (path / name).mkdir(exist_ok=True)
            writer = cls(path)
            writer._remove({folder for folder in writer._parts.iterdir() if folder.name.endswith(_UNFINISHED)})
            yield writer
        finally:
            lock.release()

    def published(self) -> Manifest | None:
        """The published version, or None before the first."""
        return read_manifest(self.path) if (self.path / MANIFEST).exists() else None

    def find_part(self, name: str, count: int) -> Part | None:
        """A part of `count` documents that an earlier build finished, if it is there and whole."""
        folder = self._parts / name
        try:
            part = Part.from_json(json.loads((folder / CARD).read_bytes()))
            for file_name, file in part.files.items():
                check_content(folder / file_name, file)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexFolderError):
            return None
        return part if (part.name, part.count) == (name, count) else None

    def write_part(
        self,
        name: str,
        documents: Sequence[Document],
        vectors: StoredVectors,
        truncated: NDArray[np.bool_],
    ) -> Part:
        """Stores a part; it appears whole, by one rename, or not at all.

        Args:
            name: 32 hexadecimal digits that stand for the content.
            documents: The part's rows.
            vectors: Shape: (len(documents), dim), unit rows; stored in their number type, float32 or float16.
            truncated: Shape: (len(documents),): which of them were longer than the model takes.

        Raises:
            IndexFolderError: A vector is not of unit length, or the disk is full or refuses to be written.
        """
        _check_unit_rows(documents, vectors)
        unfinished = self._parts / (name + _UNFINISHED)
        with writing(self.path):
            unfinished.mkdir()
            files = {
                VECTORS: _write_vectors(unfinished / VECTORS, vectors),
                DOCUMENTS: _write_documents(unfinished / DOCUMENTS, documents, truncated),
                COLUMNS: _write_columns(unfinished / COLUMNS, documents),
                IDS: _write_keys(unfinished / IDS, [id_digest(document.id) for document in documents]),
                CONTENTS: _write_keys(unfinished / CONTENTS, [content_digest(document) for document in documents]),
            }
            part = Part(name, len(documents), int(truncated.sum()), files)
            write_synced(unfinished / CARD, json.dumps(asdict(part)).encode())
            sync(unfinished)
            _put(unfinished, self._parts / name)
            sync(self._parts)
        return part

    def write_deletion(self, rows: NDArray[np.int64]) -> Deletion:
        """Stores rows of a part that a version leaves out.

        Args:
            rows: Ascending, at least one.

        Raises:
            IndexFolderError: The disk is full or refuses to be written.
        """
        content = io.BytesIO()
        np.save(content, rows, allow_pickle=False)
        name = hashlib.sha256(content.getvalue()).hexdigest()[:32]
        file = self.path / DELETIONS / f"{name}.npy"
        with writing(self.path):
            replace_synced(file, content.getvalue())
        return Deletion(name, len(rows), stored(file))

    def publish(self, manifest: Manifest, keep: int = KEPT_VERSIONS) -> None:
        """Makes a version the one that readers see, by one rename, and then removes what no kept version needs.

        Args:
            manifest: The version; its number is higher than the published one's.
            keep: Versions that stay, this one among them.

        Raises:
            IndexFolderError: The disk is full or refuses to be written; the old version stays.
        """
        content = manifest.to_bytes()
        with writing(self.path):
            replace_synced(version_file(self.path, manifest.version), content)
            replace_synced(self.path / MANIFEST, content)
        self.prune(manifest, keep)

    def prune(self, manifest: Manifest, keep: int = KEPT_VERSIONS) -> None:
        """Removes all but the last versions, and the parts, deletions and structures that none of those lists."""
        for number in stored_versions(self.path):
            # A higher number than the published one's was never published.
            if not manifest.version - keep < number <= manifest.version:
                version_file(self.path, number).unlink(missing_ok=True)
        kept = [manifest, *_readable_versions(self.path)]
        parts = {part.name for version in kept for part in version.parts}
        deletions = {deletion.name for version in kept for deletion in version.deletions.values()}
        self._remove({folder for folder in self._parts.iterdir() if folder.name not in parts})
        for file in (self.path / DELETIONS).iterdir():
            if file.stem not in deletions:
                file.unlink(missing_ok=True)
        structures = {version.structure.name for version in kept if version.structure is not None}
        for file in (self.path / ANN).glob("*"):
            if file.suffix != ".faiss" or file.stem not in structures:
                file.unlink(missing_ok=True)

    def _remove(self, folders: set[Path]) -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def stored_versions(path: Path) -> list[int]:
    """Numbers of the versions that are kept, ascending."""
    return sorted(int(file.stem) for file in (path / VERSIONS).glob("*.json") if file.stem.isdecimal())


def version_file(path: Path, number: int) -> Path:
    """Where the manifest of a version is kept."""
    return path / VERSIONS / f"{number:06}.json"


def _readable_versions(path: Path) -> Iterator[Manifest]:
    """Kept versions; a damaged one keeps nothing alive."""
    for number in stored_versions(path):
        with suppress(IndexFolderError):
            yield Manifest.from_bytes(version_file(path, number).read_bytes())


def refuse_foreign(path: Path) -> None:
    """Refuses a folder that is neither new, nor empty, nor an index.

    Raises:
        IndexFolderError: The path holds something else.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise IndexFolderError(f"{path}: found a file; wanted a folder for the index")
    foreign = sorted({entry.name for entry in path.iterdir()} - _OURS)
    if foreign:
        found = ", ".join(foreign[:3])
        raise IndexFolderError(f"{path}: holds something else ({found}); wanted a new or empty folder, or an index")


def _check_unit_rows(documents: Sequence[Document], vectors: StoredVectors) -> None:
    found = first_not_unit(vectors)
    if found is not None:
        row, length = found
        raise IndexFolderError(
            f"the vector of document {documents[row].id!r} has the length {length:g}; wanted 1: "
            "the model made no finite numbers of it; try --dtype float32"
        )


def _put(unfinished: Path, place: Path) -> None:
    """Puts a finished part in its place.

    Where a damaged one is there already, its files are replaced one by one: those that are sound have the same bytes,
    so a version that lists the part loses nothing at any moment.
    """
    if not place.exists():
        unfinished.rename(place)
        return
    for file in sorted(unfinished.iterdir(), key=lambda file: file.name == CARD):
        file.replace(place / file.name)
    unfinished.rmdir()
    sync(place)


def _write_vectors(file: Path, vectors: StoredVectors) -> StoredFile:
    dtype = np.float16 if vectors.dtype == np.float16 else np.float32
    write_array(file, np.ascontiguousarray(vectors, dtype=dtype))
    sync(file)
    return stored(file)


def _write_documents(file: Path, documents: Sequence[Document], truncated: NDArray[np.bool_]) -> StoredFile:
    DocumentTable.write(file, documents, truncated)
    sync(file)
    return stored(file)


def _write_columns(file: Path, documents: Sequence[Document]) -> StoredFile:
    MetadataColumns.write(file, documents)
    sync(file)
    return stored(file)


def _write_keys(file: Path, digests: Sequence[bytes]) -> StoredFile:
    KeyTable.of(digests).save(file)
    sync(file)
    return stored(file)
