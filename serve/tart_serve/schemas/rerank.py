"""Bodies of the rerank routes: Cohere's shape, Jina's, and that of Text Embeddings Inference (TEI)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
)
from pydantic.config import JsonDict

from tart.models import DEFAULT_MODEL
from tart_serve.pair_scoring import ScoredQuery
from tart_serve.schemas.search import MAX_RERANKED
from tart_serve.schemas.strict import MAX_CHARACTERS, StrictBody

_QUERY = "how do I merge two dicts"
_TEXTS: list[Any] = ["def merge(a, b): return {**a, **b}", "How to merge two dicts: use the operator |."]
EXAMPLE: JsonDict = {
    "model": DEFAULT_MODEL,
    "query": _QUERY,
    "instruction": "Find the Python function that implements this",
    "documents": _TEXTS,
    "top_n": 1,
}
JINA_EXAMPLE: JsonDict = {**EXAMPLE, "documents": [_TEXTS[0], {"text": _TEXTS[1], "page": 7}], "return_documents": True}
TEI_EXAMPLE: JsonDict = {
    "query": _QUERY,
    "instruction": "Find the Python function that implements this",
    "texts": _TEXTS,
    "return_text": True,
}


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("found a blank text; give every document a text")
    return text


Query: TypeAlias = Annotated[
    str, StringConstraints(max_length=MAX_CHARACTERS), Field(description="What the documents should answer.")
]
Instruction: TypeAlias = Annotated[
    Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)] | None,
    Field(description="What the query is to find, in plain words; the order depends on it. Extension."),
]
TopN: TypeAlias = Annotated[
    Annotated[int, Field(ge=1)] | None, Field(description="Only so many of the best are in the reply; all by default.")
]
TokensPerDocument: TypeAlias = Annotated[
    Annotated[int, Field(ge=1)] | None,
    Field(description="Of a longer document only so many tokens are read, and never more than the model takes."),
]
DocumentText: TypeAlias = Annotated[str, StringConstraints(max_length=MAX_CHARACTERS), AfterValidator(_not_blank)]


class TextDocument(BaseModel):
    """A document with fields of its own, which come back as they are."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, frozen=True)

    text: DocumentText = Field(description="What is scored.")


def _kind(value: object) -> str | None:
    return "text" if isinstance(value, str) else "object" if isinstance(value, (dict, TextDocument)) else None


TextOrDocument: TypeAlias = Annotated[
    Annotated[DocumentText, Tag("text")] | Annotated[TextDocument, Tag("object")],
    Discriminator(
        _kind,
        custom_error_type="document_type",
        custom_error_message="Input should be a string or an object with a text",
    ),
]


class CohereRerankBody(StrictBody):
    """Texts to put in order, as Cohere's clients send them."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    model: str = Field(
        description="The served reranker, or a served embedding model: that one scores by cosine.",
        examples=[DEFAULT_MODEL],
    )
    query: Query
    documents: list[DocumentText] = Field(min_length=1, max_length=MAX_RERANKED, description="The texts.")
    instruction: Instruction = None
    top_n: TopN = None
    max_tokens_per_doc: TokensPerDocument = None
    priority: int = Field(
        default=0, ge=0, le=999, description="Accepted because Cohere's clients may send it; all requests wait alike."
    )

    def scored_query(self) -> ScoredQuery:
        """What the documents are scored for."""
        return ScoredQuery(self.query, self.instruction, self.max_tokens_per_doc)


class RerankResult(BaseModel):
    """One text."""

    index: int = Field(description="Its place in `documents`, from 0.", examples=[0])
    relevance_score: float = Field(
        description="The reranker's, 0 to 1; or the embedding model's, a cosine from -1 to 1.", examples=[0.83]
    )


class CohereVersion(BaseModel):
    """Of the shape."""

    version: str = Field(examples=["2"])


class CohereTokens(BaseModel):
    """What was read."""

    input_tokens: int = Field(description="Of the query with each document.", examples=[61])


class CohereMeta(BaseModel):
    """About the reply."""

    api_version: CohereVersion
    tokens: CohereTokens


class CohereRerankReply(BaseModel):
    """Texts by score, best first."""

    id: str = Field(description="As in the header `X-Request-ID`.")
    results: list[RerankResult]
    meta: CohereMeta


class JinaRerankBody(StrictBody):
    """Documents to put in order, as Jina's clients and Cohere's of version 1 send them."""

    model_config = ConfigDict(json_schema_extra={"examples": [JINA_EXAMPLE]})

    model: str | None = Field(
        default=None,
        description="The served reranker, or a served embedding model: that one scores by cosine. Left out: the "
        "reranker; where there is none, the only embedding model.",
        examples=[DEFAULT_MODEL],
    )
    query: Query
    documents: list[TextOrDocument] = Field(
        min_length=1, max_length=MAX_RERANKED, description="Texts, or objects with a `text`."
    )
    instruction: Instruction = None
    top_n: TopN = None
    max_tokens_per_doc: TokensPerDocument = None
    return_documents: bool = Field(default=True, description="Whether the reply holds the documents.")

    def scored_query(self) -> ScoredQuery:
        """What the documents are scored for."""
        return ScoredQuery(self.query, self.instruction, self.max_tokens_per_doc)

    def texts(self) -> list[str]:
        """What is scored of each document."""
        return [document if isinstance(document, str) else document.text for document in self.documents]


class JinaRerankResult(RerankResult):
    """One document."""

    document: dict[str, Any] = Field(
        default={}, description="Where `return_documents` asks for it.", examples=[{"text": _TEXTS[0]}]
    )


class JinaUsage(BaseModel):
    """What was read."""

    prompt_tokens: int = Field(description="Of the query with each document.", examples=[61])
    total_tokens: int = Field(examples=[61])


class JinaRerankReply(BaseModel):
    """Documents by score, best first."""

    id: str = Field(description="As in the header `X-Request-ID`.")
    object: Literal["list"]
    model: str = Field(description="That scored.", examples=[DEFAULT_MODEL])
    usage: JinaUsage
    results: list[JinaRerankResult]


class TeiRerankBody(StrictBody):
    """Texts to put in order, as clients of Text Embeddings Inference send them."""

    model_config = ConfigDict(json_schema_extra={"examples": [TEI_EXAMPLE]})

    query: Query
    texts: list[DocumentText] = Field(min_length=1, max_length=MAX_RERANKED, description="The texts.")
    instruction: Instruction = None
    return_text: bool = Field(default=False, description="Whether the reply holds the texts.")
    raw_scores: bool = Field(default=False, description="Only `false`: scores are 0 to 1, or cosines.")
    truncate: bool = Field(default=True, description="Only `true`: a text that is too long is always cut at its end.")

    @field_validator("raw_scores")
    @classmethod
    def _not_raw(cls, raw_scores: bool) -> bool:
        if raw_scores:
            raise ValueError("this service gives no raw scores; leave the field out, or send false")
        return raw_scores

    @field_validator("truncate")
    @classmethod
    def _always_cut(cls, truncate: bool) -> bool:
        if not truncate:
            raise ValueError("this service always cuts a text that is too long; leave the field out, or send true")
        return truncate

    def scored_query(self) -> ScoredQuery:
        """What the texts are scored for."""
        return ScoredQuery(self.query, self.instruction, None)


class TeiRank(BaseModel):
    """One text."""

    index: int = Field(description="Its place in `texts`, from 0.", examples=[0])
    score: float = Field(description="The reranker's, 0 to 1; or a cosine, -1 to 1.", examples=[0.83])
    text: str = Field(default="", description="Where `return_text` asks for it.", examples=[_TEXTS[0]])
