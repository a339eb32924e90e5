"""The errors of a route, for its documentation: examples made by the code that makes the errors."""

from __future__ import annotations

from typing import Any

from tart_serve.openai_error import OpenAIError, openai_error
from tart_serve.problem import Problem, problem
from tart_serve.refusal import FieldFault, Refusal

_REQUEST_ID = "5f0c6bd8a9e94a4f9f0e8d5f1f6f2a77"
_TOO_MUCH = "Input should be less than or equal to 1000; found 5000"
_TOO_LONG = "input 0 has more tokens than the 256 that the model takes"
_NO_MODEL = "the model 'gpt' is not served here; there are: all-MiniLM-L6-v2"

_BUSY = "the service is busy with 256 requests of about 9,000 tokens, and takes 256 and 32,768; try again in 2 s"

_REFUSALS = {
    400: ("The body is not JSON.", Refusal(400, "the body is not UTF-8 (byte 17); send JSON in UTF-8")),
    404: ("There is no such index.", Refusal(404, "there is no index 'dmo'; there are: demo")),
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
    503: ("Not ready.", Refusal(503, "index 'demo' is still being verified")),
    504: ("No answer before the deadline.", Refusal(504, "no answer within 60 s; try again later, ask for less")),
}
_OPENAI_REFUSALS = {
    **{status: _REFUSALS[status] for status in (413, 415, 429, 504)},
    400: (
        "The body, a field or an input is not as wanted.",
        Refusal(400, _TOO_LONG, [FieldFault("#/input", _TOO_LONG)], code="context_length_exceeded"),
    ),
    404: (
        "The model is not served here.",
        Refusal(404, _NO_MODEL, [FieldFault("#/model", _NO_MODEL)], code="model_not_found"),
    ),
}


def problems(path: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents of a path, by status."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        description, refusal = _REFUSALS[status]
        example = problem(refusal, path, _REQUEST_ID)
        responses[status] = {
            "model": Problem,
            "description": description,
            "content": {"application/json": {"example": example}},
        }
    return responses


def openai_errors() -> dict[int | str, dict[str, Any]]:
    """OpenAI's errors, by status."""
    return {
        status: {
            "model": OpenAIError,
            "description": description,
            "content": {"application/json": {"example": openai_error(refusal)}},
        }
        for status, (description, refusal) in sorted(_OPENAI_REFUSALS.items())
    }
