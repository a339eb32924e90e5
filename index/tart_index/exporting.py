"""Export: the documents and vectors of an index for other programs, streamed part by part."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import SourceError
from tart_index.exact import import_faiss
from tart_index.files import sync, writing
from tart_index.folder import IndexFolder
from tart_index.table import metadata_json
from tart_index.vector_type import as_float32

SUFFIXES = (".parquet", ".npy", ".faiss")


class Slice(NamedTuple):
    """Documents that lie together.

    Attributes:
        documents: Deleted ones left out.
        vectors: Shape: (len(documents), dim), float32, unit rows.
    """

    documents: list[Document]
    vectors: NDArray[np.float32]


def export(folder: IndexFolder, out: Path) -> list[Path]:
    """Writes an index as the file's suffix says, each file whole by one rename.

    ``.parquet`` holds id, title, text, metadata (JSON) and vector; ``.npy`` the vectors alone and ``.faiss`` a flat
    inner-product index of FAISS (the one that takes the memory of all vectors), both with the ids beside them as
    ``FILE.ids.txt``, one JSON string a line, in the order of the rows. Vectors are written as float32.

    Returns:
        The files that were written.

    Raises:
        SourceError: The suffix is none of these.
        IndexFolderError: The disk is full or refuses to be written, or the index is damaged.
    """
    writers: dict[str, Callable[[IndexFolder, Path], None]] = {
        ".parquet": _write_parquet,
        ".npy": _write_npy,
        ".faiss": _write_faiss,
    }
    if out.suffix not in writers:
        raise SourceError(f"found the file name {out.name!r}; wanted one that ends in {', '.join(SUFFIXES)}")
    files = [(out, writers[out.suffix])]
    if out.suffix != ".parquet":
        files.append((out.with_name(f"{out.name}.ids.txt"), _write_ids))
    with writing(out):
        for file, write in files:
            new = file.with_name(f"{file.name}.new")
            write(folder, new)
            sync(new)
            new.replace(file)
    return [file for file, _ in files]


def slices(folder: IndexFolder) -> Iterator[Slice]:
    """All documents with their vectors, in the order of the corpus, one part at a time."""
    start = 0
    for vectors in folder.vectors:
        rows = np.arange(start, start + len(vectors))
        kept = rows if folder.alive is None else rows[folder.alive[rows]]
        if len(kept):
            yield Slice([folder.document(int(row)) for row in kept], as_float32(vectors[kept - start]))
        start += len(vectors)


def _write_parquet(folder: IndexFolder, file: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [pa.field(name, pa.large_string(), nullable=False) for name in ("id", "title", "text", "metadata")]
    schema = pa.schema([*texts, pa.field("vector", pa.list_(pa.float32(), folder.manifest.dim), nullable=False)])
    with pq.ParquetWriter(str(file), schema) as writer:
        for documents, vectors in slices(folder):
            columns: list[Any] = [
                pa.array([document.id for document in documents], pa.large_string()),
                pa.array([document.title for document in documents], pa.large_string()),
                pa.array([document.text for document in documents], pa.large_string()),
                pa.array([metadata_json(document) for document in documents], pa.large_string()),
                pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), folder.manifest.dim),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _write_npy(folder: IndexFolder, file: Path) -> None:
    shape = (len(folder), folder.manifest.dim)
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for _, vectors in slices(folder):
            stream.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())


def _write_faiss(folder: IndexFolder, file: Path) -> None:
    faiss = import_faiss()
    index = faiss.IndexFlatIP(folder.manifest.dim)
    for _, vectors in slices(folder):
        index.add(vectors)
    with file.open("wb") as stream:
        faiss.write_index(index, faiss.PyCallbackIOWriter(stream.write))


def _write_ids(folder: IndexFolder, file: Path) -> None:
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(document_id, ensure_ascii=False) + "\n" for document_id in folder.ids())
