"""uvicorn, ended cleanly: whoever was let in is answered, and the exit status is then 0."""

from __future__ import annotations

import asyncio
import gc
import math
import multiprocessing
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from tart_serve.door import Door
from tart_serve.listening import take_no_more
from tart_serve.service import Service
from tart_serve.slow_clients import guarded_protocol
from tart_serve.telemetry.json_log import configure_logging

# Threads take turns at Python's lock. By default a model waits up to 5 ms for its turn, at each of some hundred steps,
# while the event loop is busy with requests; so it is asked for far more often.
_SWITCH_SECONDS = 0.0001
# A caller's answer, or its 504, comes within the service's own timeout; what is left is for writing it.
_EXTRA_SECONDS = 5
# Those who come now are told to go elsewhere, until it is quiet or this has passed; then no connection may begin, and
# those that had begun are told so too, until it is quiet or this has passed once more.
_LINGER_SECONDS = 1.0
_QUIET_SECONDS = 0.2
_TICK_SECONDS = 0.05
# Of uvicorn's main loop.
_TICKS_PER_SECOND = 10


class Server(uvicorn.Server):
    """A server that says when it is up, and that closes the door before it closes connections.

    Args:
        config: Of uvicorn. The application's lifespan gives the state "door".
        on_up: Is called when connections are accepted.
    """

    def __init__(self, config: uvicorn.Config, on_up: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_up = on_up
        self._door: Door | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until SIGINT or SIGTERM."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        # uvicorn raises a signal anew once it has ended; these handlers let the process then exit by itself, with 0.
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self.handle_exit)
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to accept connections."""
        await super().startup(sockets)
        self._door = self.lifespan.state["door"]
        # What was made until now stays. A search for garbage among it would stop all requests for a fifth of a second.
        gc.collect()
        gc.freeze()
        if self.should_exit:
            self._door.close()
        self._on_up()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Closes the door at once: from now on readiness fails, and new requests are refused."""
        if self._door is not None:
            self._door.close()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ends a worker whose supervisor has died: nobody could end it later."""
        if counter % _TICKS_PER_SECOND == 0:
            supervisor = multiprocessing.parent_process()
            if supervisor is not None and not supervisor.is_alive():
                self.handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers whoever was let in, and only then closes connections."""
        if self._door is not None:
            await self._drain(self._door, sockets or [])
        await super().shutdown(sockets)

    async def _drain(self, door: Door, sockets: list[socket.socket]) -> None:
        ends = time.monotonic() + door.timeout + _EXTRA_SECONDS
        await self._linger(door)
        for listener in sockets:
            take_no_more(listener)
        await self._linger(door)
        while door.inside and time.monotonic() < ends and not self.force_exit:
            await asyncio.sleep(_TICK_SECONDS)

    async def _linger(self, door: Door) -> None:
        """Waits until no request has come for a moment, but not for long."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < _LINGER_SECONDS and not self.force_exit:
            await asyncio.sleep(_TICK_SECONDS)
            if min(door.quiet, passed) >= _QUIET_SECONDS:
                break


def run_server(app: FastAPI, listener: socket.socket, timeout: float, on_up: Callable[[], None]) -> None:
    """Serves in this process until SIGINT or SIGTERM.

    Args:
        app: Of `create_app`.
        listener: Where to accept connections.
        timeout: Seconds that a request may take.
        on_up: Is called when connections are accepted.
    """
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
        timeout_graceful_shutdown=math.ceil(timeout) + _EXTRA_SECONDS,
    )
    Server(config, on_up).run([listener])
