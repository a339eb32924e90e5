"""`GET /v1/models` and `GET /v1/models/{model_id}`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from tart.encoder import Encoder
from tart.models import DEFAULT_MODEL
from tart.reranker import Reranker
from tart_serve.routes.errors import openai_errors
from tart_serve.schemas.models import Model, ModelsReply
from tart_serve.service import ServiceOf

router = APIRouter(tags=["OpenAI-compatible"])


@router.get("/v1/models", summary="List the models (OpenAI's shape)", response_model=ModelsReply)
async def models(service: ServiceOf) -> ModelsReply:
    """Lists what may stand in the field `model`: the indexes' embedding models, and the reranker if there is one."""
    data = [_embedding(name, encoder) for name, encoder in service.models]
    if service.reranker.served is not None:
        data.append(_reranker(service.reranker.name, service.reranker.served))
    return ModelsReply(object="list", data=data)


@router.get(
    "/v1/models/{model_id:path}",
    summary="Describe a model (OpenAI's shape)",
    response_model=Model,
    responses=openai_errors(404),
)
async def model(
    model_id: Annotated[str, Path(description="May hold slashes.", examples=[DEFAULT_MODEL])], service: ServiceOf
) -> Model:
    """Describes one model by any of its names: with or without its organisation, or with its input format."""
    reranker = service.reranker.called(model_id)
    if reranker is not None:
        return _reranker(service.reranker.name, reranker)
    encoder = service.models.named(model_id, also=service.reranker.names)
    return _embedding(service.models.name_of(encoder), encoder)


def _embedding(name: str, encoder: Encoder) -> Model:
    return Model(
        id=name,
        object="model",
        created=0,
        owned_by=_owner(name),
        kind="embedding",
        max_tokens=encoder.max_length,
        dimensions=encoder.dim,
    )


def _reranker(name: str, reranker: Reranker) -> Model:
    return Model(
        id=name,
        object="model",
        created=0,
        owned_by=_owner(name),
        kind="reranker",
        max_tokens=reranker.pair_format.max_length,
        dimensions=None,
    )


def _owner(name: str) -> str:
    return name.rpartition("/")[0] or "tart"
