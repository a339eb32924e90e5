"""Progress of a build on standard error: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    track,
)

T = TypeVar("T")


class BuildBar:
    """Shows how a build goes on, with documents per second and the time that is left. Get one from `build_bar`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("checking", total=None, rate="")

    def checked(self, documents: int) -> None:
        """Moves on by documents that were read and found good."""
        self._progress.advance(self._task, documents)

    def start(self, total: int | None) -> None:
        """Begins the bar of embedded documents."""
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task("embedding", total=total, rate="")

    def done(self, documents: int) -> None:
        """Moves on by documents that are embedded."""
        self._progress.advance(self._task, documents)
        speed = self._progress.tasks[0].speed
        self._progress.update(self._task, rate=f"{speed:,.0f} documents/s" if speed else "")


@contextmanager
def build_bar() -> Iterator[BuildBar]:
    """A bar while the block runs; it leaves no trace."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield BuildBar(progress)


def tracked(items: Iterable[T], total: int, description: str) -> Iterator[T]:
    """The items, with a bar while they come."""
    console = Console(stderr=True)
    silent = not console.is_terminal
    yield from track(items, description, total=total, console=console, transient=True, disable=silent)
