"""`POST /v2/rerank` (Cohere), `POST /v1/rerank` (Jina, Cohere's version 1) and `POST /rerank` (TEI)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request

from tart_serve.json_route import JsonRoute
from tart_serve.pair_scoring import best_first, score_documents, scorer_named
from tart_serve.routes.errors import rerank_errors
from tart_serve.schemas.rerank import (
    EXAMPLE,
    JINA_EXAMPLE,
    TEI_EXAMPLE,
    CohereMeta,
    CohereRerankBody,
    CohereRerankReply,
    CohereTokens,
    CohereVersion,
    JinaRerankBody,
    JinaRerankReply,
    JinaRerankResult,
    JinaUsage,
    RerankResult,
    TeiRank,
    TeiRerankBody,
    TextDocument,
)
from tart_serve.service import ServiceOf

router = APIRouter(route_class=JsonRoute, tags=["Rerank"])

_EXAMPLES: Any = {
    "instruction": {"summary": "Texts in the order of an instruction", "value": EXAMPLE},
    "other instruction": {
        "summary": "The same texts, another intent",
        "value": {**EXAMPLE, "instruction": "Find documentation that explains this"},
    },
}
_JINA_EXAMPLES: Any = {"documents": {"summary": "Texts and objects with a text", "value": JINA_EXAMPLE}}
_TEI_EXAMPLES: Any = {"texts": {"summary": "Texts in the order of an instruction", "value": TEI_EXAMPLE}}


@router.post(
    "/v2/rerank",
    summary="Put texts in order (Cohere's shape)",
    response_model=CohereRerankReply,
    response_description="The best texts, by their places in the request.",
    responses=rerank_errors("/v2/rerank"),
)
async def cohere_rerank(
    body: Annotated[CohereRerankBody, Body(openapi_examples=_EXAMPLES)], request: Request, service: ServiceOf
) -> CohereRerankReply:
    """Scores texts for a query under an instruction, with the served reranker or, by cosine, an embedding model.

    Texts that are too long are cut at their ends; query and instruction never are.
    """
    scorer = scorer_named(body.model, service.models, service.reranker)
    scores, tokens = await score_documents(service, scorer, body.scored_query(), body.documents)
    return CohereRerankReply(
        id=request.state.request_id,
        results=[RerankResult(index=n, relevance_score=scores[n]) for n in best_first(scores, body.top_n)],
        meta=CohereMeta(api_version=CohereVersion(version="2"), tokens=CohereTokens(input_tokens=tokens)),
    )


@router.post(
    "/v1/rerank",
    summary="Put documents in order (Jina's shape)",
    response_model=JinaRerankReply,
    response_model_exclude_unset=True,
    response_description="The best documents.",
    responses=rerank_errors("/v1/rerank"),
)
async def jina_rerank(
    body: Annotated[JinaRerankBody, Body(openapi_examples=_JINA_EXAMPLES)], request: Request, service: ServiceOf
) -> JinaRerankReply:
    """Scores documents for a query under an instruction; what `/v2/rerank` does, for clients that speak like Jina's.

    Errors are problem documents: their `detail` is what these clients show.
    """
    scorer = scorer_named(body.model, service.models, service.reranker)
    scores, tokens = await score_documents(service, scorer, body.scored_query(), body.texts())
    return JinaRerankReply(
        id=request.state.request_id,
        object="list",
        model=scorer.name,
        usage=JinaUsage(prompt_tokens=tokens, total_tokens=tokens),
        results=[_jina_result(body, n, scores[n]) for n in best_first(scores, body.top_n)],
    )


@router.post(
    "/rerank",
    summary="Put texts in order (TEI's shape)",
    response_model=list[TeiRank],
    response_model_exclude_unset=True,
    response_description="All texts, best first.",
    responses=rerank_errors("/rerank"),
)
async def tei_rerank(
    body: Annotated[TeiRerankBody, Body(openapi_examples=_TEI_EXAMPLES)], service: ServiceOf
) -> list[TeiRank]:
    """Scores texts for a query under an instruction, for clients of Text Embeddings Inference.

    There is no field for the model: the reranker scores, or, where none is served, the only embedding model.
    """
    scorer = scorer_named(None, service.models, service.reranker)
    scores, _ = await score_documents(service, scorer, body.scored_query(), body.texts)
    return [
        TeiRank(index=n, score=scores[n], **({"text": body.texts[n]} if body.return_text else {}))
        for n in best_first(scores, None)
    ]


def _jina_result(body: JinaRerankBody, number: int, score: float) -> JinaRerankResult:
    given = body.documents[number]
    shown = given.model_dump() if isinstance(given, TextDocument) else {"text": given}
    return JinaRerankResult(
        index=number, relevance_score=score, **({"document": shown} if body.return_documents else {})
    )
