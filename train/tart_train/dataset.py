"""A retrieval data set on disk: documents, queries and judgments in BEIR's layout (Thakur et al. 2021), and a card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tart.documents import Document
from tart.readers import ReadOptions, read_documents
from tart.readers.json_lines import json_line_rows
from tart.readers.lines import COMPRESSIONS
from tart.readers.rows import BadRow, Row, shown_names, shown_path, shown_value
from tart_train.card import Card
from tart_train.examples import DataError, check_instructions
from tart_train.faults import Faults
from tart_train.qrels import grades

READING = ReadOptions(layout="beir")
_SUFFIXES = ("", *COMPRESSIONS)
_WANTED = "wanted a folder with corpus.jsonl, queries.jsonl and qrels.tsv (or qrels/SPLIT.tsv), plain, .gz or .zst"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked.

    Attributes:
        id: Unique in its set.
        text: Not blank.
        metadata: As the row has it.
        instruction: The row's own; `None`: the set's instructions apply.
        group: Queries of one group share their text and differ only in the instruction; "" is no group.

    Raises:
        DataError: The id is empty, the text is blank, or the instruction is empty or what an empty cell becomes.
    """

    id: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    instruction: str | None = None
    group: str = ""

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise DataError("a query has an empty id; give every query an id of its own")
        if not self.text.strip():
            raise DataError(f"query {self.id!r} has no text; give it one or drop it")
        if self.instruction is not None:
            check_instructions((self.instruction,), f"query {self.id!r}")


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """A data set folder. Get one from `open`; nothing but the card is read before it is asked for.

    Attributes:
        path: The folder.
        card: What it says about itself.
        query_file: Where the queries are.
        qrels_file: Where the judgments are.
    """

    path: Path
    card: Card
    query_file: Path
    qrels_file: Path

    @classmethod
    def open(cls, path: str | Path, split: str | None = None) -> RetrievalSet:
        """Finds the files of a data set.

        Args:
            path: The folder.
            split: Which of several `qrels/SPLIT.tsv` counts. By default `qrels.tsv`, else `qrels/test.tsv`, else the
                only file in `qrels`.

        Raises:
            DataError: The folder, one of the files or the split is not there, or the card is malformed.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise DataError(f"{shown_path(folder)}: no such folder; {_WANTED}")
        if _found(folder, "corpus.jsonl") is None:
            raise DataError(f"{shown_path(folder)}: there is no corpus.jsonl; {_WANTED}")
        queries = _found(folder, "queries.jsonl")
        if queries is None:
            raise DataError(f"{shown_path(folder)}: there is no queries.jsonl; {_WANTED}")
        return cls(folder, Card.read(folder), queries, _qrels_file(folder, split))

    @property
    def name(self) -> str:
        """As the card has it."""
        return self.card.name

    @property
    def document_file(self) -> Path:
        """Where the documents are."""
        file = _found(self.path, "corpus.jsonl")
        if file is None:
            raise DataError(f"{shown_path(self.path)}: corpus.jsonl is gone; {_WANTED}")
        return file

    def documents(self) -> Iterator[Document]:
        """Streams the documents.

        Raises:
            SourceError: A row is no document, or the file cannot be read.
        """
        return read_documents(self.path, READING)

    def queries(self) -> Iterator[Query]:
        """Streams the queries.

        Raises:
            DataError: A row is no query.
            SourceError: The file cannot be read.
        """
        for row in json_line_rows(self.query_file, "utf-8"):
            if isinstance(row, BadRow):
                raise DataError(row.message)
            try:
                yield query_of(row)
            except DataError as error:
                raise DataError(f"{shown_path(row.path)}:{row.line}: {error}") from error

    def qrels(self) -> dict[str, dict[str, int]]:
        """All judgments: query id -> document id -> grade; 0 is an explicit negative, 1 and above is relevant.

        Raises:
            DataError: Rows are malformed; the message has the first of them with their lines.
            SourceError: The file cannot be read.
        """
        faults = Faults()
        found = grades(self.qrels_file, faults)
        faults.refuse()
        return found


def query_of(row: Row) -> Query:
    """The query of one row of `queries.jsonl`.

    Raises:
        DataError: It is none; the message names no file.
    """
    values = row.values
    id_field = "_id" if "_id" in values else "id"
    for name in (id_field, "text"):
        if name not in values:
            raise DataError(f"no field {name!r} (found: {shown_names(values)}); wanted _id and text in every row")
    query_id = values[id_field]
    if isinstance(query_id, int) and not isinstance(query_id, bool):
        query_id = str(query_id)
    metadata = values.get("metadata")
    texts = {"id": query_id, "text": values["text"], "group": values.get("group") or ""}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise DataError(f"field {name!r} is {shown_value(value)}; wanted a string")
    if not (metadata is None or isinstance(metadata, dict)):
        raise DataError(f"field 'metadata' is {shown_value(metadata)}; wanted an object")
    instruction = values.get("instruction")
    if not (instruction is None or isinstance(instruction, str)):
        raise DataError(f"field 'instruction' is {shown_value(instruction)}; wanted a string")
    return Query(
        **{name: str(value) for name, value in texts.items()}, metadata=metadata or {}, instruction=instruction
    )


def _found(folder: Path, name: str) -> Path | None:
    """A file, plain or compressed."""
    return next((folder / (name + suffix) for suffix in _SUFFIXES if (folder / (name + suffix)).is_file()), None)


def _qrels_file(folder: Path, split: str | None) -> Path:
    """The file of judgments."""
    in_folder = folder / "qrels"
    if split is not None:
        file = _found(in_folder, f"{split}.tsv")
        if file is None:
            raise DataError(f"{shown_path(in_folder)}: no judgments of the split {split!r}; wanted {split}.tsv in it")
        return file
    file = _found(folder, "qrels.tsv") or _found(in_folder, "test.tsv")
    if file is not None:
        return file
    splits = sorted(file for file in in_folder.glob("*.tsv*") if file.is_file()) if in_folder.is_dir() else []
    if len(splits) == 1:
        return splits[0]
    if splits:
        names = ", ".join(file.name.partition(".tsv")[0] for file in splits)
        raise DataError(f"{shown_path(in_folder)}: several splits ({names}) and no test; name one of them")
    raise DataError(f"{shown_path(folder)}: there is no qrels.tsv; {_WANTED}")
