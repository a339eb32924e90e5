"""What an index holds already of a corpus: parts that stand, vectors that are taken over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tart.documents import Document
from tart_index.corpus import content_hash
from tart_index.folder import PARTS, IndexFolder
from tart_index.keys import document_digest
from tart_index.parts import KnownVectors
from tart_index.planning.survey import Fate


class BuiltBefore:
    """For a build: parts of the published version and of a build that was killed.

    Args:
        path: The index folder.
        identity: What besides its documents names a part.
        known: Vectors of the published version.
    """

    def __init__(self, path: Path, identity: Sequence[str], known: KnownVectors) -> None:
        parts = path / PARTS
        self._names = {folder.name for folder in parts.iterdir()} if parts.is_dir() else set()
        self._identity = identity
        self._known = known

    def holds_part(self, documents: Sequence[Document]) -> bool:
        """Whether a part of these documents stands; its bytes are not compared with its checksums."""
        return bool(self._names) and content_hash(self._identity, documents) in self._names

    def fate(self, document: Document) -> Fate:
        """A document of equal title and text lends its vector."""
        return "copy" if self._known.holds(document) else "embed"


class Published:
    """For a change: documents of the published version.

    Args:
        folder: That version.
        known: Its vectors.
        skip: Leave out a document whose id is there, whatever its content.
    """

    def __init__(self, folder: IndexFolder, known: KnownVectors, *, skip: bool) -> None:
        self._folder = folder
        self._known = known
        self._skip = skip

    def holds_part(self, documents: Sequence[Document]) -> bool:
        """A change makes parts of its own."""
        return False

    def fate(self, document: Document) -> Fate:
        """A document that is there word for word is left out."""
        row = self._folder.find(document.id)
        if row is not None:
            stored = self._folder.document(row)
            if self._skip or document_digest(stored) == document_digest(document):
                return "leave"
        return "copy" if self._known.holds(document) else "embed"
