"""Bodies of `POST /v1/search`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
)
from pydantic.config import JsonDict

from tart.models import DEFAULT_MODEL
from tart_index import SearchRequest
from tart_index.reranking import DEFAULT_DEPTH
from tart_index.searcher import MAX_TOP_K
from tart_serve.schemas.filters import FILTER_EXAMPLE, FilterField
from tart_serve.schemas.strict import MAX_CHARACTERS, StrictBody

MAX_QUERIES = 64
# Query-document pairs that one request may have scored: some ten seconds of a small CPU.
MAX_RERANKED = 1_000
EXAMPLE: JsonDict = {
    "query": "how do I merge two dicts",
    "instruction": "Find the Python function that implements this",
    "top_k": 3,
}

Included: TypeAlias = Literal["title", "text", "metadata"]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)]


def _one_or_several(value: object) -> str | None:
    return "one" if isinstance(value, str) else "several" if isinstance(value, list) else None


QueryOrQueries: TypeAlias = Annotated[
    Annotated[Text, Tag("one")] | Annotated[list[Text], Field(min_length=1, max_length=MAX_QUERIES), Tag("several")],
    Discriminator(
        _one_or_several,
        custom_error_type="query_type",
        custom_error_message="Input should be a string or a list of strings",
    ),
]


class RerankBody(StrictBody):
    """Which hits a cross-encoder scores again."""

    model: Text | None = Field(default=None, description="The reranker that is served; needless, there is one.")
    top_n: int = Field(
        default=DEFAULT_DEPTH,
        ge=1,
        le=MAX_RERANKED,
        description="How many of the best hits are scored again; `top_k` and `offset` must lie within, and queries "
        f"of a list times `top_n` within {MAX_RERANKED}.",
    )


class SearchBody(StrictBody):
    """One query, or several that share all other fields."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    query: QueryOrQueries = Field(
        description=f"What to look for. A list of up to {MAX_QUERIES} queries is answered in one go, "
        "each on its own: a bad one does not fail the others."
    )
    instruction: Text | None = Field(
        default=None,
        description="What to find, in plain words. `null` means the index's default, an empty string none.",
    )
    prompt_name: Text | None = Field(
        default=None, description="A named instruction of the index, instead of `instruction`."
    )
    index: Text | None = Field(default=None, description="Which index; needed only where several are served.")
    top_k: int = Field(
        default=10, ge=1, le=MAX_TOP_K, description=f"Hits wanted; with `offset` at most {MAX_TOP_K} together."
    )
    offset: int = Field(default=0, ge=0, le=MAX_TOP_K - 1, description="Hits passed over before the first.")
    filter: FilterField = Field(
        default=None,
        description="Only documents whose metadata fits are found, and always `top_k` of them where there are so many. "
        "One filter for all queries of a list.",
        examples=[FILTER_EXAMPLE],
    )
    score_threshold: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="Hits that score less are left out: by cosine, -1 to 1, or by the reranker's score, 0 to 1.",
    )
    rerank: RerankBody | None = Field(
        default=None,
        description="Let a cross-encoder read the best hits together with query and instruction, and order them anew: "
        "slower and better. Only where the service was started with a reranker.",
        examples=[{"top_n": 50}],
    )
    exact: bool = Field(
        default=False, description="Score every document, also where the index has an approximate structure."
    )
    include: list[Included] = Field(
        default=["title", "text", "metadata"],
        max_length=3,
        description="What a hit carries besides rank, id and score.",
    )
    truncate: bool = Field(
        default=False,
        description="Cut the end of a query that is too long instead of refusing it. The instruction is never cut.",
    )

    @field_validator("prompt_name")
    @classmethod
    def _not_with_instruction(cls, prompt_name: str | None, info: ValidationInfo) -> str | None:
        if prompt_name is not None and info.data.get("instruction") is not None:
            raise ValueError("give an instruction or a prompt_name, not both")
        return prompt_name

    @field_validator("offset")
    @classmethod
    def _within_reach(cls, offset: int, info: ValidationInfo) -> int:
        if offset + info.data.get("top_k", 0) > MAX_TOP_K:
            raise ValueError(f"top_k and offset together should be at most {MAX_TOP_K}")
        return offset

    @field_validator("rerank")
    @classmethod
    def _few_enough(cls, rerank: RerankBody | None, info: ValidationInfo) -> RerankBody | None:
        """The model's time is everybody's; and pages must lie within what is reranked."""
        if rerank is None:
            return None
        query, reach = info.data.get("query", ""), info.data.get("top_k", 0) + info.data.get("offset", 0)
        pairs = rerank.top_n * (len(query) if isinstance(query, list) else 1)
        if pairs > MAX_RERANKED:
            raise ValueError(f"queries times top_n should be at most {MAX_RERANKED}; they are {pairs}")
        if reach > rerank.top_n:
            raise ValueError(f"top_n should be at least top_k and offset together, {reach}")
        return rerank

    def requests(self) -> list[SearchRequest]:
        """One request a query."""
        return [
            SearchRequest(
                query,
                instruction=self.instruction,
                prompt_name=self.prompt_name,
                top_k=self.top_k,
                offset=self.offset,
                score_threshold=self.score_threshold,
                truncate=self.truncate,
                filter=self.filter,
                exact=self.exact,
            )
            for query in ([self.query] if isinstance(self.query, str) else self.query)
        ]


