"""The limit on a request's body, enforced while it streams in."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tart_serve.refusal import Refusal
from tart_serve.telemetry.metrics import ServiceMetrics


class BodyLimitMiddleware:
    """Refuses a body of more than `max_bytes`, announced or not, before it is all in memory."""

    def __init__(self, app: ASGIApp, max_bytes: int, metrics: ServiceMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        received = (
            int(announced) if announced.isdecimal() and len(announced) < 19 and int(announced) > self._max_bytes else 0
        )

        async def receive_within_limit() -> Message:
            nonlocal received
            self._refuse_more_than_limit(received)
            message = await receive()
            received += len(message.get("body", b""))
            self._refuse_more_than_limit(received)
            return message

        await self._app(scope, receive_within_limit, send)

    def _refuse_more_than_limit(self, received: int) -> None:
        if received > self._max_bytes:
            self._metrics.rejected("body_too_large")
            raise Refusal(
                413, f"the body has more than {self._max_bytes:,} bytes, the most that is taken; send less at a time"
            )
