"""A stream of documents as calls of bounded size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from tart import Document
from tart_serve.client import index_replies
from tart_serve.client.call import Call
from tart_serve.client.paths import index_path

DocumentLike: TypeAlias = Document | Mapping[str, Any]

MAX_DOCUMENTS = 128
MAX_BYTES = 4 * 2**20


class DocumentBatches:
    """Gathers documents; holds one batch at a time, so that a stream of any length fits into memory.

    Args:
        index: That they go into.
        max_documents: In one call.
        max_bytes: About, in one call; a document that is longer goes by itself.
    """

    def __init__(self, index: str, max_documents: int = MAX_DOCUMENTS, max_bytes: int = MAX_BYTES) -> None:
        self._path = f"{index_path(index)}/documents"
        self._max_documents = max_documents
        self._max_bytes = max_bytes
        self._begin()

    def add(self, document: DocumentLike) -> Iterator[Call[index_replies.Changed]]:
        """Takes a document; gives the batch before it, where it does not fit into that.

        The same id again begins a new batch, so that the later document replaces the earlier.
        """
        body = _body(document)
        size = len(json.dumps(body, ensure_ascii=False))
        full = len(self._bodies) == self._max_documents or self._bytes + size > self._max_bytes
        if self._bodies and (full or body.get("id") in self._ids):
            yield from self.rest()
        self._bodies.append(body)
        self._ids.add(body.get("id"))
        self._bytes += size

    def rest(self) -> Iterator[Call[index_replies.Changed]]:
        """What was not given yet."""
        if self._bodies:
            documents = {"documents": self._bodies}
            self._begin()
            yield Call("POST", self._path, index_replies.changed, documents, changes_nothing=False)

    def calls(self, documents: Iterable[DocumentLike]) -> Iterator[Call[index_replies.Changed]]:
        """All of a stream."""
        for document in documents:
            yield from self.add(document)
        yield from self.rest()

    def _begin(self) -> None:
        self._bodies: list[dict[str, Any]] = []
        self._ids: set[Any] = set()
        self._bytes = 0


def _body(document: DocumentLike) -> dict[str, Any]:
    if isinstance(document, Document):
        fields: dict[str, Any] = {"title": document.title, "metadata": dict(document.metadata)}
        given = {name: value for name, value in fields.items() if value}
        return {"id": document.id, "text": document.text, **given}
    return dict(document)
