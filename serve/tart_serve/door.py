"""The door: every request passes it before anything of it is read."""

from __future__ import annotations

import asyncio
import math
import re
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tart_serve.admission import Admission
from tart_serve.caller import Caller, working_for
from tart_serve.error_handlers import error_response
from tart_serve.observer import Observer
from tart_serve.refusal import Refusal

TIMEOUT_HEADER = "X-Request-Timeout"
# Asked of a process that ends, too.
_ALWAYS_OPEN = ("/healthz", "/metrics")
_NEEDS_MODEL = re.compile(r"/(search|embeddings|rerank)$")


class Door:
    """Who is inside, and who may come in.

    Args:
        admission: Where work finds a place, or none.
        timeout: Seconds that a request may take.
        observer: Is told of refusals.
    """

    def __init__(self, admission: Admission, timeout: float, observer: Observer) -> None:
        self._admission = admission
        self._observer = observer
        self.timeout = timeout
        self.inside = 0
        self.closed = False
        self._last_knock = -math.inf

    def close(self) -> None:
        """Lets nobody in any more: the service ends when those inside are answered."""
        self.closed = True

    def open(self) -> None:
        """Lets requests in."""
        self.closed = False

    @property
    def quiet(self) -> float:
        """Seconds since a request last came."""
        return time.monotonic() - self._last_knock

    def check(self, scope: Scope) -> None:
        """Lets a request in.

        Raises:
            Refusal: The service ends (503), or has no place for more work (429).
        """
        self._last_knock = time.monotonic()
        if self.closed and scope["path"] not in _ALWAYS_OPEN:
            self._observer.rejected("draining")
            raise Refusal(503, "this process is ending; send the request again: another may answer")
        if scope["method"] == "POST" and _NEEDS_MODEL.search(scope["path"]):
            # Reading and checking a body costs far more than this, and under overload most would be in vain.
            self._admission.refuse_when_full()

    def caller(self, scope: Scope, receive: Receive) -> Caller:
        """The client of a request that was let in.

        Raises:
            Refusal: It asks for a deadline that is none (400).
        """
        seconds = _asked_seconds(Headers(scope=scope).get(TIMEOUT_HEADER))
        return Caller(asyncio.get_running_loop().time() + min(seconds, self.timeout), receive)


class DoorMiddleware:
    """Refuses before a body is read; gives each other request its deadline.

    Args:
        app: What is behind the door.
        door: Who may come in.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_and_close(message: Message) -> None:
            if self._door.closed and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        try:
            self._door.check(scope)
            caller = self._door.caller(scope, receive)
        except Refusal as refusal:
            await error_response(Request(scope), refusal)(scope, receive, send_and_close)
            return
        self._door.inside += 1
        try:
            if scope["method"] == "POST":
                with working_for(caller):
                    await self._app(scope, caller.receive, send_and_close)
            else:
                await self._app(scope, receive, send_and_close)
        finally:
            self._door.inside -= 1


def _asked_seconds(given: str | None) -> float:
    """Seconds that a caller wants to wait; for ever, where it does not say."""
    if given is None:
        return math.inf
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise Refusal(400, f"the header {TIMEOUT_HEADER} is {given[:80]!a}; wanted seconds, more than 0")
    return seconds
