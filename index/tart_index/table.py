"""Documents of a part in an Arrow file: memory-mapped, any row read without its neighbours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tart.documents import Document
from tart.errors import IndexFolderError, SourceError

_SCHEMA = pa.schema(
    [
        pa.field("id", pa.large_string(), nullable=False),
        pa.field("title", pa.large_string(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("metadata", pa.large_string(), nullable=False),
    ]
)


class DocumentTable:
    """Documents by row. Open one with `DocumentTable.open`."""

    def __init__(self, file: Path, table: Any) -> None:
        self._file = file
        self._table = table

    @classmethod
    def open(cls, file: Path) -> DocumentTable:
        """Maps a file into memory; nothing is read before it is asked for.

        Raises:
            IndexFolderError: The file is no such table.
        """
        try:
            table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
        except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise IndexFolderError(f"{file}: not a document table ({error}); build the index anew") from error
        if table.schema != _SCHEMA:
            raise IndexFolderError(f"{file}: not the columns id, title, text, metadata; build the index anew")
        return cls(file, table)

    @staticmethod
    def write(file: Path, documents: Sequence[Document]) -> None:
        """Writes documents uncompressed, so that a row can be read in place."""
        columns = [
            [document.id for document in documents],
            [document.title for document in documents],
            [document.text for document in documents],
            [metadata_json(document) for document in documents],
        ]
        arrays = [pa.array(column, type=field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
        table = pa.Table.from_arrays(arrays, schema=_SCHEMA)
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
            writer.write_table(table)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, row: int) -> Document:
        return self._document(row)

    def __iter__(self) -> Iterator[Document]:
        return (self._document(row) for row in range(len(self)))

    def ids(self) -> list[str]:
        """All ids in the order of the rows."""
        ids: list[str] = self._table["id"].to_pylist()
        return ids

    def _document(self, row: int) -> Document:
        values = {name: self._table[name][row].as_py() for name in _SCHEMA.names}
        try:
            return Document(values["id"], values["text"], values["title"], json.loads(values["metadata"]))
        except (ValueError, TypeError, SourceError) as error:
            raise IndexFolderError(f"{self._file}: row {row} is damaged ({error}); build the index anew") from error


def metadata_json(document: Document) -> str:
    """Metadata as JSON, equal for equal metadata whatever the order of its keys."""
    return json.dumps(dict(document.metadata), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
