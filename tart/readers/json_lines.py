"""JSON lines: one object on every line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from tart.errors import SourceError
from tart.readers.lines import bad_bytes, starts_with, text_lines
from tart.readers.rows import BadRow, Row, RowError, shown_path, shown_value


def json_line_rows(path: Path, encoding: str) -> Iterator[Row | BadRow]:
    """Streams the rows of a file of JSON lines; lines of white space are passed over.

    Raises:
        SourceError: The file cannot be read, or is one large JSON array.
    """
    if ".json" in (suffix.lower() for suffix in path.suffixes) and starts_with(path, b"["):
        raise SourceError(
            f"{shown_path(path)}: is one JSON array, which cannot be streamed; "
            "make it JSON lines, one object on every line (jq -c '.[]' FILE > FILE.jsonl)"
        )
    for number, line in enumerate(text_lines(path, encoding), start=1):
        if line.isspace():
            continue
        bad = bad_bytes(path, number, line, encoding)
        if bad is not None:
            yield bad
            continue
        try:
            yield Row(path, number, _json_object(line))
        except RowError as error:
            yield BadRow(path, number, error.reason, str(error))


def _json_object(line: str) -> dict[str, object]:
    """The object on one line.

    Raises:
        RowError: There is none.
    """
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        problem = f"not JSON ({error.msg} at column {error.colno}); wanted one JSON object on the line"
        raise RowError("not JSON", problem) from error
    except (ValueError, RecursionError) as error:
        raise RowError("not JSON", f"not JSON that can be read ({error}); wanted one flat JSON object") from error
    if not isinstance(value, dict):
        raise RowError("not an object", f"found {shown_value(value)}; wanted one JSON object on the line")
    return value


def _refuse_constant(name: str) -> NoReturn:
    """Refuses NaN and Infinity, which Python's json takes and JSON does not have."""
    raise RowError("not JSON", f"{name} is no JSON value; write null or a finite number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
