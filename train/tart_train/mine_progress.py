"""Progress of mining on standard error: the step and the texts embedded; silent where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn


class Steps:
    """Shows what goes on. Get one from `steps`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None)

    def step(self, name: str) -> None:
        """Begins a step."""
        self._progress.update(self._task, description=name)

    def texts(self, count: int) -> None:
        """Counts texts that were embedded."""
        self._progress.advance(self._task, count)


@contextmanager
def steps() -> Iterator[Steps]:
    """A line while the block runs; it leaves no trace."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f} texts embedded"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield Steps(progress)
