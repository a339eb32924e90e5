"""Rows with every field that they have, for whoever writes them out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from tart.errors import SourceError
from tart.readers.detection import detected_layout, existing_path, files_of, refuse_unfit
from tart.readers.json_lines import json_line_rows
from tart.readers.rows import BadRow, Row, shown_path

RowFormat: TypeAlias = Literal["jsonl", "parquet", "datasets"]


def whole_rows(source: str | Path, encoding: str = "utf-8") -> Iterator[Row | BadRow]:
    """Streams the rows of JSON lines, Parquet files or a saved `datasets` folder, with all their fields.

    Raises:
        SourceError: The source cannot be read, or is of another kind.
    """
    path = existing_path(source)
    layout = detected_layout(path)
    if layout not in get_args(RowFormat):
        raise SourceError(
            f"{shown_path(path)}: found {layout}; wanted JSON lines (.jsonl, .gz, .zst), Parquet "
            "or a saved datasets folder"
        )
    refuse_unfit(path, layout)
    return _rows(path, cast("RowFormat", layout), encoding)


def _rows(path: Path, layout: RowFormat, encoding: str) -> Iterator[Row | BadRow]:
    if layout == "datasets":
        from tart.readers.saved_datasets import saved_dataset_rows

        yield from saved_dataset_rows(path, None)
        return
    for file in files_of(path, layout):
        if layout == "parquet":
            from tart.readers.parquet import parquet_rows

            yield from parquet_rows(file, None)
        else:
            yield from json_line_rows(file, encoding)
