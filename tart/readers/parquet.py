"""Parquet files, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from tart.readers.arrow import arrow_errors, batch_rows, needed_columns
from tart.readers.fields import refuse_missing_columns
from tart.readers.options import FieldMap
from tart.readers.rows import BadRow, Row

_ROWS_PER_BATCH = 512
_READ_BUFFER_BYTES = 1 << 20


def parquet_rows(path: Path, fields: FieldMap | None) -> Iterator[Row | BadRow]:
    """Streams the rows of one file, of the columns that are needed; all of them where there is no field map.

    Raises:
        SourceError: The file is no sound Parquet file, or lacks a column asked for.
    """
    # Only so does Arrow stream the pages of a column, instead of holding the whole column of a row group.
    streamed = {"pre_buffer": False, "buffer_size": _READ_BUFFER_BYTES}
    with arrow_errors(path, "Parquet"), pq.ParquetFile(path, **streamed) as file:
        schema = file.schema_arrow
        if fields is not None:
            refuse_missing_columns(path, schema.names, fields)
        columns = list(schema.names) if fields is None else needed_columns(schema, fields)
        number = 1
        for batch in file.iter_batches(batch_size=_ROWS_PER_BATCH, columns=columns, use_threads=False):
            yield from batch_rows(path, number, batch)
            number += batch.num_rows
