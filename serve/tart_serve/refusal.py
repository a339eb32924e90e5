"""The refusal: the one error that the service raises itself, whatever shape the reply then takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from starlette.exceptions import HTTPException

TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    499: "Client Closed Request",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class FieldFault(NamedTuple):
    """What is wrong with one field of a request body.

    Attributes:
        pointer: Where, as a JSON pointer in a URI fragment: "#/top_k".
        detail: What was found and what was wanted.
    """

    pointer: str
    detail: str


class Refusal(HTTPException):
    """A request that is not answered.

    Args:
        status: Of the reply.
        detail: What was found, what was wanted, what to do; never a file path.
        faults: By field, where fields are to blame.
        code: The word that OpenAI's clients tell this error by.
        headers: Of the reply.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        faults: Sequence[FieldFault] = (),
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.faults = tuple(faults)
        self.code = code

    @property
    def title(self) -> str:
        """The status in words."""
        return TITLES.get(self.status_code, "Error")
