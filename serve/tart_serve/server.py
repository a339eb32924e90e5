"""uvicorn, ended cleanly: a signal lets requests in flight finish, and the exit status is then 0."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from tart_serve.service import Service
from tart_serve.slow_clients import guarded_protocol
from tart_serve.telemetry.json_log import configure_logging

_GRACE_SECONDS = 30


class Server(uvicorn.Server):
    """A server that says when it is up."""

    def __init__(self, config: uvicorn.Config, on_up: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_up = on_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to accept connections."""
        await super().startup(sockets)
        self._on_up()


def run_server(app: FastAPI, listener: socket.socket, on_up: Callable[[], None]) -> None:
    """Serves until SIGINT or SIGTERM; requests in flight then have half a minute."""
    service: Service = app.state.service
    limits = service.settings.limits
    configure_logging(service.settings.telemetry.log_level)
    config = uvicorn.Config(
        app,
        http=guarded_protocol(limits, service.metrics),
        h11_max_incomplete_event_size=limits.max_head_bytes,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = Server(config, on_up)

    def end(signum: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn raises a signal anew once it has ended; these handlers let the process then exit by itself, with 0.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, end)
    server.run([listener])
