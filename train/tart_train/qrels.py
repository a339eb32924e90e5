"""Relevance judgments: tab-separated `query-id corpus-id score`, header optional."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tart.readers.lines import bad_bytes, text_lines
from tart.readers.rows import shown_value
from tart_train.faults import Faults

_GRADE = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_GRADE_HEADERS = frozenset({"score", "grade", "relevance", "rel", "label"})


class Judgment(NamedTuple):
    """One row and the line on which it stands.

    Attributes:
        grade: 1 and above is relevant; 0 and below was judged and found not to be.
    """

    line: int
    query_id: str
    document_id: str
    grade: int


def judgments(file: Path, faults: Faults) -> Iterator[Judgment]:
    """Streams the rows that can be used; the others are noted. Plain, gzip or zstd by the suffix.

    Raises:
        SourceError: The file cannot be read.
    """
    for number, line in enumerate(text_lines(file, "utf-8"), start=1):
        columns = line.rstrip("\r\n").split("\t")
        bad = bad_bytes(file, number, line, "utf-8")
        if bad is not None:
            faults.add(file, number, "bad encoding", bad.problem)
        elif line.isspace() or (number == 1 and columns[-1].strip().lower() in _GRADE_HEADERS):
            continue
        elif len(columns) != 3:
            problem = f"{len(columns)} columns; wanted query id, document id and grade between tabs"
            faults.add(file, number, "wrong column count", problem)
        elif not (columns[0].strip() and columns[1].strip()):
            faults.add(file, number, "empty id", "an id is empty; wanted a query id and a document id")
        elif not _GRADE.fullmatch(columns[2].strip()):
            problem = f"the grade is {shown_value(columns[2])}; wanted a whole number"
            faults.add(file, number, "bad grade", problem)
        else:
            yield Judgment(number, columns[0], columns[1], int(columns[2]))


def grades(file: Path, faults: Faults) -> dict[str, dict[str, int]]:
    """All judgments of a file: query id -> document id -> grade; a pair that stands twice is a fault.

    Raises:
        SourceError: The file cannot be read.
    """
    found: dict[str, dict[str, int]] = {}
    shared: dict[str, str] = {}  # A document that many queries name is held once.
    for row in judgments(file, faults):
        of_query = found.setdefault(row.query_id, {})
        if row.document_id in of_query:
            problem = (
                f"query {row.query_id!r} and document {row.document_id!r} stand twice "
                f"(grades {of_query[row.document_id]} and {row.grade}); keep one row"
            )
            faults.add(file, row.line, "duplicate pair", problem)
            continue
        of_query[shared.setdefault(row.document_id, row.document_id)] = row.grade
    return found
