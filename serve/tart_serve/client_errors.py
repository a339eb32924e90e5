"""Errors in the shapes of Cohere and of Text Embeddings Inference (TEI), on the routes that their clients call."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from tart_serve.refusal import Refusal

_TEI_TYPES = {404: "NotFound", 413: "Validation", 422: "Validation", 429: "Overloaded"}


class CohereError(BaseModel):
    """An error in Cohere's shape."""

    id: str = Field(description="As in the header `X-Request-ID`.")
    message: str = Field(description="What was found, what was wanted, what to do.")


class TeiError(BaseModel):
    """An error in TEI's shape."""

    error: str = Field(description="What was found, what was wanted, what to do.")
    error_type: str = Field(description="`Validation`, `NotFound`, `Overloaded` or `Backend`.")


def cohere_error(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """A refusal as Cohere's clients know it."""
    return {"id": request_id, "message": refusal.detail}


def tei_error(refusal: Refusal) -> dict[str, Any]:
    """A refusal as TEI's clients know it."""
    kind = _TEI_TYPES.get(refusal.status_code, "Validation" if refusal.status_code < 500 else "Backend")
    return {"error": refusal.detail, "error_type": kind}
