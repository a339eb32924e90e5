"""Rows as the files hold them, rows that cannot be used, and the account of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from tart.documents import Document
from tart.errors import SourceError
from tart.readers.options import OnError

Reason: TypeAlias = Literal[
    "not JSON",
    "not an object",
    "missing field",
    "wrong type",
    "empty id",
    "blank text",
    "bad metadata",
    "bad encoding",
    "malformed CSV",
    "wrong column count",
    "not Python",
    "duplicate id",
]

STANDARD_INPUT = Path("-")
_MESSAGES_KEPT = 5
_NAMES_SHOWN = 10
_VALUE_SHOWN = 60


class Row(NamedTuple):
    """One row and its place: the line on which it starts, or its number in a file that has no lines; both from 1."""

    path: Path
    line: int
    values: Mapping[str, object]


class BadRow(NamedTuple):
    """A row that gives no document."""

    path: Path
    line: int
    reason: Reason
    problem: str

    @property
    def message(self) -> str:
        """The one line that a user reads."""
        return f"{shown_path(self.path)}:{self.line}: {self.problem}"


class Placed(NamedTuple):
    """A document and its place: the line on which it starts, or its number in a file that has no lines; from 1."""

    path: Path
    line: int
    document: Document


class RowError(Exception):
    """Raised while one row is looked at; its reader turns it into a `BadRow`."""

    def __init__(self, reason: Reason, problem: str) -> None:
        super().__init__(problem)
        self.reason: Reason = reason


@dataclass(slots=True)
class ReadReport:
    """What became of the rows of a source; filled while it is read.

    Attributes:
        documents: How many documents were read.
        skipped: How many rows were passed over, by reason.
        messages: The full messages of the first five of them.
        place: File and line of the document that was read last.
    """

    documents: int = 0
    place: tuple[Path, int] = (STANDARD_INPUT, 0)
    skipped: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)

    @property
    def rows_skipped(self) -> int:
        """How many rows were passed over, for any reason."""
        return sum(self.skipped.values())

    def skip(self, row: BadRow) -> None:
        """Counts a row that was passed over."""
        self.skipped[row.reason] += 1
        if len(self.messages) < _MESSAGES_KEPT:
            self.messages.append(row.message)


def settle(items: Iterable[Placed | BadRow], on_error: OnError, report: ReadReport | None) -> Iterator[Document]:
    """Passes documents on; stops at a bad row or counts it.

    Raises:
        SourceError: A row is bad and `on_error` is "fail".
    """
    report = ReadReport() if report is None else report
    for item in items:
        if isinstance(item, Placed):
            report.documents += 1
            report.place = (item.path, item.line)
            yield item.document
        elif on_error == "fail":
            raise SourceError(item.message)
        else:
            report.skip(item)


def shown_path(path: Path) -> str:
    """A path as messages give it: one printable line."""
    if path == STANDARD_INPUT:
        return "<stdin>"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(path))


def shown_value(value: object) -> str:
    """A value as messages give it: one line, cut where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    shown = repr(value[:_VALUE_SHOWN] if isinstance(value, (str, bytes)) else value)
    return shown if len(shown) <= _VALUE_SHOWN else shown[:_VALUE_SHOWN] + "..."


def shown_names(names: Iterable[str]) -> str:
    """Field names as messages give them: quoted, the first ten."""
    every = list(names)
    shown = [shown_value(name) for name in every[:_NAMES_SHOWN]]
    if len(every) > _NAMES_SHOWN:
        shown.append(f"{len(every) - _NAMES_SHOWN} more")
    return ", ".join(shown) or "no fields"
