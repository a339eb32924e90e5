"""Bodies of the `/v1/vector_stores` routes, OpenAI's shape with one field more."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, field_validator
from pydantic.config import JsonDict

from tart.models import DEFAULT_MODEL
from tart_index import SearchRequest
from tart_serve.schemas.filters import COMPARISON_EXAMPLE, FilterField
from tart_serve.schemas.strict import MAX_CHARACTERS, StrictBody

# As many as may be reranked together.
MAX_STORE_QUERIES = 16
MAX_STORE_RESULTS = 50
EXAMPLE: JsonDict = {
    "query": "how do I merge two dicts",
    "instruction": "Find the Python function that implements this",
    "max_num_results": 3,
}

Text: TypeAlias = Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)]


def _one_or_several(value: object) -> str | None:
    return "one" if isinstance(value, str) else "several" if isinstance(value, list) else None


StoreQuery: TypeAlias = Annotated[
    Annotated[Text, Tag("one")]
    | Annotated[list[Text], Field(min_length=1, max_length=MAX_STORE_QUERIES), Tag("several")],
    Discriminator(
        _one_or_several,
        custom_error_type="query_type",
        custom_error_message="Input should be a string or a list of strings",
    ),
]


class RankingOptions(StrictBody):
    """How hits are ranked."""

    ranker: Text = Field(
        default="none",
        description="`none` ranks by cosine. OpenAI's `auto` and `default-2024-11-15` rerank the best 50 where the "
        "service has a reranker, else they rank by cosine. The reranker's own name demands it.",
        examples=["auto"],
    )
    score_threshold: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="Hits that score less are left out: by cosine, -1 to 1, or by the reranker's score, 0 to 1.",
    )


class StoreSearchBody(StrictBody):
    """One query, or several whose hits are put together."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    query: StoreQuery = Field(
        description=f"What to look for. Of a list of up to {MAX_STORE_QUERIES} queries, a document's best score counts."
    )
    instruction: Text | None = Field(
        default=None,
        description="What to find, in plain words. `null` means the index's default, an empty string none. Extension.",
    )
    max_num_results: int = Field(default=10, ge=1, le=MAX_STORE_RESULTS, description="Hits wanted.")
    filters: FilterField = Field(
        default=None,
        description="Only documents whose metadata fits are found; the same grammar as `filter` of `/v1/search`.",
        examples=[COMPARISON_EXAMPLE],
    )
    ranking_options: RankingOptions | None = Field(default=None, description="How hits are ranked.")
    rewrite_query: bool = Field(
        default=False, description="Only `false`: queries are searched as they are; say more with `instruction`."
    )

    @field_validator("rewrite_query")
    @classmethod
    def _not_rewritten(cls, rewrite_query: bool) -> bool:
        if rewrite_query:
            raise ValueError("this service does not rewrite queries; leave the field out, or send false")
        return rewrite_query

    @property
    def queries(self) -> list[str]:
        """The queries, one or several."""
        return [self.query] if isinstance(self.query, str) else self.query

    @property
    def ranking(self) -> RankingOptions:
        """The ranking options, those of a body without them too."""
        return self.ranking_options or RankingOptions()

    def requests(self) -> list[SearchRequest]:
        """One request a query."""
        return [
            SearchRequest(
                query,
                instruction=self.instruction,
                top_k=self.max_num_results,
                score_threshold=self.ranking.score_threshold,
                filter=self.filters,
            )
            for query in self.queries
        ]


class StoreContent(BaseModel):
    """A piece of a document."""

    type: Literal["text"]
    text: str = Field(examples=["def reduce(function, ..."])


class StoreHit(BaseModel):
    """A document that was found."""

    file_id: str = Field(description="The document's id.", examples=["functools.reduce"])
    filename: str = Field(description="Its title; its id where it has none.", examples=["functools.reduce"])
    score: float = Field(description="Cosine, -1 to 1; or the reranker's, 0 to 1.", examples=[0.83])
    attributes: dict[str, str | int | float | bool] = Field(
        description="Its metadata: a list stands as JSON text, a null not at all, as OpenAI's shape has neither.",
        examples=[{"kind": "code"}],
    )
    content: list[StoreContent] = Field(description="One piece: the whole text.")


class StoreSearchPage(BaseModel):
    """The hits."""

    object: Literal["vector_store.search_results.page"]
    search_query: list[str] = Field(description="What was searched for.", examples=[["how do I merge two dicts"]])
    data: list[StoreHit] = Field(description="Best first.")
    has_more: Literal[False] = Field(description="There is one page; `/v1/search` has an `offset`.")
    next_page: str | None = Field(description="Always null.", examples=[None])


class FileCounts(BaseModel):
    """Documents by state; all are there."""

    in_progress: int
    completed: int = Field(examples=[4_096])
    failed: int
    cancelled: int
    total: int = Field(examples=[4_096])


class VectorStore(BaseModel):
    """An index."""

    id: str = Field(description="The name of the index.", examples=["demo"])
    object: Literal["vector_store"]
    created_at: int = Field(description="Unix time when this version was published.", examples=[1_790_000_000])
    name: str = Field(examples=["demo"])
    usage_bytes: int = Field(description="Size of its files.", examples=[9_437_184])
    file_counts: FileCounts
    status: Literal["completed"]
    metadata: dict[str, str] = Field(
        description="Version, fingerprint and model of the index.", examples=[{"version": "1", "model": DEFAULT_MODEL}]
    )


class VectorStoresReply(BaseModel):
    """All indexes, in one page."""

    object: Literal["list"]
    data: list[VectorStore]
    first_id: str = Field(examples=["demo"])
    last_id: str = Field(examples=["demo"])
    has_more: Literal[False]
