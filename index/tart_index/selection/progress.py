"""Stages of a selection on standard error: bars on a terminal, sentences anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class StageBar:
    """Shows one stage at a time. Get one from `stage_bar`."""

    def __init__(self, progress: Progress, *, quiet: bool) -> None:
        self._progress = progress
        self._quiet = quiet
        self._task: TaskID | None = None

    def start(self, stage: str, total: int | None) -> None:
        """Puts another stage in the place of the last."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(stage, total=total)

    def done(self, rows: int) -> None:
        """Moves on."""
        if self._task is not None:
            self._progress.advance(self._task, rows)

    def say(self, sentence: str) -> None:
        """Prints a line."""
        if not self._quiet:
            click.echo(sentence, err=True)


@contextmanager
def stage_bar(*, quiet: bool = False) -> Iterator[StageBar]:
    """Bars while the block runs; they leave no trace."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield StageBar(progress, quiet=quiet)
