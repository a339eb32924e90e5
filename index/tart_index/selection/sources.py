"""Where examples come from: a file, a folder, or rows in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from tart.errors import SourceError
from tart.readers.rows import BadRow, Row, RowError, shown_value
from tart.readers.whole_rows import whole_rows
from tart_index.corpus import SeenIds
from tart_index.files import stored
from tart_index.selection.examples import Example, example_from_row
from tart_index.selection.fields import ExampleFields
from tart_index.selection.layouts import RowLayout, row_layout

# What `select` takes: a path, a `datasets` object or any iterable of rows; for a target also texts.
Rows: TypeAlias = str | Path | Iterable[Mapping[str, Any]] | Iterable[str]
_MESSAGES_KEPT = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of a source are read.

    Attributes:
        fields: Which fields are what; the layout's where nothing is said.
        layout: A layout's name; None tells it from the first row.
        on_error: "fail" stops at the first bad row; "skip" counts it and goes on.
        encoding: Of JSON lines.
    """

    fields: ExampleFields = field(default_factory=ExampleFields)
    layout: str | None = None
    on_error: Literal["fail", "skip"] = "fail"
    encoding: str = "utf-8"


@dataclass(slots=True)
class ReadAccount:
    """What became of the rows of a source; filled while they are read.

    Attributes:
        layout: As recognised; None before the first row.
        skipped: Rows that were passed over.
        messages: Of the first few of these.
    """

    layout: RowLayout | None = None
    skipped: int = 0
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that can be streamed from the start, any number of times.

    Attributes:
        name: As shown and stored: the last part of a path.
        path: Where there is one.
        rows: Streams them.
        kept: The rows themselves where they lie in memory anyway.
    """

    name: str
    path: Path | None
    rows: Callable[[], Iterator[Row | BadRow]]
    kept: Sequence[Any] | None = None

    @classmethod
    def of(cls, given: Rows, name: str, encoding: str = "utf-8") -> Source:
        """A source of whatever `select` takes.

        Raises:
            SourceError: There is no such file or folder.
        """
        if isinstance(given, (str, Path)):
            path = Path(given)
            if not path.exists():
                raise SourceError(f"no such file or folder: {path}")
            return cls(path.resolve().name, path, lambda: whole_rows(path, encoding))
        whole = hasattr(given, "__len__") and hasattr(given, "__getitem__")
        kept = cast("Sequence[Any]", given if whole else list(given))
        return cls(name, None, lambda: _memory_rows(kept, name), kept)

    def examples(self, reading: Reading, account: ReadAccount | None = None) -> Iterator[Example]:
        """Streams the examples, ids checked.

        Raises:
            SourceError: The source cannot be read, no layout fits, or a row is bad and is not to be skipped.
        """
        account = ReadAccount() if account is None else account
        seen = SeenIds()
        number = 0
        for row in self.rows():
            made = row if isinstance(row, BadRow) else _made(row, number, reading, account, seen)
            if isinstance(made, BadRow):
                _settle(made, reading, account)
                continue
            number += 1
            yield made

    def sha256(self) -> str:
        """The SHA-256 of the file, or of a folder's files with their names, or of the rows as JSON."""
        if self.path is None:
            digest = hashlib.sha256()
            for row in self.rows():
                digest.update(row_json(row.values).encode() if isinstance(row, Row) else b"")
            return "sha256:" + digest.hexdigest()
        if self.path.is_file():
            return stored(self.path).sha256
        digest = hashlib.sha256()
        for file in sorted(entry for entry in self.path.rglob("*") if entry.is_file()):
            digest.update(f"{file.relative_to(self.path).as_posix()}\n{stored(file).sha256}\n".encode())
        return "sha256:" + digest.hexdigest()


def _memory_rows(given: Iterable[Any], name: str) -> Iterator[Row | BadRow]:
    place = Path(name)
    for number, values in enumerate(given, start=1):
        if isinstance(values, str):
            yield Row(place, number, {"text": values})
        elif isinstance(values, Mapping):
            yield Row(place, number, values)
        else:
            problem = f"found {shown_value(values)}; wanted an object with fields, or a text"
            yield BadRow(place, number, "not an object", problem)


def _made(row: Row, number: int, reading: Reading, account: ReadAccount, seen: SeenIds) -> Example | BadRow:
    """The example of a row, or why there is none."""
    if account.layout is None:
        try:
            account.layout = row_layout(row.values.keys(), reading.layout, reading.fields)
        except SourceError as error:
            raise SourceError(f"{row.path}:{row.line}: {error}") from error
    try:
        example = example_from_row(row.values, account.layout, number)
    except RowError as error:
        return BadRow(row.path, row.line, error.reason, str(error))
    if not seen.add(example.id):
        problem = f"the id {shown_value(example.id)} stands a second time; make ids unique, or map another field as id"
        return BadRow(row.path, row.line, "duplicate id", problem)
    return example


def _settle(row: BadRow, reading: Reading, account: ReadAccount) -> None:
    if reading.on_error == "fail":
        raise SourceError(row.message)
    account.skipped += 1
    if len(account.messages) < _MESSAGES_KEPT:
        account.messages.append(row.message)


def row_json(values: Mapping[str, Any]) -> str:
    """A row as one line of JSON.

    Raises:
        SourceError: It holds something that JSON cannot.
    """
    try:
        return json.dumps(dict(values), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SourceError(f"a row holds what JSON cannot ({error}); leave that field out of the pool") from error
