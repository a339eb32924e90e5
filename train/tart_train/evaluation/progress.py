"""Progress of an evaluation on standard error: a bar on a terminal, nothing elsewhere; and how long each step took."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Step:
    """One step that goes on. Get one from `Steps.step`."""

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=total)
        self._lock = Lock()

    def done(self, items: int) -> None:
        """Moves on; may be called from a thread that reads ahead."""
        with self._lock:
            self._progress.advance(self._task, items)


class Steps:
    """The steps of an evaluation and the seconds that their kinds took. Get one from `steps`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Step]:
        """A bar while the block runs; the first word of its name is its kind."""
        started = time.perf_counter()
        step = Step(self._progress, name, total)
        try:
            yield step
        finally:
            self._progress.remove_task(step._task)
            self.seconds[name.split(maxsplit=1)[0]] += time.perf_counter() - started


@contextmanager
def steps() -> Iterator[Steps]:
    """Bars while the block runs; they leave no trace."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        yield Steps(progress)
