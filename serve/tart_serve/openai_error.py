"""Errors in OpenAI's shape, on the routes that OpenAI's clients call."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from tart_serve.refusal import Refusal

_PATHS = ("/v1/embeddings",)


class OpenAIErrorBody(BaseModel):
    """What went wrong."""

    message: str = Field(examples=["model: the model 'gpt-4' is not served here"])
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = Field(description="The field to blame.", examples=["model"])
    code: str | None = Field(description="`model_not_found`, `context_length_exceeded`, or null.", examples=["model_not_found"])


class OpenAIError(BaseModel):
    """An error in OpenAI's shape."""

    error: OpenAIErrorBody


def speaks_openai(path: str) -> bool:
    """Whether the clients of a path expect OpenAI's errors."""
    return path in _PATHS


def openai_error_response(request: Request, refusal: Refusal) -> JSONResponse:
    """A refusal as OpenAI words it: a body that does not validate is 400 there."""
    status = 400 if refusal.status_code == 422 else refusal.status_code
    content = {
        "error": {
            "message": refusal.detail,
            "type": "invalid_request_error" if status < 500 else "server_error",
            "param": refusal.faults[0].pointer.split("/")[1] if refusal.faults and "/" in refusal.faults[0].pointer else None,
            "code": refusal.code,
        }
    }
    return JSONResponse(content, status, {**(refusal.headers or {}), "X-Request-ID": request.state.request_id})
