"""Documents of a part in an Arrow file: memory-mapped, any row read without its neighbours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import IndexFolderError, SourceError

_TEXTS = ("id", "title", "text", "metadata")
_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.large_string(), nullable=False) for name in _TEXTS),
        pa.field("truncated", pa.bool_(), nullable=False),
    ]
)
# One for all documents: json.dumps would make one for each.
_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


class _Texts:
    """A column of texts in the memory map.

    Arrow follows an offset wherever it points to, also out of the file: here each is looked at before it is followed.

    Args:
        array: An Arrow array of large strings.
    """

    def __init__(self, array: Any) -> None:
        _, offsets, content = array.buffers()
        self._offsets: NDArray[np.int64] = np.frombuffer(offsets, dtype=np.int64, count=len(array) + 1)
        self._content = memoryview(content or b"")

    def __getitem__(self, row: int) -> str:
        start, end = self._offsets[row : row + 2].tolist()
        if not 0 <= start <= end <= len(self._content):
            raise ValueError("a text lies outside of the file")
        return str(self._content[start:end], "utf-8")


class DocumentTable:
    """Documents by row. Open one with `DocumentTable.open`."""

    def __init__(self, file: Path, table: Any) -> None:
        self._file = file
        self._table = table
        # A file that `write` made has one chunk a column, still in the memory map: a value is read from it at once.
        self._texts = [_Texts(table[name].chunk(0)) for name in _TEXTS]

    @classmethod
    def open(cls, file: Path) -> DocumentTable:
        """Maps a file into memory; nothing is read before it is asked for.

        Raises:
            IndexFolderError: The file is no such table.
        """
        try:
            table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
            table.validate()
        except (OSError, pa.ArrowException, ValueError) as error:
            raise IndexFolderError(f"{file}: not a document table ({error}); build the index anew") from error
        if table.schema != _SCHEMA or any(column.num_chunks != 1 or column.null_count for column in table.columns):
            wanted = ", ".join(_SCHEMA.names)
            raise IndexFolderError(f"{file}: not one batch of the columns {wanted}; build the index anew")
        return cls(file, table)

    @staticmethod
    def write(file: Path, documents: Sequence[Document], truncated: NDArray[np.bool_]) -> None:
        """Writes documents uncompressed, so that a row can be read in place.

        Args:
            file: Is made or replaced.
            documents: The rows.
            truncated: Shape: (len(documents),): which of them were longer than the model takes.
        """
        columns = [
            pa.array([document.id for document in documents], type=pa.large_string()),
            pa.array([document.title for document in documents], type=pa.large_string()),
            pa.array([document.text for document in documents], type=pa.large_string()),
            pa.array([metadata_json(document) for document in documents], type=pa.large_string()),
            pa.array(truncated, type=pa.bool_()),
        ]
        table = pa.Table.from_arrays(columns, schema=_SCHEMA)
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
            writer.write_table(table)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, row: int) -> Document:
        try:
            document_id, title, text, metadata = (texts[row] for texts in self._texts)
            return Document(document_id, text, title, json.loads(metadata))
        except (ValueError, TypeError, SourceError) as error:
            raise IndexFolderError(f"{self._file}: row {row} is damaged ({error}); build the index anew") from error

    def column(self, name: str) -> Any:
        """All values of "id", "title", "text" or "metadata" as an Arrow array, still mapped.

        Raises:
            IndexFolderError: The file is damaged.
        """
        column = self._table[name]
        try:
            column.validate(full=True)
        except pa.ArrowException as error:
            raise IndexFolderError(f"{self._file}: is damaged ({error}); build the index anew") from error
        return column

    def truncated(self, row: int) -> bool:
        """Whether a row's document was longer than the model takes."""
        return bool(self._table["truncated"][row].as_py())


def metadata_json(document: Document) -> str:
    """Metadata as JSON, equal for equal metadata whatever the order of its keys."""
    return _JSON.encode(dict(document.metadata)) if document.metadata else "{}"
