"""Every request is timed, counted, logged and traced, in one place."""

from __future__ import annotations

import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tart_serve.security.access_table import listed_template
from tart_serve.telemetry.access_log import log_access
from tart_serve.telemetry.finished_request import FinishedRequest
from tart_serve.telemetry.metrics import ServiceMetrics
from tart_serve.telemetry.traceparent import TraceContext, trace_context
from tart_serve.telemetry.tracing import Tracing

UNMATCHED = "unmatched"
_CLIENT_LEFT = 499


class RequestWatchMiddleware:
    """Watches requests from outside of everything that can refuse or fail them."""

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics, tracing: Tracing) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        span = self._tracing.begin(scope["method"], trace_context(Headers(scope=scope).getlist("traceparent")))
        status = _CLIENT_LEFT

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if span.trace.parent_id is not None:
                    MutableHeaders(scope=message)["traceresponse"] = span.trace.header
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        finally:
            request = _finished(scope, span.trace, status, time.perf_counter() - started)
            span.end(request)
            self._metrics.request(request.route, request.status, request.seconds)
            log_access(request)


def _route(scope: Scope) -> str:
    """The template of the route that answered; of a request that was refused before, the one that it fits."""
    if "route" in scope:
        return str(scope["route"].path)
    return listed_template(scope["path"]) or UNMATCHED


def _finished(scope: Scope, trace: TraceContext, status: int, seconds: float) -> FinishedRequest:
    state = scope["state"]
    key = state.get("api_key")
    return FinishedRequest(
        request_id=state["request_id"],
        trace=trace,
        method=scope["method"],
        route=_route(scope),
        status=status,
        seconds=seconds,
        stages=state.get("stages_ms", {}),
        key=key.name if key else None,
        scope=key.scope.word if key else None,
    )
