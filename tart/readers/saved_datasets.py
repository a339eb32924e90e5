"""Folders written by `save_to_disk` of Hugging Face's `Dataset` and `DatasetDict`, read without that library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from tart.errors import SourceError
from tart.readers.arrow import arrow_errors, batch_rows, needed_columns
from tart.readers.detection import DATASET_SPLITS, DATASET_STATE
from tart.readers.fields import refuse_missing_columns
from tart.readers.lines import read_bytes
from tart.readers.options import FieldMap
from tart.readers.rows import BadRow, Row, shown_path


def saved_dataset_rows(folder: Path, fields: FieldMap | None) -> Iterator[Row | BadRow]:
    """Streams the rows of a saved dataset; those of a dataset dict split by split, with the name in the field `split`.

    Without a field map, rows have every column.

    Raises:
        SourceError: A file of the dataset is missing or damaged, or a column asked for is.
    """
    if (folder / DATASET_SPLITS).exists():
        for split in _names(folder / DATASET_SPLITS, _json_file(folder / DATASET_SPLITS).get("splits")):
            for row in _dataset_rows(folder / split, fields, split):
                yield row if isinstance(row, BadRow) else row._replace(values={"split": split, **row.values})
    else:
        yield from _dataset_rows(folder, fields, None)


def _dataset_rows(folder: Path, fields: FieldMap | None, split: str | None) -> Iterator[Row | BadRow]:
    """The rows of one dataset, from its Arrow files in order."""
    state_path = folder / DATASET_STATE
    state = _json_file(state_path)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise SourceError(
            f"{shown_path(state_path)}: the dataset was saved with an index mapping, which changes its rows; "
            "save it again after flatten_indices()"
        )
    files = state.get("_data_files")
    entries = (
        [file.get("filename") if isinstance(file, dict) else file for file in files]
        if isinstance(files, list)
        else files
    )
    for name in _names(state_path, entries):
        yield from _stream_rows(folder / name, fields, split)


def _stream_rows(path: Path, fields: FieldMap | None, split: str | None) -> Iterator[Row | BadRow]:
    """The rows of one Arrow IPC stream, of the columns that are needed."""
    with arrow_errors(path, "an Arrow stream"), pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
        schema = stream.schema
        if fields is not None:
            refuse_missing_columns(path, [*schema.names, *([] if split is None else ["split"])], fields)
        columns = list(schema.names) if fields is None else needed_columns(schema, fields)
        number = 1
        for batch in stream:
            yield from batch_rows(path, number, batch.select(columns))
            number += batch.num_rows


def _json_file(path: Path) -> dict[str, object]:
    """The object in a JSON file of the saved dataset."""
    try:
        value = json.loads(read_bytes(path))
    except ValueError as error:
        raise SourceError(f"{shown_path(path)}: is no JSON ({error}); save the dataset again") from error
    if not isinstance(value, dict):
        raise SourceError(f"{shown_path(path)}: holds no JSON object; save the dataset again")
    return value


def _names(path: Path, values: object) -> list[str]:
    """The names of files or folders that lie beside a JSON file, and nowhere else."""
    if isinstance(values, list):
        names = [
            value
            for value in values
            if isinstance(value, str) and value not in {"", ".."} and Path(value).name == value
        ]
        if len(names) == len(values):
            return names
    raise SourceError(
        f"{shown_path(path)}: does not list its files or splits as save_to_disk does; save the dataset again"
    )
