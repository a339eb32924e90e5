"""The time that a body may take to come."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tart_serve.refusal import Refusal
from tart_serve.telemetry.metrics import ServiceMetrics


class BodyDeadlineMiddleware:
    """Refuses a request whose body is not there in time, however steadily it drips."""

    def __init__(self, app: ASGIApp, seconds: float, metrics: ServiceMetrics) -> None:
        self._app = app
        self._seconds = seconds
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        complete = False

        async def receive_in_time() -> Message:
            nonlocal complete
            if complete:  # What comes now is the end of the connection, and that may take as long as it likes.
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, deadline - loop.time()))
            except asyncio.TimeoutError as error:
                self._metrics.rejected("slow_body")
                detail = f"the body did not come within {self._seconds:g} s; send less, or faster"
                raise Refusal(408, detail, headers={"Connection": "close"}) from error
            complete = not message.get("more_body", False)
            return message

        await self._app(scope, receive_in_time, send)
