"""Import: vectors that were made elsewhere become an index, after a look at whether the model really made them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.encoder import Encoder
from tart.errors import IndexFolderError, SourceError
from tart.readers import ReadReport
from tart_index.corpus import Corpus, content_hash
from tart_index.manifest import PROGRAM, Manifest, Part, this_moment
from tart_index.parts import PART_SIZE, Progress, Quiet, part_chunks, part_identity, stored_model
from tart_index.vector_type import VectorType
from tart_index.writer import IndexWriter

# Vectors of the same model in another number type agree to about 0.998.
_ALIKE = 0.98
_SAMPLE = 32


class VectorStream(Protocol):
    """Vectors in the order of the documents."""

    def take(self, count: int) -> NDArray[np.float32]:
        """The next vectors. Shape: (at most count, dim), float32; fewer at the end."""


class NpyVectors:
    """Vectors of an array file, memory-mapped.

    Raises:
        SourceError: The file is no array of two dimensions of numbers.
    """

    def __init__(self, file: Path) -> None:
        try:
            self._array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SourceError(f"{file}: not an array file ({error}); wanted the .npy of (documents, dim)") from error
        if self._array.ndim != 2 or self._array.dtype.kind != "f":
            raise SourceError(
                f"{file}: found {self._array.dtype} of shape {self._array.shape}; wanted floats of (documents, dim)"
            )
        self._next = 0

    def take(self, count: int) -> NDArray[np.float32]:
        """The next vectors."""
        block = np.asarray(self._array[self._next : self._next + count], dtype=np.float32)
        self._next += len(block)
        return block


class ParquetVectors:
    """Vectors of a column of lists, streamed batch by batch.

    Raises:
        SourceError: The file is no Parquet file, or has no such column of lists of numbers.
    """

    def __init__(self, file: Path, column: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            opened = pq.ParquetFile(file)
        except (OSError, pa.ArrowInvalid) as error:
            raise SourceError(f"{file}: not a Parquet file ({error})") from error
        schema = opened.schema_arrow
        kind = schema.field(column).type if column in schema.names else None
        lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        if kind is None or not any(is_one(kind) for is_one in lists):
            found = ", ".join(schema.names)
            raise SourceError(f"{file}: no column {column!r} of vectors (found: {found}); say --vector-column")
        self._batches = opened.iter_batches(columns=[column], batch_size=512)
        self._held: NDArray[np.float32] | None = None

    def take(self, count: int) -> NDArray[np.float32]:
        """The next vectors."""
        blocks = [] if self._held is None else [self._held]
        while sum(map(len, blocks)) < count and (batch := next(self._batches, None)) is not None:
            lists = batch.column(0)
            numbers = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
            if len(lists) and (lists.null_count or len(numbers) % len(lists)):
                raise SourceError("the vectors of the Parquet file differ in length; wanted one a row, none null")
            blocks.append(numbers.reshape(len(lists), -1))
        joined = np.concatenate(blocks) if blocks else np.empty((0, 0), dtype=np.float32)
        self._held = joined[count:]
        return joined[:count]


class ImportResult(NamedTuple):
    """What an import did.

    Attributes:
        manifest: The published version.
        checked: Documents that were embedded anew to compare.
        alike: The least cosine between a vector and the model's own; 1 where nothing was compared.
    """

    manifest: Manifest
    checked: int
    alike: float


def import_vectors(
    corpus: Corpus,
    vectors: VectorStream,
    out: Path,
    encoder: Encoder,
    *,
    trust: bool = False,
    part_size: int = PART_SIZE,
    vector_dtype: VectorType = "float32",
    progress: Progress | None = None,
) -> ImportResult:
    """Makes an index of documents and of vectors that another program made with the same model.

    Vectors are brought to unit length; where the encoder's are cut, vectors of the model's own length are cut as well.
    Some documents of the first part are embedded anew and compared, for an index
    whose vectors another model, or another input format, made answers every query wrongly without an error.

    Args:
        corpus: The documents.
        vectors: In their order.
        out: The index folder; must hold no index.
        encoder: The model that made the vectors, and that will embed the queries.
        trust: Do not compare.
        part_size: Documents in a part.
        vector_dtype: Number type in which vectors are stored.
        progress: Is told how it goes on.

    Raises:
        SourceError: Documents and vectors are not equally many, or a vector is of the wrong length, zero or no number.
        IndexFolderError: The folder holds an index already, the vectors are not the model's, or the disk refuses.
    """
    progress = progress or Quiet()
    with IndexWriter.lock(out) as writer:
        if writer.published() is not None:
            raise IndexFolderError(f"{out}: holds an index already; wanted a new or empty folder for the import")
        report = ReadReport()
        progress.start(None)
        parts: list[Part] = []
        alike, checked = 1.0, 0
        for documents, block in _paired(corpus.documents(report), vectors, encoder, part_size):
            if not parts and not trust:
                alike, checked = _compared(documents, block, encoder)
            parts.append(_write(writer, documents, block, encoder, vector_dtype))
            progress.done(len(documents))
        if not parts:
            raise SourceError(f"no documents in {', '.join(corpus.names)}: it is empty")
        manifest = _manifest(corpus, encoder, report, parts, vector_dtype)
        writer.publish(manifest)
    return ImportResult(manifest, checked, alike)


def _paired(
    documents: Iterable[Document], vectors: VectorStream, encoder: Encoder, part_size: int
) -> Iterator[tuple[list[Document], NDArray[np.float32]]]:
    row = 0
    for chunk in part_chunks(documents, part_size):
        block = vectors.take(len(chunk))
        if len(block) < len(chunk):
            raise SourceError(f"there are only {row + len(block):,} vectors for more documents; wanted one for each")
        yield chunk, _unit(block, encoder, row)
        row += len(chunk)
    if len(vectors.take(1)):
        raise SourceError(f"there are more vectors than the {row:,} documents; wanted one for each, in the same order")


def _unit(block: NDArray[np.float32], encoder: Encoder, first: int) -> NDArray[np.float32]:
    if block.shape[1] == encoder.uncut.dim:
        block = block[:, : encoder.dim]
    if block.shape[1] != encoder.dim:
        raise SourceError(
            f"the vectors have {block.shape[1]} numbers, the model makes {encoder.dim}; name the right --model"
        )
    norms = np.linalg.norm(block, axis=1, keepdims=True)
    bad = ~(np.isfinite(norms[:, 0]) & (norms[:, 0] > 0))
    if bad.any():
        raise SourceError(f"vector {first + int(bad.argmax())} (from 0) is zero or holds no finite numbers")
    unit: NDArray[np.float32] = (block / norms).astype(np.float32)
    return unit


def _compared(documents: Sequence[Document], block: NDArray[np.float32], encoder: Encoder) -> tuple[float, int]:
    sample = np.unique(np.linspace(0, len(documents) - 1, _SAMPLE).round().astype(int))
    own = encoder.encode_documents([documents[row] for row in sample])
    cosines = np.einsum("ij,ij->i", own, block[sample])
    alike = float(cosines.min())
    if alike < _ALIKE:
        worst = documents[int(sample[cosines.argmin()])].id
        raise IndexFolderError(
            f"the vector of document {worst!r} has the cosine {alike:.3f} to what {encoder.name!r} makes of it with "
            f"input format {encoder.input_format.name!r}; wanted at least {_ALIKE}: name the model and --format that "
            "made the vectors, or say --trust"
        )
    return alike, len(sample)


def _write(
    writer: IndexWriter,
    documents: Sequence[Document],
    block: NDArray[np.float32],
    encoder: Encoder,
    vector_dtype: VectorType,
) -> Part:
    origin = ("imported", hashlib.sha256(block.tobytes()).hexdigest())
    name = content_hash((*part_identity(encoder, vector_dtype), *origin), documents)
    stored = writer.find_part(name, len(documents))
    if stored is not None:
        return stored
    return writer.write_part(
        name, documents, block.astype(vector_dtype, copy=False), np.zeros(len(documents), dtype=np.bool_)
    )


def _manifest(
    corpus: Corpus, encoder: Encoder, report: ReadReport, parts: Sequence[Part], vector_dtype: VectorType
) -> Manifest:
    return Manifest(
        version=1,
        created_at=this_moment(),
        created_by=PROGRAM,
        dim=encoder.dim,
        model=stored_model(encoder),
        input_format=encoder.input_format,
        parts=tuple(parts),
        sources=corpus.names,
        skipped=dict(report.skipped),
        vector_dtype=vector_dtype,
    )
