"""The shapes that errors take, by the route whose clients read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import BaseModel

from tart_serve.client_errors import CohereError, TeiError, cohere_error, tei_error
from tart_serve.mcp.messages import error_message
from tart_serve.openai_error import OpenAIError, openai_error, openai_status, speaks_openai
from tart_serve.problem import MEDIA_TYPE, Problem, problem
from tart_serve.refusal import Refusal
from tart_serve.schemas.mcp import RpcError

_JSON = "application/json"


class ErrorShape(NamedTuple):
    """How clients of a route know an error.

    Attributes:
        model: Describes the body.
        media_type: Of the body.
        body: A refusal, the path and the request's id to the body.
        status: A refusal to the status of the reply.
    """

    model: type[BaseModel]
    media_type: str
    body: Callable[[Refusal, str, str], dict[str, Any]]
    status: Callable[[Refusal], int]


def shape_of(path: str) -> ErrorShape:
    """The shape of a path's errors: a problem document, unless its clients expect another."""
    return _OPENAI if speaks_openai(path) else _SHAPES.get(path, _PROBLEM)


def _own_status(refusal: Refusal) -> int:
    return refusal.status_code


_PROBLEM = ErrorShape(Problem, MEDIA_TYPE, problem, _own_status)
_OPENAI = ErrorShape(OpenAIError, _JSON, lambda refusal, path, request_id: openai_error(refusal), openai_status)
_SHAPES = {
    "/v2/rerank": ErrorShape(
        CohereError, _JSON, lambda refusal, path, request_id: cohere_error(refusal, request_id), _own_status
    ),
    "/rerank": ErrorShape(TeiError, _JSON, lambda refusal, path, request_id: tei_error(refusal), _own_status),
    "/mcp": ErrorShape(RpcError, _JSON, lambda refusal, path, request_id: error_message(refusal), _own_status),
}
