"""Bodies of `GET /v1/models`, OpenAI's shape with three fields more."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from tart.models import DEFAULT_MODEL


class Model(BaseModel):
    """A model that is served."""

    id: str = Field(description="What `model` calls it by.", examples=[DEFAULT_MODEL])
    object: Literal["model"]
    created: int = Field(description="Always 0: models here do not know their birthday.", examples=[0])
    owned_by: str = Field(description="The organisation before the slash, where there is one.", examples=["tart"])
    kind: Literal["embedding", "reranker"] = Field(description="What it is good for. Extension.")
    max_tokens: int = Field(description="That it reads at once. Extension.", examples=[256])
    dimensions: int | None = Field(description="Numbers in a vector; null for a reranker. Extension.", examples=[384])


class ModelsReply(BaseModel):
    """All models that are served."""

    object: Literal["list"]
    data: list[Model]
