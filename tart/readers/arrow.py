"""Rows of Arrow record batches, shared by Parquet files and saved datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from tart.errors import SourceError
from tart.readers.options import EVERY_FIELD, FieldMap
from tart.readers.rows import BadRow, Row, shown_path


@contextmanager
def arrow_errors(path: Path, kind: str) -> Iterator[None]:
    """Names the file in what Arrow finds wrong with it."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"{shown_path(path)}: cannot be read as {kind} ({reason}); fetch or write the file again"
        ) from error


def needed_columns(schema: pa.Schema, fields: FieldMap) -> list[str]:
    """The columns that can take part in a document; images and other nested data are not even decoded."""
    if fields.metadata == EVERY_FIELD:
        return list(schema.names)
    asked = {"id", "_id", "title", "metadata", fields.id, *fields.optional, *fields.text}
    if fields.metadata is None:
        asked.update(column.name for column in schema if _is_flat(column.type))
    return [name for name in schema.names if name in asked]


def batch_rows(path: Path, first: int, batch: pa.RecordBatch) -> Iterator[Row | BadRow]:
    """The rows of one batch; `first` is the number of its first row."""
    table = pa.table({name: _plain_column(batch.column(name)) for name in batch.schema.names})
    try:
        rows = table.to_pylist()
    except ValueError:
        yield from (_single_row(path, first + index, table.slice(index, 1)) for index in range(table.num_rows))
        return
    for number, values in enumerate(rows, start=first):
        yield Row(path, number, values)


def _single_row(path: Path, number: int, table: pa.Table) -> Row | BadRow:
    """One row of a batch in which some row is bad."""
    try:
        values: Mapping[str, object] = table.to_pylist()[0]
    except ValueError as error:
        problem = f"holds a value that cannot be read ({error}); wanted strings in valid UTF-8"
        return BadRow(path, number, "bad encoding", problem)
    return Row(path, number, values)


def _plain_column(column: pa.Array) -> pa.Array:
    """Dates and times as ISO strings, which JSON can hold and which sort by time."""
    kind = column.type
    when = pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind)
    return column.cast(pa.string()) if when else column


def _is_flat(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type may be JSON scalars or lists of them."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
