"""What can go wrong between a client and a service, as exceptions that carry the service's own words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tart.errors import TartError

_MOST_SHOWN = 300


class ClientError(TartError):
    """A call that was not answered as wanted."""


class UnreachableError(ClientError):
    """No connection: the service never saw the request."""


class ConnectionLostError(ClientError):
    """The connection ended before the reply did: whether the request was carried out is not known."""


class TimedOutError(ClientError):
    """The reply did not come in time: whether the request was carried out is not known."""


class UnexpectedReplyError(ClientError):
    """A reply that is none of this service's; something else may answer at that address."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request.

    Attributes:
        pointer: Where, as a JSON pointer: "#/top_k".
        detail: What was found and what was wanted.
    """

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a service refused.

    Attributes:
        status: Of the reply.
        detail: What was found, what was wanted, what to do.
        errors: The fields to blame, where fields are.
        request_id: To look for in the service's log; empty where the reply named none.
        retry_after: Seconds that the service asked to wait, if it did.
        code: A word for the error, on routes in OpenAI's shape.
    """

    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()
    request_id: str = ""
    retry_after: float | None = None
    code: str | None = None

    @classmethod
    def read(cls, status: int, body: bytes, request_id: str = "", retry_after: float | None = None) -> Problem:
        """Reads a problem document, an error in OpenAI's shape, or whatever else a proxy may have sent."""
        found = _json_object(body)
        openai = found.get("error")
        if isinstance(openai, dict):
            return cls(status, str(openai.get("message")), _blamed(openai), request_id, retry_after, openai.get("code"))
        detail = found.get("detail") or found.get("message") or _shown(body) or "the reply has no body"
        return cls(status, str(detail), _fields(found), str(found.get("request_id") or request_id), retry_after)


class RefusedError(ClientError):
    """The service answered that it does not do this.

    Attributes:
        problem: Why.
    """

    def __init__(self, problem: Problem) -> None:
        known = f" (request {problem.request_id})" if problem.request_id else ""
        super().__init__(f"{problem.status}: {problem.detail}{known}")
        self.problem = problem

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def detail(self) -> str:
        """What was found, what was wanted, what to do."""
        return self.problem.detail

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """The fields to blame, where fields are."""
        return self.problem.errors

    @property
    def request_id(self) -> str:
        """To look for in the service's log."""
        return self.problem.request_id


class InvalidRequestError(RefusedError):
    """The request cannot be answered as it is (400, 413, 415, 422)."""


class KeyRefusedError(RefusedError):
    """The key is missing, unknown (401) or may not do this (403)."""


class NotFoundError(RefusedError):
    """There is no such index, document or model (404)."""


class ConflictError(RefusedError):
    """The index does not take this change (409)."""


class OverloadedError(RefusedError):
    """The service has too much to do (429); later it may answer."""


class UnavailableError(RefusedError):
    """The service is not ready, or about to end (503)."""


class DeadlineError(RefusedError):
    """The service gave up: the answer would have come too late (504)."""


_BY_STATUS: Mapping[int, type[RefusedError]] = {
    400: InvalidRequestError,
    401: KeyRefusedError,
    403: KeyRefusedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: OverloadedError,
    503: UnavailableError,
    504: DeadlineError,
}


def refused(problem: Problem) -> RefusedError:
    """The exception of a problem's status."""
    return _BY_STATUS.get(problem.status, RefusedError)(problem)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _blamed(openai: Mapping[str, Any]) -> tuple[FieldError, ...]:
    field = openai.get("param")
    return (FieldError(f"#/{field}", str(openai.get("message"))),) if field else ()


def _fields(found: Mapping[str, Any]) -> tuple[FieldError, ...]:
    errors = found.get("errors")
    named = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return tuple(FieldError(str(error.get("pointer", "#")), str(error.get("detail", ""))) for error in named)


def _shown(body: bytes) -> str:
    return " ".join(body[:_MOST_SHOWN].decode(errors="replace").split())
