"""RFC 9457 problem documents: the errors of the native routes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field

from tart_serve.refusal import Refusal

MEDIA_TYPE = "application/problem+json"


class ProblemField(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(description="Where, as a JSON pointer (RFC 6901) into the request body.", examples=["#/top_k"])
    detail: str = Field(description="What was found and what was wanted.")


class Problem(BaseModel):
    """An error (RFC 9457, `application/problem+json`)."""

    type: str = Field(description="Kind of problem; `about:blank` says that the status tells it.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was found, what was wanted, what to do.")
    instance: str = Field(description="The path that was asked for.")
    request_id: str = Field(description="As in the header `X-Request-ID`.")
    errors: list[ProblemField] = Field(default=[], description="The fields to blame, where fields are.")


def problem(refusal: Refusal, path: str, request_id: str) -> dict[str, Any]:
    """A refusal as a JSON object."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status_code,
        "detail": refusal.detail,
        "instance": quote(path, errors="replace"),
        "request_id": request_id,
    }
    if refusal.faults:
        content["errors"] = [fault._asdict() for fault in refusal.faults]
    return content
