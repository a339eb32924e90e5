"""CSV and TSV with a header line, quoted as in RFC 4180."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tart.errors import SourceError
from tart.readers.fields import refuse_missing_columns
from tart.readers.lines import bad_bytes, text_lines
from tart.readers.options import FieldMap
from tart.readers.rows import BadRow, Row, shown_path, shown_value

# The csv module's limit of 131,072 characters is short for a document. A quote that is never closed ends here.
_LARGEST_FIELD = 1 << 28


def delimited_rows(
    path: Path, encoding: str, delimiter: Literal[",", "\t"], fields: FieldMap
) -> Iterator[Row | BadRow]:
    """Streams the records below the header; columns without a name are left out.

    Raises:
        SourceError: The file cannot be read, or its header is malformed or lacks a column asked for.
    """
    records = _records(path, encoding, delimiter)
    header = next(records, None)
    if header is None:
        return
    if isinstance(header, BadRow):
        raise SourceError(header.message)
    names = header[1]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise SourceError(f"{shown_path(path)}:{header[0]}: column {twice[0]!r} stands twice in the header; rename one")
    refuse_missing_columns(path, [name for name in names if name], fields)
    for record in records:
        if isinstance(record, BadRow):
            yield record
        elif len(record[1]) == len(names):
            yield Row(path, record[0], {name: value for name, value in zip(names, record[1], strict=True) if name})
        else:
            yield _wrong_count(path, record[0], record[1], len(names))


def _records(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]] | BadRow]:
    """The records with the line on which each starts; empty lines are passed over."""
    csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_FIELD))
    reader = csv.reader(text_lines(path, encoding, newline=""), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            problem = f"malformed ({error}); wanted fields with quotes in them quoted, and such quotes doubled"
            yield BadRow(path, start, "malformed CSV", problem)
            continue
        if record is None:
            return
        if record:
            yield bad_bytes(path, start, delimiter.join(record), encoding) or (start, record)


def _wrong_count(path: Path, line: int, record: list[str], wanted: int) -> BadRow:
    """The bad row of a record that is shorter or longer than the header."""
    start = shown_value(record[0])
    problem = f"{len(record)} columns in the row that starts {start}; wanted {wanted} as in the header"
    return BadRow(path, line, "wrong column count", problem)
