"""uvicorn, ended cleanly: whoever was let in is answered, and the exit status is then 0."""

from __future__ import annotations

import asyncio
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

# Threads take turns at Python's lock. By default a model waits up to 5 ms for its turn, at each of some hundred steps,
# while the event loop is busy with requests; so it is asked for more often.
_SWITCH_SECONDS = 0.0005
# A caller's answer, or its 504, comes within the service's own timeout; what is left is for writing it.
_EXTRA_SECONDS = 5
# Those who come now are told to go elsewhere, until it is quiet or this has passed; then no connection is taken.
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
            await self._drain(self._door)
        await super().shutdown(sockets)

    async def _drain(self, door: Door) -> None:
        started = time.monotonic()
        while not self.force_exit:
            await asyncio.sleep(_TICK_SECONDS)
            passed = time.monotonic() - started
            lingered = door.quiet >= _QUIET_SECONDS or passed >= _LINGER_SECONDS
            if (lingered and not door.inside) or passed >= door.timeout + _EXTRA_SECONDS:
                break


def run_server(app: FastAPI, listener: socket.socket, timeout: float, on_up: Callable[[], None]) -> None:
    """Serves in this process until SIGINT or SIGTERM.

    Args:
        app: Whose lifespan gives the state "door".
        listener: Where to accept connections.
        timeout: Seconds that a request may take.
        on_up: Is called when connections are accepted.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=math.ceil(timeout) + _EXTRA_SECONDS,
    )
    Server(config, on_up).run([listener])
