"""Errors in OpenAI's shape, on the routes that OpenAI's clients call."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from tart_serve.refusal import Refusal

_ROOTS = ("/v1/embeddings", "/v1/models", "/v1/vector_stores")


class OpenAIErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str = Field(description="`invalid_request_error`, `rate_limit_error` or `server_error`.")
    param: str | None = Field(description="The field to blame.")
    code: str | None = Field(
        description="`model_not_found`, `context_length_exceeded`, `rate_limit_exceeded`, or null."
    )


class OpenAIError(BaseModel):
    """An error in OpenAI's shape."""

    error: OpenAIErrorBody


def speaks_openai(path: str) -> bool:
    """Whether the clients of a path expect OpenAI's errors."""
    return any(path == root or path.startswith(f"{root}/") for root in _ROOTS)


def openai_error(refusal: Refusal) -> dict[str, Any]:
    """A refusal as a JSON object."""
    return {
        "error": {
            "message": refusal.detail,
            "type": _type(refusal.status_code),
            "param": _param(refusal),
            "code": refusal.code,
        }
    }


def openai_status(refusal: Refusal) -> int:
    """The status that OpenAI's clients know: to them, a body that does not validate is 400."""
    return 400 if refusal.status_code == 422 else refusal.status_code


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"


def _param(refusal: Refusal) -> str | None:
    """The field that the first fault is in; a fault of the whole body is in none."""
    steps = refusal.faults[0].pointer.split("/") if refusal.faults else []
    return steps[1] if len(steps) > 1 else None
