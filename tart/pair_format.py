"""What a reranker reads: the query's side and the document's side of one pair, and how long the two may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tart.documents import Document
from tart.errors import ModelError
from tart.formats import BGE, TART, InputFormat
from tart.instructions import Instruction


@dataclass(frozen=True, slots=True)
class PairFormat:
    """Templates and limits of a cross-encoder's input; saved with the model, so that training and use read the same.

    The query's side is never cut: only the document's end is.

    Attributes:
        texts: How instruction and query, and title and text, become the two sides of a pair.
        max_length: Tokens of a pair, special tokens counted.
        min_document_tokens: A query's side that leaves the document less than this is refused.

    Raises:
        ModelError: A limit is out of range.
    """

    texts: InputFormat = TART
    max_length: int = 256
    min_document_tokens: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.min_document_tokens < self.max_length:
            raise ModelError(
                f"pair format: max_length is {self.max_length} and min_document_tokens {self.min_document_tokens}; "
                "wanted the second to be at least 1 and less than the first"
            )

    def render_query(self, query: str, instruction: Instruction) -> str:
        """The first side of a pair."""
        return self.texts.render_query(query, instruction)

    def render_document(self, document: Document) -> str:
        """The second side of a pair."""
        return self.texts.render_document(document)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        return {
            "templates": self.texts.to_json(),
            "max_length": self.max_length,
            "min_document_tokens": self.min_document_tokens,
        }

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> PairFormat:
        """Reads what `to_json` wrote.

        Raises:
            ModelError: A setting is missing or of the wrong type.
        """
        templates = settings.get("templates")
        if not isinstance(templates, dict):
            raise ModelError(f"pair format: templates is {templates!r}; wanted an input format as a JSON object")
        limits = {name: settings.get(name) for name in ("max_length", "min_document_tokens")}
        for name, limit in limits.items():
            if not isinstance(limit, int) or isinstance(limit, bool):
                raise ModelError(f"pair format: {name} is {limit!r}; wanted a whole number")
        return cls(InputFormat.from_json(templates), **limits)  # type: ignore[arg-type]


def foreign_pair_format(max_length: int) -> PairFormat:
    """For a cross-encoder that knows of no instructions: the instruction stands before the query, as plain words."""
    return PairFormat(BGE, max_length, min(32, max_length // 4))
