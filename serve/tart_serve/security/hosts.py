"""Whom a request was meant for, and whose page sent it.

A page of any web site can let the browser that shows it send requests to this machine. It cannot read the replies, for
there is no CORS by default, unless its own name is made to lead here (DNS rebinding): so the `Host` must be one of
ours. And it must not change anything by a request that needs no answer: so one that is not a plain GET must come from
our own page, or an allowed one, or from no page.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tart_serve.error_handlers import error_response
from tart_serve.refusal import Refusal
from tart_serve.telemetry.metrics import ServiceMetrics

_HARMLESS = ("GET", "HEAD", "OPTIONS")


class HostMiddleware:
    """Refuses requests for other hosts, and changes that another site's page asks for."""

    def __init__(
        self, app: ASGIApp, hosts: Collection[str] | None, origins: Collection[str], metrics: ServiceMetrics
    ) -> None:
        self._app = app
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self._origins = origins
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] == "http":
            try:
                self._check_host(Headers(scope=scope))
                self._check_origin(scope["method"], Headers(scope=scope))
            except Refusal as refusal:
                self._metrics.rejected("host" if refusal.status_code == 400 else "origin")
                await error_response(Request(scope), refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        if self._hosts is None:
            return
        given = headers.getlist("host")
        if len(given) != 1 or host_name(given[0]) not in self._hosts:
            found = ascii(given[0][:100]) if given else "missing"
            detail = f"the header Host is {found}; this service answers for {', '.join(sorted(self._hosts))} only"
            raise Refusal(400, f"{detail}; the operator can add a name: tart serve --allowed-host NAME")

    def _check_origin(self, method: str, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or method in _HARMLESS or "*" in self._origins or origin in self._origins:
            return
        if urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            detail = f"a page of {origin[:100]!a} may not call this service"
            raise Refusal(403, f"{detail}; the operator can allow it: tart serve --cors-origin ORIGIN")


def host_name(host: str) -> str:
    """A `Host` without its port, in lower case; of an IPv6 address with its brackets."""
    bare, colon, port = host.lower().rpartition(":")
    return bare if colon and (not port or port.isdecimal()) and not port.endswith("]") else host.lower()
