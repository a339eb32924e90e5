"""Where blocking work leaves the event loop: a few threads, each with its share of the processors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from tart.engines import Hardware
from tart.engines.share import take_share

T = TypeVar("T")
# Small batches hardly gain by a second processor, which waits for the first at every step; so they go side by side.
_MOST_LANES = 4


class Lanes:
    """Runs encoding and search, a piece of work a lane; and tokenising beside them, in another thread.

    Each lane is one thread, for OpenMP keeps a team of threads for each that asks. All teams together have as many as
    there are processors, because libgomp's threads stop waiting actively when there are more.

    Args:
        count: Pieces of work that run side by side.
        threads: CPU threads of all of them together.
    """

    def __init__(self, count: int = 1, threads: int = 1) -> None:
        self.count = count
        self._narrow = max(1, threads // count)
        self._wide = max(self._narrow, threads - (count - 1) * (self._narrow - 1))
        self._lanes: list[_Lane] = []
        self._beside: ThreadPoolExecutor | None = None

    @property
    def beside(self) -> Executor:
        """Where the next batch is tokenised while the model works: tokenizers work without Python's lock."""
        if self._beside is None:
            self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tart-tokenize")
        return self._beside

    def start(self, work: Callable[[], T], *, alone: bool = True) -> asyncio.Future[T]:
        """Gives the next free lane work, to be done after all that was given to it before.

        Args:
            work: Blocking.
            alone: Whether no other lane works, nor will at once: the first lane then takes the others' processors.
        """
        if not self._lanes:
            self._lanes = [_Lane(number) for number in range(self.count)]
        lane = min(self._lanes, key=lambda lane: lane.waiting)
        return lane.start(work, self._wide if alone and lane is self._lanes[0] else self._narrow)

    def tokenize(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """The same for the thread beside them."""
        return asyncio.get_running_loop().run_in_executor(self.beside, work)

    async def close(self) -> None:
        """Drops what has not begun and waits for the rest."""
        executors = [lane.executor for lane in self._lanes] + ([self._beside] if self._beside else [])
        self._lanes, self._beside = [], None
        for executor in executors:
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)


class _Lane:
    """One thread.

    Attributes:
        executor: Its own.
        waiting: Pieces of work that were given to it and have not ended.
    """

    def __init__(self, number: int) -> None:
        self.executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"tart-model-{number}")
        self.waiting = 0

    def start(self, work: Callable[[], T], threads: int) -> asyncio.Future[T]:
        self.waiting += 1
        running = asyncio.get_running_loop().run_in_executor(self.executor, _with_share, work, threads)
        running.add_done_callback(self._end)
        return running

    def _end(self, _: asyncio.Future[T]) -> None:
        self.waiting -= 1


def _with_share(work: Callable[[], T], threads: int) -> T:
    take_share(threads)
    return work()


def lanes_for(hardware: Hardware) -> int:
    """Lanes that suit a machine: a GPU works on one batch at a time, processors on as many as there are, up to four."""
    return min(hardware.threads, _MOST_LANES) if hardware.device == "cpu" else 1
