"""RFC 9457 problem documents: the errors of the native routes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from tart_serve.refusal import Refusal

MEDIA_TYPE = "application/problem+json"


class ProblemField(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(description="Where, as a JSON pointer (RFC 6901) into the request body.", examples=["#/top_k"])
    detail: str = Field(
        description="What was found and what was wanted.",
        examples=["Input should be less than or equal to 1000; found 5000"],
    )


class Problem(BaseModel):
    """An error (RFC 9457, `application/problem+json`)."""

    type: str = Field(description="Kind of problem; `about:blank` says that the status tells it.", examples=["about:blank"])
    title: str = Field(description="The status in words.", examples=["Unprocessable Content"])
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(
        description="What was found, what was wanted, what to do.",
        examples=["top_k: Input should be less than or equal to 1000; found 5000"],
    )
    instance: str = Field(description="The path that was asked for.", examples=["/v1/search"])
    request_id: str = Field(description="As in the header `X-Request-ID`.", examples=["5f0c6bd8a9e94a4f9f0e8d5f1f6f2a77"])
    errors: list[ProblemField] = Field(default=[], description="The fields to blame, where fields are.")


def problem_response(request: Request, refusal: Refusal) -> JSONResponse:
    """A refusal as a problem document."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status_code,
        "detail": refusal.detail,
        "instance": quote(request.url.path, errors="replace"),
        "request_id": request.state.request_id,
    }
    if refusal.faults:
        content["errors"] = [fault._asdict() for fault in refusal.faults]
    return JSONResponse(content, refusal.status_code, refusal.headers, MEDIA_TYPE)