class IndexVersion(BaseModel):
    """Which version of which index answered."""

    name: str = Field(examples=["demo"])
    version: str = Field(description="Counts publications into the index folder.", examples=["1"])
    fingerprint: str = Field(description="Equal for equal content, wherever built.", examples=["sha256:9f86d081..."])


class SearchHit(BaseModel):
    """A document that was found."""

    rank: int = Field(description="From 1, passed-over hits counted.", examples=[1])
    id: str = Field(examples=["functools.reduce"])
    score: float = Field(
        description="Cosine of query and document, -1 to 1; or the reranker's, 0 to 1.", examples=[0.83]
    )
    retrieval_score: float = Field(
        default=0.0, description="The cosine, where `score` is a reranker's.", examples=[0.6]
    )
    title: str = Field(default="", description="Where `include` names it.", examples=["functools.reduce"])
    text: str = Field(default="", description="Where `include` names it.", examples=["def reduce(function, ..."])
    metadata: dict[str, Any] = Field(default={}, description="Where `include` names it.", examples=[{"kind": "code"}])


class Usage(BaseModel):
    """What was read."""

    prompt_tokens: int = Field(description="Tokens of instruction and query, special ones counted.", examples=[21])


class TimingMs(BaseModel):
    """Milliseconds by stage; queries of one batch share them."""

    queue: float = Field(description="Waiting for the model.", examples=[0.4])
    encode: float = Field(description="Tokenising and embedding the query.", examples=[3.1])
    search: float = Field(description="Finding the nearest vectors.", examples=[0.9])
    fetch: float = Field(description="Reading the documents.", examples=[0.2])
    filter: float = Field(default=0.0, description="Finding the documents that fit the filter.", examples=[0.1])
    rerank: float = Field(
        default=0.0, description="Scoring the hits again, where that was asked for.", examples=[210.0]
    )


class SearchReply(BaseModel):
    """The hits of one query."""

    object: Literal["search.results"]
    request_id: str = Field(description="As in the header `X-Request-ID`.")
    index: IndexVersion
    model: str = Field(examples=[DEFAULT_MODEL])
    instruction_applied: str = Field(
        description="What the model read before the query; empty for none.",
        examples=["Find the Python function that implements this"],
    )
    data: list[SearchHit] = Field(description="Best first.")
    has_more: bool = Field(description="Whether more hits would follow.")
    usage: Usage
    timing_ms: TimingMs


class QueryFault(BaseModel):
    """Why one query of a batch has no hits."""

    object: Literal["error"]
    status: int = Field(examples=[422])
    title: str = Field(examples=["Unprocessable Content"])
    detail: str = Field(examples=["the query is empty; say what to look for"])


class SearchBatchReply(BaseModel):
    """The results of several queries, in their order."""

    object: Literal["search.batch"]
    request_id: str
    results: list[SearchReply | QueryFault]
