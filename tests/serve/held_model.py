"""A model that is kept busy, so that what comes meanwhile waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tart_serve.engine import Engine


@asynccontextmanager
async def held(engine: Engine) -> AsyncIterator[threading.Event]:
    """The model works until the block ends, or the event is set."""
    started, release = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        release.wait()

    holding = asyncio.create_task(engine.run(hold))
    await asyncio.to_thread(started.wait)
    try:
        yield release
    finally:
        release.set()
        await holding


async def waiting(engine: Engine, count: int) -> None:
    """Returns when so many requests have a place: what holds the model is one of them."""
    while engine.admission.requests != count:
        await asyncio.sleep(0)
