"""What the tools take and give; their descriptions are what an agent goes by."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

from tart_index import SearchRequest
from tart_serve.schemas.filters import FilterField
from tart_serve.schemas.search import Text
from tart_serve.schemas.strict import StrictBody

MOST_HITS = 50
# An agent's memory is small; `get_document` gives the rest.
SHOWN_CHARACTERS = 2_000

_INDEX = "Which index to use, by its name in list_indexes. Needed only where there are several."
# Flat on purpose: the tool schemas of several model providers know no recursion.
_FILTER_SCHEMA = {
    "type": "object",
    "description": "Only documents whose metadata fits are found. A comparison is "
    '{"type": "eq", "key": "kind", "value": "code"}, with one of the types eq, ne, gt, gte, lt, lte, in, nin (the last '
    'two take a list). {"type": "and", "filters": [...]} and "or" join filters, {"type": "not", "filter": {...}} turns '
    "one round. list_indexes tells the keys and their types.",
}


class SearchArguments(StrictBody):
    """Of the tool `search`."""

    query: Text = Field(description="What to look for: a question, keywords, a piece of text or code.")
    instruction: Text | None = Field(
        default=None,
        description="What kind of document should answer the query, as one short sentence in plain words: say what the "
        "document is and how it relates to the query. The same query finds other documents under another instruction. "
        'Examples: "Find the Python function that implements this", "Find the documentation page that explains this", '
        '"Find a past incident report with the same cause", "Retrieve a scientific abstract that supports this claim". '
        "Do not repeat the query in it. Left out: the index's default; an empty string: none.",
    )
    index: Text | None = Field(default=None, description=_INDEX)
    top_k: int = Field(default=10, ge=1, le=MOST_HITS, description="Hits wanted, best first.")
    offset: int = Field(default=0, ge=0, le=900, description="Hits passed over, to see more of the same search.")
    filter: Annotated[FilterField, WithJsonSchema(_FILTER_SCHEMA)] = None

    def request(self) -> SearchRequest:
        """The search."""
        return SearchRequest(
            self.query, instruction=self.instruction, top_k=self.top_k, offset=self.offset, filter=self.filter
        )


class FoundDocument(BaseModel):
    """A hit."""

    rank: int = Field(description="From 1.")
    id: str = Field(description="For get_document.")
    score: float = Field(description="Cosine, -1 to 1; compare it only within one search.")
    title: str
    text: str = Field(description=f"At most {SHOWN_CHARACTERS:,} characters.")
    text_is_cut: bool = Field(description="Whether there is more of the text: get_document gives all.")
    metadata: dict[str, Any]


class SearchOutput(BaseModel):
    """Of the tool `search`."""

    index: str = Field(description="That was searched.")
    version: str = Field(description="Of the index; it counts publications.")
    instruction_applied: str = Field(description="What the model read before the query; empty for none.")
    hits: list[FoundDocument]
    has_more: bool = Field(description="Whether more hits would follow: ask with an offset.")


class NoArguments(StrictBody):
    """Of a tool that takes none."""


class ListedIndex(BaseModel):
    """An index."""

    name: str
    documents: int
    default_instruction: str = Field(description="Applied where a search gives none; empty for none.")
    named_instructions: dict[str, str] = Field(description="Instructions that its maker found good; use their texts.")
    metadata_keys: dict[str, list[str]] = Field(description="For filters: the types of value that each key has.")


class ListOutput(BaseModel):
    """Of the tool `list_indexes`."""

    indexes: list[ListedIndex]


class GetArguments(StrictBody):
    """Of the tool `get_document`."""

    id: Text = Field(description="Of a hit.")
    index: Text | None = Field(default=None, description=_INDEX)


class DocumentOutput(BaseModel):
    """Of the tool `get_document`."""

    index: str
    version: str
    id: str
    title: str
    text: str
    metadata: dict[str, Any]
