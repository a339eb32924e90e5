"""`/v1/vector_stores`: indexes as OpenAI's clients search them."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Body, Path

from tart.errors import QueryError
from tart_index.searcher import SearchResult
from tart_serve.json_route import JsonRoute
from tart_serve.refusal import FieldFault, Refusal
from tart_serve.routes.errors import openai_errors
from tart_serve.schemas.filters import COMPARISON_EXAMPLE
from tart_serve.schemas.search import RerankBody
from tart_serve.schemas.vector_stores import (
    EXAMPLE,
    RankingOptions,
    StoreSearchBody,
    StoreSearchPage,
    VectorStore,
    VectorStoresReply,
)
from tart_serve.served_reranker import ServedReranker
from tart_serve.service import ServiceOf
from tart_serve.store_reply import search_page, vector_store

router = APIRouter(route_class=JsonRoute, tags=["OpenAI-compatible"])

StoreId: TypeAlias = Annotated[str, Path(description="The name of an index.", examples=["demo"])]

_AUTOMATIC = ("auto", "default-2024-11-15")
_EXAMPLES: Any = {
    "instruction": {"summary": "A query under an instruction", "value": EXAMPLE},
    "filters": {
        "summary": "Only among documents whose metadata fits",
        "value": {**EXAMPLE, "filters": COMPARISON_EXAMPLE},
    },
    "several": {
        "summary": "Several wordings, their hits put together",
        "value": {"query": ["merge two dicts", "combine mappings"], "ranking_options": {"score_threshold": 0.2}},
    },
}


@router.get("/v1/vector_stores", summary="List the indexes (OpenAI's shape)", response_model=VectorStoresReply)
async def vector_stores(service: ServiceOf) -> VectorStoresReply:
    """Lists every index as a vector store, in one page."""
    data = [vector_store(index) for index in service.indexes]
    return VectorStoresReply(object="list", data=data, first_id=data[0].id, last_id=data[-1].id, has_more=False)


@router.get(
    "/v1/vector_stores/{vector_store_id}",
    summary="Describe an index (OpenAI's shape)",
    response_model=VectorStore,
    responses=openai_errors(404),
)
async def one_vector_store(vector_store_id: StoreId, service: ServiceOf) -> VectorStore:
    """Tells how many documents an index has, when it was published, and which version of it is served."""
    return vector_store(service.indexes.named(vector_store_id))


@router.post(
    "/v1/vector_stores/{vector_store_id}/search",
    summary="Search an index (OpenAI's shape)",
    response_model=StoreSearchPage,
    response_description="The best hits.",
    responses=openai_errors(),
)
async def search_vector_store(
    vector_store_id: StoreId,
    body: Annotated[StoreSearchBody, Body(openapi_examples=_EXAMPLES)],
    service: ServiceOf,
) -> StoreSearchPage:
    """Searches an index as OpenAI's clients search a vector store: its name is the vector store's id.

    One field is new: `instruction`, which the queries are searched under.
    """
    index = service.indexes.named(vector_store_id)
    service.readiness.refuse_damaged(index)
    rerank = _rerank(body.ranking, service.reranker)
    answer, _ = await service.engine.search(index, body.requests(), rerank)
    results = [_found(outcome) for outcome in answer.outcomes]
    return search_page(body.queries, results, body.max_num_results)


def _rerank(ranking: RankingOptions, reranker: ServedReranker) -> RerankBody | None:
    """Which reranking a ranker stands for.

    Raises:
        Refusal: There is no such ranker (422).
    """
    if ranking.ranker == "none" or (ranking.ranker in _AUTOMATIC and reranker.served is None):
        return None
    if ranking.ranker in _AUTOMATIC or ranking.ranker in reranker.names:
        return RerankBody()
    known = ", ".join(["none", *_AUTOMATIC, *dict.fromkeys(reranker.names)])
    detail = f"there is no ranker {ranking.ranker[:100]!r}; there are: {known}"
    raise Refusal(422, f"ranking_options: {detail}", [FieldFault("#/ranking_options/ranker", detail)])


def _found(outcome: SearchResult | QueryError) -> SearchResult:
    if isinstance(outcome, QueryError):
        detail = str(outcome)
        raise Refusal(422, f"query: {detail}", [FieldFault("#/query", detail)])
    return outcome
