"""Paths of indexes and documents, whatever their names hold."""

from __future__ import annotations

from urllib.parse import quote


def index_path(index: str) -> str:
    """Of an index."""
    return f"/v1/indexes/{_segment(index)}"


def document_path(index: str, document: str) -> str:
    """Of a document in an index."""
    return f"{index_path(index)}/documents/{_segment(document)}"


def _segment(name: str) -> str:
    """A name as one segment of a path.

    Raises:
        ValueError: It is empty, or one that every program on the way would take for a step up or none.
    """
    if name in {"", ".", ".."}:
        raise ValueError(f"found the name {name!r}; wanted the name of an index, or the id of a document")
    return quote(name, safe="")
