"""The errors of a route, for its documentation: examples made by the code that makes the errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tart.models import DEFAULT_MODEL
from tart_serve.error_shapes import shape_of
from tart_serve.mcp.messages import METHOD_NOT_FOUND, UNSUPPORTED_VERSION, RpcRefusal
from tart_serve.mcp.revisions import SUPPORTED
from tart_serve.refusal import FieldFault, Refusal

_REQUEST_ID = "5f0c6bd8a9e94a4f9f0e8d5f1f6f2a77"
_TOO_MUCH = "Input should be less than or equal to 1000; found 5000"
_TOO_LONG = "input 0 has more tokens than the 256 that the model takes"
_NO_MODEL = f"the model 'gpt' is not served here; there are: {DEFAULT_MODEL}"
_NO_VERSION = RpcRefusal(
    400,
    UNSUPPORTED_VERSION,
    f"the protocol version '2024-11-05' is not spoken here; there are: {', '.join(SUPPORTED)}",
    message_id=1,
    data={"supported": list(SUPPORTED), "requested": "2024-11-05"},
)
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}}

_BUSY = "the service is busy with 256 requests of about 9,000 tokens, and takes 256 and 32,768; try again in 2 s"

REFUSALS = {
    400: ("The body is not JSON.", Refusal(400, "the body is not UTF-8 (byte 17); send JSON in UTF-8")),
    401: ("There is no key, or an unknown one.", Refusal(401, "send the header Authorization: Bearer KEY")),
    403: (
        "The service takes no writes.",
        Refusal(403, "this service takes no writes; the operator can allow them (tart serve --allow-writes)"),
    ),
    404: ("There is no such index, document or model.", Refusal(404, "there is no index 'dmo'; there are: demo")),
    409: (
        "Another process is in the way, or the new version is not fit for service.",
        Refusal(409, "another process writes index 'demo' just now; try again"),
    ),
    413: ("The body is too large.", Refusal(413, "the body has more than 8,388,608 bytes, the most that is taken")),
    415: ("The body is not said to be JSON.", Refusal(415, "send the header Content-Type: application/json")),
    422: (
        "A field, the query or the instruction is not as wanted.",
        Refusal(422, f"top_k: {_TOO_MUCH}", [FieldFault("#/top_k", _TOO_MUCH)]),
    ),
    429: (
        "There is no place for more work; `Retry-After` says when to come again.",
        Refusal(429, _BUSY, code="rate_limit_exceeded"),
    ),
    503: ("Not ready, or about to stop.", Refusal(503, "index 'demo' is still being verified")),
    504: ("No answer before the deadline.", Refusal(504, "no answer within 60 s; try again later, ask for less")),
}
_OPENAI_REFUSALS = {
    **REFUSALS,
    400: (
        "The body, a field or an input is not as wanted.",
        Refusal(400, _TOO_LONG, [FieldFault("#/input", _TOO_LONG)], code="context_length_exceeded"),
    ),
    404: (
        "The model is not served here.",
        Refusal(404, _NO_MODEL, [FieldFault("#/model", _NO_MODEL)], code="model_not_found"),
    ),
}
_RERANK_REFUSALS = {
    **REFUSALS,
    404: ("The model is not served here.", Refusal(404, _NO_MODEL, [FieldFault("#/model", _NO_MODEL)])),
}
_RPC_REFUSALS: dict[int, tuple[str, Refusal]] = {
    400: ("The body is no message, or lacks what its revision asks for.", _NO_VERSION),
    404: ("There is no such method.", RpcRefusal(404, METHOD_NOT_FOUND, "there is no method 'tools'", message_id=1)),
    406: ("The client does not take JSON.", Refusal(406, "send the header Accept: application/json")),
    **{status: REFUSALS[status] for status in (413, 415, 429, 503, 504)},
}
RERANK_STATUSES = (400, 404, 413, 415, 422, 429, 503, 504)
OPENAI_STATUSES = (400, 404, 413, 415, 429, 503, 504)


def problems(path: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents of a path, by status."""
    return _errors(path, REFUSALS, statuses)


def openai_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAI's errors, by status; those of a route that reads a body and needs a model by default."""
    return _errors("/v1/embeddings", _OPENAI_REFUSALS, statuses or OPENAI_STATUSES)


def rerank_errors(path: str) -> dict[int | str, dict[str, Any]]:
    """The errors of a rerank route in the shape of its clients, by status."""
    return _errors(path, _RERANK_REFUSALS, RERANK_STATUSES)


def rpc_errors() -> dict[int | str, dict[str, Any]]:
    """Errors in the shape of JSON-RPC, by status."""
    return _errors("/mcp", _RPC_REFUSALS, sorted(_RPC_REFUSALS))


def _errors(
    path: str, refusals: Mapping[int, tuple[str, Refusal]], statuses: Iterable[int]
) -> dict[int | str, dict[str, Any]]:
    responses: dict[int | str, dict[str, Any]] = {}
    shape = shape_of(path)
    for status in statuses:
        description, refusal = refusals[status]
        responses[status] = {
            "model": shape.model,
            "description": description,
            "content": {"application/json": {"example": shape.body(refusal, path, _REQUEST_ID)}},
            **({"headers": _RETRY} if status == 429 else {}),
        }
    return responses
