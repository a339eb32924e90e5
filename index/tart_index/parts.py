"""Parts in the making: chunks of documents, vectors that are known already, and the pipeline that writes the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import Encoder
from tart.errors import IndexFolderError
from tart.prefetch import Prefetch
from tart.tokens import Tokens
from tart_index.files import check_content
from tart_index.folder import PARTS, IndexFolder
from tart_index.manifest import CONTENTS, VECTORS, Manifest, Part
from tart_index.writer import IndexWriter

PART_SIZE = 4_096
PART_CHARACTERS = 1 << 26


class Progress(Protocol):
    """Is told how a build goes on."""

    def checked(self, documents: int) -> None:
        """So many documents more have been read and found good, before any is embedded."""

    def start(self, total: int | None) -> None:
        """Embedding starts, over so many documents, where that is known."""

    def done(self, documents: int) -> None:
        """So many documents more are embedded, or were found embedded."""


class Quiet:
    """Shows nothing."""

    def checked(self, documents: int) -> None:
        """Shows nothing."""

    def start(self, total: int | None) -> None:
        """Shows nothing."""

    def done(self, documents: int) -> None:
        """Shows nothing."""


class FreshPart(NamedTuple):
    """A part to be written: its documents tokenised, some of its vectors perhaps known.

    Attributes:
        name: Stands for the content.
        documents: The rows.
        tokens: Of all rows.
        vectors: Shape: (len(documents), dim), float32; rows of `missing` are not filled.
        missing: Rows that the model has yet to embed.
    """

    name: str
    documents: Sequence[Document]
    tokens: Tokens
    vectors: NDArray[np.float32]
    missing: list[int]


@dataclass(slots=True)
class KnownVectors:
    """Vectors of a published version that a new one can take over: those of equal title and text.

    Attributes:
        folder: That version; None knows nothing.
    """

    folder: IndexFolder | None = None
    _sound: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, manifest: Manifest | None, encoder: Encoder, path: Path) -> KnownVectors:
        """The vectors of a version, where the same model, format and number type made them and it can be opened."""
        if manifest is None or manifest_identity(manifest) != part_identity(encoder):
            return cls()
        try:
            return cls(IndexFolder(path, manifest))
        except IndexFolderError:
            return cls()

    def find(self, document: Document) -> NDArray[np.float32] | None:
        """The vector of a document of equal title and text, or None."""
        row = self.folder.find_content(document) if self.folder is not None else None
        if self.folder is None or row is None:
            return None
        part, _ = self.folder.locate(row)
        return self.folder.vector(row) if self._is_sound(part) else None

    def _is_sound(self, number: int) -> bool:
        """Reads a part's vectors and digests once before the first is taken over, so that damage does not spread."""
        if self.folder is None or number in self._sound:
            return self.folder is not None
        part = self.folder.manifest.parts[number]
        try:
            for name in (VECTORS, CONTENTS):
                check_content(self.folder.path / PARTS / part.name / name, part.files[name])
        except IndexFolderError:
            return False
        self._sound.add(number)
        return True


def part_identity(encoder: Encoder) -> tuple[str, ...]:
    """What besides its documents decides a part."""
    return (encoder.fingerprint, encoder.input_format.fingerprint, encoder.hardware.dtype, str(encoder.max_length))


def manifest_identity(manifest: Manifest) -> tuple[str, ...]:
    """The same of a published version."""
    model = manifest.model
    return (model.fingerprint, manifest.input_format.fingerprint, model.dtype, str(model.max_length))


def part_chunks(
    documents: Iterable[Document], size: int, characters: int = PART_CHARACTERS
) -> Iterator[list[Document]]:
    """Lists of `size` documents, shorter where long texts add up to so many characters: memory stays bounded."""
    chunk: list[Document] = []
    held = 0
    for document in documents:
        chunk.append(document)
        held += len(document.text)
        if len(chunk) == size or held >= characters:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def prepare_part(name: str, documents: Sequence[Document], encoder: Encoder, known: KnownVectors) -> FreshPart:
    """Tokenises documents and looks up the vectors that are known."""
    vectors = np.empty((len(documents), encoder.dim), dtype=np.float32)
    missing = []
    for row, document in enumerate(documents):
        vector = known.find(document)
        if vector is None:
            missing.append(row)
        else:
            vectors[row] = vector
    return FreshPart(name, documents, encoder.tokenize_documents(documents), vectors, missing)


def write_parts(
    chunks: Iterable[Part | FreshPart], encoder: Encoder, writer: IndexWriter, progress: Progress
) -> tuple[list[Part], int]:
    """Embeds one chunk while the next is read and tokenised and the one before is written.

    Returns:
        The parts in the order of the chunks, and how many documents were embedded.
    """
    parts: list[Part] = []
    embedded = 0
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tart-write") as disk, Prefetch(chunks) as ahead:
        writing: Future[Part] | None = None
        for chunk in ahead:
            if isinstance(chunk, FreshPart):
                _embed(chunk, encoder, progress)
                embedded += len(chunk.missing)
            if writing is not None:
                parts.append(writing.result())
                writing = None
            if isinstance(chunk, Part):
                parts.append(chunk)
                progress.done(chunk.count)
            else:
                name, documents, tokens, vectors, _ = chunk
                writing = disk.submit(writer.write_part, name, documents, vectors, tokens.truncated)
        if writing is not None:
            parts.append(writing.result())
    return parts, embedded


def _embed(chunk: FreshPart, encoder: Encoder, progress: Progress) -> None:
    progress.done(len(chunk.documents) - len(chunk.missing))
    if len(chunk.missing) == len(chunk.documents):
        chunk.vectors[:] = encoder.embed(chunk.tokens, progress.done)
    elif chunk.missing:
        chunk.vectors[chunk.missing] = encoder.embed(chunk.tokens.select(chunk.missing), progress.done)
