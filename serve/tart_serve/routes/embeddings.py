"""`POST /v1/embeddings`."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, Response
from numpy.typing import NDArray

from tart_serve.embedding_inputs import check_dimensions, estimated_input_tokens, tokenize_inputs
from tart_serve.json_route import JsonRoute
from tart_serve.routes.errors import openai_errors
from tart_serve.schemas.embeddings import EXAMPLE, Embedding, EmbeddingsBody, EmbeddingsReply, EmbeddingsUsage
from tart_serve.served_models import public_name
from tart_serve.service import ServiceOf

router = APIRouter(route_class=JsonRoute, tags=["OpenAI-compatible"])

_EXAMPLES: Any = {
    "query": {
        "summary": "A query under an instruction",
        "value": EXAMPLE,
    },
    "documents": {
        "summary": "Documents, as an index embeds them",
        "value": {
            "model": EXAMPLE["model"],
            "input": ["def merge(a, b): ...", "def keys(a): ..."],
            "input_type": "document",
        },
    },
}


@router.post(
    "/v1/embeddings",
    summary="Embed texts (OpenAI's shape)",
    response_model=EmbeddingsReply,
    response_description="Unit vectors in the order of the inputs.",
    responses=openai_errors(),
)
async def embeddings(body: Annotated[EmbeddingsBody, Body(openapi_examples=_EXAMPLES)], service: ServiceOf) -> Response:
    """Takes what OpenAI's clients send, so that they work unchanged with another base URL.

    Two fields are new: `instruction`, which a query is embedded under, and `input_type`, which says whether the
    inputs are queries or documents. Errors have OpenAI's shape too.
    """
    encoder = service.models.named(body.model)
    check_dimensions(encoder, body.dimensions)
    embedded, _ = await service.engine.embed(
        encoder,
        lambda: tokenize_inputs(encoder, body),
        estimated_input_tokens(encoder, body),
        keep=isinstance(body.input, str) and body.input_type != "document",
    )
    write = _base64 if body.encoding_format == "base64" else _floats
    reply = EmbeddingsReply(
        object="list",
        data=[
            Embedding(object="embedding", index=number, embedding=write(vector))
            for number, vector in enumerate(embedded.vectors)
        ],
        model=public_name(encoder),
        usage=EmbeddingsUsage(prompt_tokens=embedded.tokens, total_tokens=embedded.tokens),
    )
    return Response(reply.model_dump_json(), media_type="application/json")


def _base64(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _floats(vector: NDArray[np.float32]) -> list[float]:
    numbers: list[float] = vector.tolist()
    return numbers
