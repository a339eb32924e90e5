"""`POST /v1/search`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from tart_serve.json_route import JsonRoute
from tart_serve.routes.errors import problems
from tart_serve.schemas.filters import FILTER_EXAMPLE
from tart_serve.schemas.search import EXAMPLE, SearchBatchReply, SearchBody, SearchReply
from tart_serve.search_reply import ReplyForm, timing_ms
from tart_serve.service import ServiceOf

router = APIRouter(route_class=JsonRoute, tags=["Search"])

_EXAMPLES: Any = {
    "instruction": {
        "summary": "A query under an instruction",
        "value": EXAMPLE,
    },
    "other instruction": {
        "summary": "The same query, another intent",
        "value": {**EXAMPLE, "instruction": "Find documentation that explains this"},
    },
    "filter": {
        "summary": "Only among documents whose metadata fits",
        "value": {**EXAMPLE, "filter": FILTER_EXAMPLE},
    },
    "page": {
        "summary": "The second page, ids and titles only",
        "value": {"query": "merge two dicts", "top_k": 10, "offset": 10, "include": ["title"]},
    },
    "rerank": {
        "summary": "The best 50 hits in the order of a cross-encoder (where one is served)",
        "value": {**EXAMPLE, "rerank": {"top_n": 50}},
    },
    "batch": {
        "summary": "Several queries at once",
        "value": {"query": ["merge two dicts", "read a file line by line"], "top_k": 3},
    },
}


@router.post(
    "/v1/search",
    summary="Search an index under an instruction",
    response_model=SearchReply | SearchBatchReply,
    response_description="The hits of a query, or the results of several queries in their order.",
    responses=problems("/v1/search", 400, 404, 413, 415, 422, 429, 503, 504),
)
async def search(
    body: Annotated[SearchBody, Body(openapi_examples=_EXAMPLES)], request: Request, service: ServiceOf
) -> Response:
    """Say what you look for in `query`, and what kind of document should answer it in `instruction`.

    The same query under another instruction finds other documents. The reply says which instruction was applied,
    which version of the index answered, and how long each stage took.
    """
    index = service.indexes.named(body.index)
    service.readiness.refuse_damaged(index)
    answer, waited = await service.engine.search(index, body.requests(), body.rerank)
    form = ReplyForm(index, request.state.request_id, tuple(body.include), timing_ms(waited, answer.timing))
    reply = form.batch(answer.outcomes) if isinstance(body.query, list) else form.single(answer.outcomes[0])
    # A field that was not set, such as a text that was not asked for, does not stand in the reply.
    return Response(reply.model_dump_json(exclude_unset=True), media_type="application/json")
