"""Where blocking work leaves the event loop: one thread, because a model uses all processors by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class ModelThread:
    """Runs encoding and search, one piece of work after the other."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[], T]) -> tuple[T, float]:
        """Waits for the thread, then for the work.

        Returns:
            What the work returned, and the seconds that it waited for its turn.
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tart-model")
        asked = time.perf_counter()

        def timed() -> tuple[T, float]:
            waited = time.perf_counter() - asked
            return work(), waited

        return await asyncio.get_running_loop().run_in_executor(self._executor, timed)

    async def close(self) -> None:
        """Drops what has not begun and waits for the rest."""
        executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)
