"""Parts in the making: chunks of documents, vectors that are known already, and the pipeline that writes the rest."""

from __future__ import annotations

from collections import deque
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
from tart_index.manifest import CONTENTS, VECTORS, Manifest, Part, StoredModel
from tart_index.vector_type import StoredVectors, VectorType
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
        vectors: Shape: (len(documents), dim), in the number type to store; rows of `missing` are not filled.
        missing: Rows that the model has yet to embed.
    """

    name: str
    documents: Sequence[Document]
    tokens: Tokens
    vectors: StoredVectors
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
    def of(cls, manifest: Manifest | None, encoder: Encoder, path: Path, vector_dtype: VectorType) -> KnownVectors:
        """The vectors of a version, where the same model, format and number type made them and it can be opened.

        Those that are stored in float32 can become float16 ones, the same as if they were made anew; not the other
        way round.
        """
        if manifest is None or manifest.vector_dtype not in ("float32", vector_dtype):
            return cls()
        if manifest_identity(manifest) != part_identity(encoder, manifest.vector_dtype):
            return cls()
        try:
            return cls(IndexFolder(path, manifest))
        except IndexFolderError:
            return cls()

    def holds(self, document: Document) -> bool:
        """Whether a document of equal title and text is there; its vector is not read."""
        return self.folder is not None and self.folder.find_content(document) is not None

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


def part_identity(encoder: Encoder, vector_dtype: VectorType) -> tuple[str, ...]:
    """What besides its documents decides a part."""
    form = encoder.input_format.fingerprint
    return _identity(encoder.fingerprint, form, encoder.hardware.dtype, encoder.max_length, vector_dtype)


def manifest_identity(manifest: Manifest) -> tuple[str, ...]:
    """The same of a published version."""
    model = manifest.model
    form = manifest.input_format.fingerprint
    return _identity(model.fingerprint, form, model.dtype, model.max_length, manifest.vector_dtype)


def _identity(fingerprint: str, form: str, dtype: str, max_length: int, vector_dtype: VectorType) -> tuple[str, ...]:
    stored_as = () if vector_dtype == "float32" else (vector_dtype,)
    return (fingerprint, form, dtype, str(max_length), *stored_as)


def stored_model(encoder: Encoder) -> StoredModel:
    """What a manifest says of the model that made its vectors."""
    full_dim = encoder.uncut.dim if encoder.uncut.dim != encoder.dim else None
    return StoredModel(encoder.name, encoder.fingerprint, encoder.hardware.dtype, encoder.max_length, full_dim)


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


def prepare_part(
    name: str, documents: Sequence[Document], encoder: Encoder, known: KnownVectors, vector_dtype: VectorType
) -> FreshPart:
    """Tokenises documents and looks up the vectors that are known."""
    vectors: StoredVectors = np.empty((len(documents), encoder.dim), dtype=vector_dtype)
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
        for chunk in _embedded(ahead, encoder, progress):
            if writing is not None:
                parts.append(writing.result())
                writing = None
            if isinstance(chunk, Part):
                parts.append(chunk)
                progress.done(chunk.count)
            else:
                name, documents, tokens, vectors, missing = chunk
                embedded += len(missing)
                writing = disk.submit(writer.write_part, name, documents, vectors, tokens.truncated)
        if writing is not None:
            parts.append(writing.result())
    return parts, embedded


def _embedded(chunks: Iterable[Part | FreshPart], encoder: Encoder, progress: Progress) -> Iterator[Part | FreshPart]:
    """The chunks in their order, as many of them in hand as the encoder's devices need to be busy."""
    waiting: deque[tuple[Part | FreshPart, Future[NDArray[np.float32]] | None]] = deque()
    for chunk in chunks:
        waiting.append((chunk, _submit(chunk, encoder, progress) if isinstance(chunk, FreshPart) else None))
        while len(waiting) >= encoder.in_hand:
            yield _filled(*waiting.popleft())
    while waiting:
        yield _filled(*waiting.popleft())


def _submit(chunk: FreshPart, encoder: Encoder, progress: Progress) -> Future[NDArray[np.float32]] | None:
    """Asks for the vectors that are missing."""
    progress.done(len(chunk.documents) - len(chunk.missing))
    if not chunk.missing:
        return None
    whole = len(chunk.missing) == len(chunk.documents)
    return encoder.submit(chunk.tokens if whole else chunk.tokens.select(chunk.missing), progress.done)


def _filled(chunk: Part | FreshPart, vectors: Future[NDArray[np.float32]] | None) -> Part | FreshPart:
    """The chunk with all its vectors."""
    if isinstance(chunk, FreshPart) and vectors is not None:
        chunk.vectors[chunk.missing] = vectors.result()
    return chunk
