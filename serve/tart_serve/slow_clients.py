"""Clients that open a connection and then hardly speak, so that it is never free again (slow loris).

uvicorn waits for the rest of a request's head for ever. This puts a clock, a measure and a count around its protocol,
whichever of its protocols that is: in all of them `cycle` is the request that is being answered, and a new one is made
as soon as a head is whole. Time for bodies is `BodyDeadlineMiddleware`'s affair: it answers in the route's own shape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from tart_serve.refusal import TITLES
from tart_serve.security.reply_headers import EARLY
from tart_serve.security.settings import ClientLimits
from tart_serve.telemetry.metrics import ServiceMetrics


class GuardedProtocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
    """uvicorn's protocol for clients who may mean harm. `guarded_protocol` gives it its limits."""

    limits: ClientLimits
    metrics: ServiceMetrics

    _bell: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come; its first head is awaited."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            self._turn_away("connections", 503, {"Retry-After": "1"})
            return
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The client sends something: part of a head, a body, or what nobody reads any more."""
        super().data_received(data)
        if not self._awaits_head():
            self._stop_clock()
        elif not self.transport.is_closing():
            self._start_clock()
            self._measure(data)

    def on_response_complete(self) -> None:
        """A reply has gone out whole; uvicorn itself ends a connection on which nothing follows, and soon."""
        self._stop_clock()
        super().on_response_complete()
        if self._awaits_head() and not self._is_between_requests() and not self.transport.is_closing():
            self._start_clock()

    def send_400_response(self, msg: str) -> None:
        """What the client sent is no HTTP."""
        self._turn_away("malformed", 400)

    def _awaits_head(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _is_between_requests(self) -> bool:
        """Whether the body of the last request is known to be over; an early reply does not wait for it."""
        return self._awaits_head() and (self.cycle is None or not self.cycle.more_body)

    def _measure(self, data: bytes) -> None:
        """Adds up what is part of a head; the rest of a refused body may be as long as it was announced."""
        if self._is_between_requests():
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.max_head_bytes:
                self._turn_away("head_too_large", 431)

    def _start_clock(self) -> None:
        """Starts the clock, or lets it run on: it is not the last byte that counts, but the whole head."""
        if self._bell is None:
            self._head_bytes = 0
            self._bell = self.loop.call_later(self.limits.head_seconds, self._turn_away, "slow_head", 408)

    def _stop_clock(self) -> None:
        if self._bell is not None:
            self._bell.cancel()
            self._bell = None

    def _turn_away(self, reason: str, status: int, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        """Ends the connection, with a status where no reply is under way."""
        self._stop_clock()
        self.metrics.rejected(reason)
        if self._is_between_requests():
            told = {**headers, "Content-Length": "0", "Connection": "close", **EARLY}
            lines = [f"HTTP/1.1 {status} {TITLES[status]}", *(f"{name}: {value}" for name, value in told.items())]
            self.transport.write("\r\n".join([*lines, "", ""]).encode())
        self.transport.close()


def guarded_protocol(limits: ClientLimits, metrics: ServiceMetrics) -> type[asyncio.Protocol]:
    """The protocol class of one server: uvicorn makes one of it for each connection."""
    return type("Guarded", (GuardedProtocol,), {"limits": limits, "metrics": metrics})
