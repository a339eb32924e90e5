"""Where blocking work leaves the event loop: a few threads, each with its share of the processors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

import torch

from tart.engines import Hardware

T = TypeVar("T")
# Small batches hardly gain by a second processor, which waits for the first at every step; so they go side by side.
_MOST_LANES = 4
# From so many tokens on, about, a batch that runs alone is given all processors. Below, waking them takes longer.
_WIDE_TOKENS = 40


class Lanes:
    """Runs encoding and search, a piece of work a lane; and tokenising beside them, in another thread.

    Args:
        count: Pieces of work that run side by side.
        threads: CPU threads of all of them together.
    """

    def __init__(self, count: int = 1, threads: int = 1) -> None:
        self.count = count
        self._threads = threads
        self._models: ThreadPoolExecutor | None = None
        self._beside: ThreadPoolExecutor | None = None

    @property
    def beside(self) -> Executor:
        """Where the next batch is tokenised while the model works: tokenizers work without Python's lock."""
        if self._beside is None:
            self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tart-tokenize")
        return self._beside

    def start(self, work: Callable[[], T], *, tokens: int = 0, alone: bool = True) -> asyncio.Future[T]:
        """Gives the next free lane work, to be done after all that was given before.

        Args:
            work: Blocking.
            tokens: That a model will read, about.
            alone: Whether no other lane works, nor will at once.
        """
        if self._models is None:
            self._models = ThreadPoolExecutor(max_workers=self.count, thread_name_prefix="tart-model")
        wide = alone and tokens >= _WIDE_TOKENS
        return asyncio.get_running_loop().run_in_executor(self._models, self._run, work, wide)

    def tokenize(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """The same for the thread beside them."""
        return asyncio.get_running_loop().run_in_executor(self.beside, work)

    async def close(self) -> None:
        """Drops what has not begun and waits for the rest."""
        executors = [one for one in (self._models, self._beside) if one is not None]
        self._models = self._beside = None
        for executor in executors:
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)

    def _run(self, work: Callable[[], T], wide: bool) -> T:
        if self.count > 1:
            # OpenMP keeps this number for each thread that asks for work.
            torch.set_num_threads(self._threads if wide else max(1, self._threads // self.count))
        return work()


def lanes_for(hardware: Hardware) -> int:
    """Lanes that suit a machine: a GPU works on one batch at a time, processors on as many as there are, up to four."""
    return min(hardware.threads, _MOST_LANES) if hardware.device == "cpu" else 1
