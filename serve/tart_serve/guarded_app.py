"""The layers around the routes, from the outside in: watch, refuse, limit.

A request passes: its id, the headers of its reply, the watch (metrics, log, trace), Starlette's own catcher of
unexpected errors; then the limit on its head, its host and origin, CORS, its key, the engine's door, its body's time
and size.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from tart_serve.body_limit import BodyLimitMiddleware
from tart_serve.door import DoorMiddleware
from tart_serve.request_id import HEADER as REQUEST_ID
from tart_serve.request_id import RequestIdMiddleware
from tart_serve.security.authentication import AuthenticationMiddleware
from tart_serve.security.body_deadline import BodyDeadlineMiddleware
from tart_serve.security.head_limit import HeadLimitMiddleware
from tart_serve.security.hosts import HostMiddleware
from tart_serve.security.key_ring import KeyRing
from tart_serve.security.reply_headers import ReplyHeadersMiddleware
from tart_serve.service import Service
from tart_serve.telemetry.request_watch import RequestWatchMiddleware

_CORS_HEADERS = ("Authorization", "Content-Type", "X-API-Key", REQUEST_ID, "traceparent", "tracestate")
_CORS_EXPOSED = (REQUEST_ID, "Retry-After", "traceresponse")


class GuardedApp(FastAPI):
    """An application whose replies to unexpected errors are watched and carry their headers like all others."""

    def build_middleware_stack(self) -> ASGIApp:
        """Puts layers around Starlette's answer to unexpected errors, which no added middleware sees."""
        service: Service = self.state.service
        watched = RequestWatchMiddleware(super().build_middleware_stack(), service.metrics, service.tracing)
        return RequestIdMiddleware(ReplyHeadersMiddleware(watched))


def install_guards(app: GuardedApp) -> None:
    """Adds what refuses requests, as the settings of the app's service say.

    Raises:
        KeyFileError: There are to be keys, and there is none, or one cannot be read.
    """
    service: Service = app.state.service
    settings, metrics = service.settings, service.metrics
    security, limits = settings.security, settings.limits
    # The last that is added is the first that a request meets.
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_body_bytes, metrics=metrics)
    app.add_middleware(BodyDeadlineMiddleware, seconds=limits.body_seconds, metrics=metrics)
    app.add_middleware(DoorMiddleware, door=service.door)
    if security.wants_keys:
        keys = KeyRing(security.key_file, security.key_lines)
        app.add_middleware(AuthenticationMiddleware, keys=keys, metrics=metrics)
    if security.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=security.cors_origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=_CORS_HEADERS,
            expose_headers=_CORS_EXPOSED,
        )
    app.add_middleware(HostMiddleware, hosts=security.allowed_hosts, origins=security.cors_origins, metrics=metrics)
    app.add_middleware(HeadLimitMiddleware, limits=limits, metrics=metrics)
