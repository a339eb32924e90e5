"""A data set as a BEIR folder or as saved `datasets`, and each from the other.

The saved form has three datasets, `corpus`, `queries` and `qrels`, with the columns that BEIR sets have on hubs. The
metadata are one column of JSON, because rows of one set may have different keys.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, Any, Literal

from tart.errors import DependencyError
from tart.readers.detection import DATASET_STATE
from tart.readers.options import FieldMap
from tart.readers.rows import BadRow, shown_path, shown_value
from tart_train.card import CARD_FILE
from tart_train.dataset import RetrievalSet
from tart_train.examples import DataError
from tart_train.set_folders import is_set

Form = Literal["beir", "datasets"]
Row = dict[str, Any]
PARTS = ("corpus", "queries", "qrels")

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "corpus": ("_id", "title", "text", "metadata"),
    "queries": ("_id", "text", "instruction", "group", "metadata"),
    "qrels": ("query-id", "corpus-id", "score"),
}


def convert(source: Path, out: Path, split: str | None = None, passed: Callable[[], None] = lambda: None) -> Form:
    """Writes a data set in the other form; `out` appears whole or not at all.

    Args:
        source: A BEIR folder, or a folder with the saved datasets `corpus`, `queries` and `qrels`.
        out: Where nothing is yet, or an empty folder.
        split: Which of several `qrels/SPLIT.tsv` counts.
        passed: Called after every row.

    Returns:
        The form of `out`.

    Raises:
        DataError: The source is neither form or malformed, or there is something at `out`.
        SourceError: A file of the source cannot be read.
    """
    if not source.is_dir():
        raise DataError(f"{shown_path(source)}: no such folder; name a data set")
    if is_set(source):
        data = RetrievalSet.open(source, split)
        with _new_folder(out) as folder:
            _write_saved(_rows_of(data), folder, passed)
            _copy_card(source, folder)
        return "datasets"
    missing = [part for part in PARTS if not (source / part / DATASET_STATE).is_file()]
    if missing:
        raise DataError(
            f"{shown_path(source)}: neither a BEIR folder (corpus.jsonl) nor saved datasets "
            f"(there is no {missing[0]}/{DATASET_STATE}); wanted one of them"
        )
    with _new_folder(out) as folder:
        _write_beir(source, folder, passed)
        _copy_card(source, folder)
        RetrievalSet.open(folder)
    return "beir"


def _rows_of(data: RetrievalSet) -> Mapping[str, Callable[[], Iterator[Row]]]:
    """The rows of each part of a data set."""

    def corpus() -> Iterator[Row]:
        for document in data.documents():
            yield {
                "_id": document.id,
                "title": document.title,
                "text": document.text,
                "metadata": _json(document.metadata),
            }

    def queries() -> Iterator[Row]:
        for query in data.queries():
            row = {"_id": query.id, "text": query.text, "instruction": query.instruction, "group": query.group}
            yield row | {"metadata": _json(query.metadata)}

    def qrels() -> Iterator[Row]:
        for query_id, of_query in data.qrels().items():
            for document_id, grade in of_query.items():
                yield {"query-id": query_id, "corpus-id": document_id, "score": grade}

    return {"corpus": corpus, "queries": queries, "qrels": qrels}


def _write_saved(parts: Mapping[str, Callable[[], Iterator[Row]]], folder: Path, passed: Callable[[], None]) -> None:
    """Saves each part as a dataset, row by row."""
    try:
        from datasets import Dataset, Features, Value
        from datasets.arrow_writer import ArrowWriter
    except ImportError as error:
        raise DependencyError(f"the library datasets is needed ({error}); run: pip install datasets") from error
    with _quiet():
        for part, rows in parts.items():
            kinds = Features({name: Value("int32" if name == "score" else "string") for name in _COLUMNS[part]})
            raw = folder / f"{part}.arrow"
            with ArrowWriter(features=kinds, path=str(raw)) as writer:
                for row in rows():
                    writer.write(row)
                    passed()
                writer.finalize()
            Dataset.from_file(str(raw)).save_to_disk(str(folder / part))
            raw.unlink()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars of `datasets`, which tell of its own files."""
    from datasets.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

    shown = is_progress_bar_enabled()
    disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            enable_progress_bar()


def _write_beir(source: Path, folder: Path, passed: Callable[[], None]) -> None:
    """Writes the three files of a BEIR folder."""
    for part in ("corpus", "queries"):
        with _gzip(folder / f"{part}.jsonl.gz") as file:
            for row in _saved_rows(source, part):
                file.write(_json(_beir_row(row, part)) + "\n")
                passed()
    with _gzip(folder / "qrels.tsv.gz") as file:
        file.write("\t".join(_COLUMNS["qrels"]) + "\n")
        for row in _saved_rows(source, "qrels"):
            file.write("\t".join(_cell(row, name) for name in _COLUMNS["qrels"]) + "\n")
            passed()


def _saved_rows(source: Path, part: str) -> Iterator[Mapping[str, Any]]:
    """The rows of one saved dataset; a missing column is told before the first."""
    from tart.readers.saved_datasets import saved_dataset_rows

    needed = _COLUMNS["qrels"] if part == "qrels" else ("_id", "text")
    wanted = FieldMap(id=needed[0], text=needed[1:], metadata=("*",))
    for row in saved_dataset_rows(source / part, wanted):
        if isinstance(row, BadRow):
            raise DataError(row.message)
        yield row.values


def _beir_row(values: Mapping[str, Any], part: str) -> Row:
    """A row of a JSON lines file; what is empty is left out, except title and metadata of a document."""
    row = {name: values.get(name) for name in _COLUMNS[part] if name != "metadata"}
    row = {name: value for name, value in row.items() if value not in (None, "")}
    if part == "corpus":
        row.setdefault("title", "")
    metadata = values.get("metadata")
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except ValueError as error:
            raise DataError(f"row {values['_id']!r}: the metadata {shown_value(metadata)} are no JSON") from error
    extra = {name: value for name, value in values.items() if name not in _COLUMNS[part] and name != "split"}
    return row | {"metadata": {**extra, **(metadata or {})}}


def _cell(row: Mapping[str, Any], name: str) -> str:
    """A value between tabs."""
    value = str(row[name])
    if any(mark in value for mark in "\t\r\n"):
        raise DataError(f"the {name} {value!r} has a tab or a line end, which a qrels file cannot hold; rename it")
    return value


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@contextmanager
def _gzip(file: Path) -> Iterator[IO[str]]:
    """A text file that is compressed without a time stamp, so that equal data give equal files."""
    with (
        file.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
    ):
        yield text


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder that takes its name when all is written, and goes away when something fails."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{shown_path(out)}: there is something already; name a folder that is not there")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise DataError(f"{shown_path(out)}: cannot be written ({error.strerror}); name another folder") from error
    try:
        yield folder
        folder.chmod(0o755)
        if out.exists():
            out.rmdir()
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _copy_card(source: Path, folder: Path) -> None:
    if (source / CARD_FILE).is_file():
        shutil.copyfile(source / CARD_FILE, folder / CARD_FILE)
