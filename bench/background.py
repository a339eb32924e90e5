"""Work in threads beside a measurement, from the beginning of a `with` block to its end."""

from __future__ import annotations

import threading
from types import TracebackType

from typing_extensions import Self


class Background:
    """Runs `work` in threads until the block ends; `work` looks at `ended`, or waits for it.

    Args:
        threads: How many run it.
    """

    def __init__(self, threads: int = 1) -> None:
        self.ended = threading.Event()
        self._threads = [threading.Thread(target=self.work, args=(one,), daemon=True) for one in range(threads)]

    def work(self, number: int) -> None:
        """What a thread does; `number` counts them from 0."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join()
