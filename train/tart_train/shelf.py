"""All documents that rows may name, by id, with the set that each is from."""

from __future__ import annotations

from collections.abc import Iterable

from tart.documents import Document
from tart_train.examples import DataError, Example
from tart_train.mixture import MixtureWriter
from tart_train.sampled import SampledSet


class Shelf:
    """Holds documents by reference; what no row names is never written."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[Document, str]] = {}

    @classmethod
    def of(cls, sets: Iterable[SampledSet]) -> Shelf:
        """The documents of some sets."""
        shelf = cls()
        for each in sets:
            shelf.put(each.documents, each.name)
        return shelf

    def put(self, documents: Iterable[Document], dataset: str) -> None:
        """Adds documents; one that is there already stays as it is."""
        for document in documents:
            self._places.setdefault(document.id, (document, dataset))

    def __getitem__(self, document_id: str) -> Document:
        """One document.

        Raises:
            DataError: There is none of this id.
        """
        if document_id not in self._places:
            raise DataError(f"no document {document_id!r} is on the shelf")
        return self._places[document_id][0]

    def write(self, example: Example, writer: MixtureWriter) -> None:
        """Writes an example and those of its documents that are not there yet."""
        for document_id in (*example.positives, *(negative.id for negative in example.negatives)):
            if not writer.has_document(document_id):
                writer.add_document(self[document_id], self._places[document_id][1])
        writer.add(example)
