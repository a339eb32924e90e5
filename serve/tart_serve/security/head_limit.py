"""The limit on a request's headers, for servers that have none of their own."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tart_serve.error_handlers import error_response
from tart_serve.refusal import Refusal
from tart_serve.security.settings import ClientLimits
from tart_serve.telemetry.metrics import ServiceMetrics


class HeadLimitMiddleware:
    """Refuses requests of very many or very long headers, or of a very long URL."""

    def __init__(self, app: ASGIApp, limits: ClientLimits, metrics: ServiceMetrics) -> None:
        self._app = app
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        self._metrics.rejected("head_too_large")
        await error_response(Request(scope), refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers, most, longest = scope["headers"], self._limits.max_headers, self._limits.max_head_bytes
        if len(headers) > most:
            return Refusal(431, f"the request has {len(headers):,} headers; at most {most:,} are taken")
        size = len(scope["path"]) + len(scope["query_string"]) + sum(len(name) + len(value) for name, value in headers)
        if size > longest:
            return Refusal(431, f"the URL and the headers have {size:,} bytes; at most {longest:,} are taken")
        return None
