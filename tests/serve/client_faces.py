"""Both clients behind one face, so that one suite tests both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from tart_serve.client import AsyncClient, Client
from tart_serve.listening import Address, base_url, listen
from tart_serve.service import Service

FACES = ("sync", "async")


class FakeTime:
    """A clock that only a sleeper moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


class Face:
    """A client of either kind, called alike."""

    def __init__(self, kind: str, base_url: str, time: FakeTime | None = None, **settings: Any) -> None:
        self._loop = asyncio.new_event_loop() if kind == "async" else None
        self.client: Any
        if self._loop is None:
            extra = {"sleep": time.sleep, "clock": time.clock} if time else {}
            self.client = Client(base_url, **settings, **extra)
        else:
            extra = {"sleep": time.sleep_async, "clock": time.clock} if time else {}
            self.client = AsyncClient(base_url, **settings, **extra)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)
        loop = self._loop
        return method if loop is None else lambda *args, **kwargs: loop.run_until_complete(method(*args, **kwargs))

    def end(self) -> None:
        """Closes the client, and its loop."""
        self.close()
        if self._loop is not None:
            self._loop.close()


class Script:
    """A fake service: answers, or raises, what was written down, in that order."""

    def __init__(self, *steps: httpx2.Response | Exception) -> None:
        self._steps = list(steps)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of a service that runs in a thread, its indexes verified."""
    up = threading.Event()

    class Announced(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            service: Service = app.state.service
            await service.readiness.verify()
            up.set()

    with listen(Address.resolve("127.0.0.1", 0)) as listener:
        server = Announced(uvicorn.Config(app, log_level="warning", ws="none", lifespan="on"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert up.wait(60)
            yield base_url(listener)
        finally:
            server.should_exit = True
            thread.join(60)
