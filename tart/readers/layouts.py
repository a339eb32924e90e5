"""From a source to its documents, whatever its layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tart.documents import Document
from tart.readers.delimited import delimited_rows
from tart.readers.detection import detected_layout, existing_path, files_of, refuse_unfit
from tart.readers.fields import documents_from_rows
from tart.readers.json_lines import json_line_rows
from tart.readers.options import DEFAULT_OPTIONS, Layout, ReadOptions
from tart.readers.python_source import python_items
from tart.readers.rows import BadRow, Placed, ReadReport, Row, settle
from tart.readers.text_files import text_documents


def read_documents(
    source: str | Path, options: ReadOptions = DEFAULT_OPTIONS, report: ReadReport | None = None
) -> Iterator[Document]:
    """Streams the documents of a corpus without holding it in memory.

    A source without documents is none of this function's errors.

    Args:
        source: A file or folder; `-` is standard input, as JSON lines unless the options say otherwise.
        options: The layout, the fields, the encoding, and what happens to bad rows.
        report: Filled with the counts while the documents are taken.

    Raises:
        SourceError: The source as a whole cannot be read, or a row is bad and the options do not say to skip it.
            What can be seen from names alone is raised at once, the rest when the documents are taken.
    """
    path = existing_path(source)
    layout = options.layout or detected_layout(path)
    refuse_unfit(path, layout)
    return settle(_items(path, layout, options), options.on_error, report)


def _items(path: Path, layout: Layout, options: ReadOptions) -> Iterator[Placed | BadRow]:
    """The documents and the bad rows of a source."""
    if layout == "text":
        return text_documents(path, options.encoding)
    if layout == "python":
        return python_items(path)
    return documents_from_rows(_rows(path, layout, options), options.fields)


def _rows(path: Path, layout: Layout, options: ReadOptions) -> Iterator[Row | BadRow]:
    """The rows of a source whose documents are rows."""
    if layout == "datasets":
        from tart.readers.saved_datasets import saved_dataset_rows

        yield from saved_dataset_rows(path, options.fields)
        return
    for file in files_of(path, layout):
        yield from _file_rows(file, layout, options)
        if layout == "beir":  # A plain corpus.jsonl beside its compressed copy is read once.
            return


def _file_rows(file: Path, layout: Layout, options: ReadOptions) -> Iterator[Row | BadRow]:
    """The rows of one file."""
    if layout == "parquet":
        from tart.readers.parquet import parquet_rows

        return parquet_rows(file, options.fields)
    if layout == "csv":
        return delimited_rows(file, options.encoding, ",", options.fields)
    if layout == "tsv":
        return delimited_rows(file, options.encoding, "\t", options.fields)
    return json_line_rows(file, options.encoding)
