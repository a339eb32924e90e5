"""Progress of a build on standard error: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class BuildBar:
    """Shows how a build goes on, with documents per second and the time that is left."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not Console(stderr=True).is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("checking", total=None, rate="")

    def __enter__(self) -> BuildBar:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

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
