"""One call to a service: the request to send, and how to read its reply. Nothing here sends anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tart_serve.client.errors import Problem, UnexpectedReplyError, refused
from tart_serve.client.retries import retry_after_seconds

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """A request and the reader of its reply.

    Attributes:
        method: GET, POST or DELETE.
        path: Quoted, from the root of the service.
        reader: Makes the answer of the reply's JSON.
        body: The request's JSON object; None for no body.
        changes_nothing: Whether it may be carried out twice without harm.
        patient: Whether it may be tried again; a probe wants the truth of this moment.
    """

    method: str
    path: str
    reader: Callable[[Any], T_co]
    body: Mapping[str, Any] | None = None
    changes_nothing: bool = True
    patient: bool = True

    def content(self) -> bytes | None:
        """The request's body.

        Raises:
            ValueError: A value that JSON does not have: NaN, an infinity, half a surrogate pair.
        """
        if self.body is None:
            return None
        return json.dumps(self.body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> T_co:
        """Reads a reply.

        Args:
            status: Of the reply.
            headers: Of the reply; their names are looked up in small letters.
            body: Of the reply.

        Raises:
            RefusedError: The service refused.
            UnexpectedReplyError: No service of ours answers so.
        """
        if not 200 <= status < 300:
            wait = retry_after_seconds(headers.get("retry-after"), headers.get("date"))
            raise refused(Problem.read(status, body, headers.get("x-request-id", ""), wait))
        try:
            return self.reader(json.loads(body))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UnexpectedReplyError(
                f"{self.method} {self.path}: the reply is not what tart serve sends ({error!r}); is it at this address?"
            ) from error
