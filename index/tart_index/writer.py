"""The one writer of an index folder: parts appear whole, versions are published by one rename."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import IndexFolderError
from tart_index.files import check_content, stored, sync, write_synced, writing
from tart_index.folder import MANIFEST, PARTS, read_manifest
from tart_index.manifest import DOCUMENTS, VECTORS, Manifest, Part, StoredFile
from tart_index.table import DocumentTable

LOCK = "writer.lock"
_CARD = "part.json"
_UNFINISHED = ".unfinished"
_NEW_MANIFEST = f"{MANIFEST}.new"
_OURS = {MANIFEST, _NEW_MANIFEST, PARTS, LOCK}


class IndexWriter:
    """Writes parts into an index folder and publishes versions. Hold one with `IndexWriter.lock`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parts = path / PARTS

    @classmethod
    @contextmanager
    def lock(cls, path: Path) -> Iterator[IndexWriter]:
        """Creates the folder where needed and holds its one writer's lock, which ends with the process.

        Raises:
            IndexFolderError: The folder holds something else, another writer is at work, or it cannot be written.
        """
        refuse_foreign(path)
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path / LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise IndexFolderError(f"{path}: another process is writing this index; wait for it to end") from None
        try:
            with writing(path):
                (path / PARTS).mkdir(exist_ok=True)
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
            part = Part.from_json(json.loads((folder / _CARD).read_bytes()))
            for file_name, file in part.files.items():
                check_content(folder / file_name, file)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexFolderError):
            return None
        return part if (part.name, part.count) == (name, count) else None

    def write_part(
        self, name: str, documents: Sequence[Document], vectors: NDArray[np.float32], truncated: int
    ) -> Part:
        """Stores a part; it appears whole, by one rename, or not at all.

        Args:
            name: 32 hexadecimal digits that stand for the content.
            documents: The part's rows.
            vectors: Shape: (len(documents), dim), float32, unit rows.
            truncated: How many of the documents were longer than the model takes.

        Raises:
            IndexFolderError: The disk is full or refuses to be written.
        """
        unfinished = self._parts / (name + _UNFINISHED)
        with writing(self.path):
            unfinished.mkdir()
            files = {
                VECTORS: _write_vectors(unfinished / VECTORS, vectors),
                DOCUMENTS: _write_documents(unfinished / DOCUMENTS, documents),
            }
            part = Part(name, len(documents), truncated, files)
            write_synced(unfinished / _CARD, json.dumps(asdict(part)).encode())
            sync(unfinished)
            self._remove({self._parts / name})
            unfinished.rename(self._parts / name)
            sync(self._parts)
        return part

    def publish(self, manifest: Manifest) -> None:
        """Makes a version the one that readers see, by one rename, and then removes the parts that it does not list.

        Raises:
            IndexFolderError: The disk is full or refuses to be written; the old version stays.
        """
        new = self.path / _NEW_MANIFEST
        with writing(self.path):
            write_synced(new, manifest.to_bytes())
            new.replace(self.path / MANIFEST)
            sync(self.path)
        self.remove_unlisted(manifest)

    def remove_unlisted(self, manifest: Manifest) -> None:
        """Removes the parts that a version does not list: older ones, and those of builds that were given up."""
        kept = {part.name for part in manifest.parts}
        self._remove({folder for folder in self._parts.iterdir() if folder.name not in kept})

    def _remove(self, folders: set[Path]) -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


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


def _write_vectors(file: Path, vectors: NDArray[np.float32]) -> StoredFile:
    np.save(file, np.ascontiguousarray(vectors, dtype=np.float32), allow_pickle=False)
    sync(file)
    return stored(file)


def _write_documents(file: Path, documents: Sequence[Document]) -> StoredFile:
    DocumentTable.write(file, documents)
    sync(file)
    return stored(file)
