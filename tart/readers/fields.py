"""Rows to documents, as a field map says."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TypeGuard

from tart.documents import Document, MetadataValue
from tart.errors import SourceError
from tart.readers.options import EVERY_FIELD, FieldMap
from tart.readers.rows import BadRow, Placed, Row, RowError, shown_names, shown_path, shown_value

# So many rows may lack a field that was asked for by name before it is taken for a misspelt one.
_ROWS_TO_FIND_A_FIELD = 1_000
_WANTED_METADATA = "wanted a string, number, boolean, null, or a list of these"


def documents_from_rows(rows: Iterable[Row | BadRow], fields: FieldMap) -> Iterator[Placed | BadRow]:
    """Makes each row a document, or a bad row that says why it is none.

    Raises:
        SourceError: A title or metadata field asked for by name is in none of the first 1,000 rows.
    """
    for row in _with_named_fields(rows, fields):
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield Placed(row.path, row.line, document_from_row(row.values, fields))
        except RowError as error:
            yield BadRow(row.path, row.line, error.reason, str(error))


def document_from_row(values: Mapping[str, object], fields: FieldMap) -> Document:
    """The document of one row.

    Raises:
        RowError: The row lacks a field or holds something that no document can.
    """
    id_field = _id_field(values, fields)
    title_field = fields.title or "title"
    document = Document(
        id=_id(values, id_field),
        text=_text(values, fields.text),
        title=_string(values, title_field) if title_field in values else "",
        metadata=_metadata(values, fields, used={id_field, title_field, *fields.text}),
    )
    _refuse_surrogates(document)
    return document


def refuse_missing_columns(path: Path, columns: Collection[str], fields: FieldMap) -> None:
    """Checks once that the header of a table has the columns that were asked for.

    Raises:
        SourceError: One is not there.
    """
    parts = [("id", _id_field(columns, fields)), *(("text", name) for name in fields.text)]
    parts += [("title" if name == fields.title else "metadata", name) for name in fields.optional]
    for part, name in parts:
        if name not in columns and not (part == "metadata" and "metadata" in columns):
            raise SourceError(
                f"{shown_path(path)}: no column {name!r} (found: {shown_names(columns)}); "
                f"add it or map another one with --fields {part}=NAME"
            )


def _with_named_fields(rows: Iterable[Row | BadRow], fields: FieldMap) -> Iterator[Row | BadRow]:
    """Passes rows on until every optional field asked for by name was seen; a name never seen is a slip of the pen."""
    unseen = set(fields.optional)
    source = iter(rows)
    looked_at, last = 0, None
    while unseen and looked_at < _ROWS_TO_FIND_A_FIELD:
        row = next(source, None)
        if row is None:
            break
        if isinstance(row, Row):
            looked_at, last = looked_at + 1, row
            unseen.difference_update(row.values, _metadata_object(row.values))
        yield row
    if unseen and last is not None:
        found = dict.fromkeys(chain(last.values, _metadata_object(last.values)))
        raise SourceError(
            f"{shown_path(last.path)}: no field {min(unseen)!r} in the first {looked_at:,} rows "
            f"(the last of them has: {shown_names(found)}); correct the name in --fields"
        )
    yield from source


def _id_field(names: Collection[str], fields: FieldMap) -> str:
    """The field of the id in a row or header with these names."""
    return fields.id or ("_id" if "_id" in names and "id" not in names else "id")


def _id(values: Mapping[str, object], name: str) -> str:
    value = _present(values, name, "id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RowError("wrong type", f"field {name!r} is {shown_value(value)}; wanted a string or an integer as the id")
    if not value.strip():
        raise RowError("empty id", f"field {name!r} is empty; every document needs an id of its own")
    return value


def _text(values: Mapping[str, object], names: tuple[str, ...]) -> str:
    """The text fields joined by newlines, those without text left out."""
    for name in names:
        _present(values, name, "text")
    text = "\n".join(part for part in (_string(values, name) for name in names) if part.strip())
    if not text:
        fields = " and ".join(repr(name) for name in names)
        raise RowError("blank text", f"no text in {fields}; give every document a text that is not blank")
    return text


def _present(values: Mapping[str, object], name: str, part: str) -> object:
    """The value of a field that every row must have."""
    if name not in values:
        raise RowError(
            "missing field",
            f"no field {name!r} (found: {shown_names(values)}); add {part}s or map one with --fields {part}=NAME",
        )
    return values[name]


def _string(values: Mapping[str, object], name: str) -> str:
    """The string of a field; a null is an empty one."""
    value = values[name]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowError("wrong type", f"field {name!r} is {shown_value(value)}; wanted a string")
    return value


def _metadata(values: Mapping[str, object], fields: FieldMap, used: set[str]) -> dict[str, MetadataValue]:
    """The metadata of a row: by default whatever fits, otherwise all that was asked for."""
    kept: dict[str, MetadataValue] = {}
    for name, value in _metadata_asked_for(values, fields.metadata, used).items():
        if _is_metadata(value):
            _refuse_infinite(name, value)
            kept[name] = value
        elif fields.metadata is not None:
            raise RowError("bad metadata", f"metadata field {name!r} is {shown_value(value)}; {_WANTED_METADATA}")
    return kept


def _metadata_asked_for(
    values: Mapping[str, object], names: tuple[str, ...] | None, used: set[str]
) -> Mapping[str, object]:
    """The fields that are to be metadata; an object in `metadata` counts as so many fields of the row itself."""
    inner = _metadata_object(values)
    if isinstance(values.get("metadata"), dict) or values.get("metadata") is None:
        used = used | {"metadata"}
    if names is None or names == EVERY_FIELD:
        return inner | {name: value for name, value in values.items() if name not in used}
    found = inner | dict(values)
    expanded = chain.from_iterable(inner if name == "metadata" in used else (name,) for name in names)
    return {name: found[name] for name in expanded if name in found}


def _metadata_object(values: Mapping[str, object]) -> dict[str, object]:
    """The object in the field `metadata`, where there is one."""
    value = values.get("metadata")
    return value if isinstance(value, dict) else {}


def _is_metadata(value: object) -> TypeGuard[MetadataValue]:
    """Whether JSON carries a value back unchanged and flat."""
    items = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, (str, int, float, bool)) for item in items)


def _refuse_infinite(name: str, value: MetadataValue) -> None:
    """Refuses numbers that are none in JSON."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, float) and not math.isfinite(item):
            raise RowError("bad metadata", f"metadata field {name!r} is {item}; wanted a finite number")


def _refuse_surrogates(document: Document) -> None:
    """Refuses text that UTF-8 cannot hold: JSON escapes can write half of a surrogate pair."""
    values = chain.from_iterable(value if isinstance(value, list) else (value,) for value in document.metadata.values())
    for text in chain((document.id, document.title, document.text), document.metadata, values):
        if not isinstance(text, str) or text.isascii():
            continue
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            half = shown_value(text[error.start])
            raise RowError(
                "bad encoding", f"the row holds {half}, half of a surrogate pair; wanted text that UTF-8 can hold"
            ) from error
