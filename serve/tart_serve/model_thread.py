"""Where blocking work leaves the event loop: one thread, because a model uses all processors by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class ModelThread:
    """Runs encoding and search, one piece of work after the other; and tokenising beside it, in another thread."""

    def __init__(self) -> None:
        self._model: ThreadPoolExecutor | None = None
        self._beside: ThreadPoolExecutor | None = None

    @property
    def beside(self) -> Executor:
        """Where the next batch is tokenised while the model works: tokenizers work without Python's lock."""
        if self._beside is None:
            self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tart-tokenize")
        return self._beside

    def start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Gives the thread work, to be done after all that it was given before."""
        if self._model is None:
            self._model = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tart-model")
        return asyncio.get_running_loop().run_in_executor(self._model, work)

    def tokenize(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """The same for the thread beside it."""
        return asyncio.get_running_loop().run_in_executor(self.beside, work)

    async def close(self) -> None:
        """Drops what has not begun and waits for the rest."""
        executors = [one for one in (self._model, self._beside) if one is not None]
        self._model = self._beside = None
        for executor in executors:
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)
