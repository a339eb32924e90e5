"""The document: what is indexed, found and shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tart.errors import SourceError

MetadataScalar: TypeAlias = str | int | float | bool | None
MetadataValue: TypeAlias = MetadataScalar | list[MetadataScalar]


@dataclass(frozen=True, slots=True)
class Document:
    """One unit of retrieval.

    Attributes:
        id: Unique within a corpus, not empty.
        text: The body, not blank.
        title: May be empty.
        metadata: JSON scalars, or lists of them, by name.

    Raises:
        SourceError: The id is empty or no text, the text is blank, or a metadata value is no JSON scalar.
    """

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.id, str):
            raise SourceError(f"a document has the id {self.id!r}, a {type(self.id).__name__}; wanted a string")
        if not self.id:
            raise SourceError("a document has an empty id; every document needs one of its own")
        if not self.text.strip():
            raise SourceError(f"document {self.id!r} has no text; give every document a text that is not blank")
        for key, value in self.metadata.items():
            _check_metadata(self.id, key, value)


def _check_metadata(document_id: str, key: str, value: object) -> None:
    """Refuses what JSON cannot carry back unchanged."""
    values: Sequence[object] = value if isinstance(value, list) else [value]
    for item in values:
        if not (item is None or isinstance(item, (str, int, float, bool))):
            raise SourceError(
                f"document {document_id!r}: metadata {key!r} holds a {type(item).__name__}; "
                "wanted a string, number, boolean, null, or a list of these"
            )
        if isinstance(item, float) and not math.isfinite(item):
            raise SourceError(f"document {document_id!r}: metadata {key!r} is {item}; wanted a finite number")
