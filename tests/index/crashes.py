"""A process that ends at any step that changes the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# The methods of Path and not what they call in os, which Python 3.10 binds when pathlib is imported.
_STEPS: tuple[tuple[Any, str], ...] = (
    (os, "fsync"),
    (os, "link"),
    (Path, "rename"),
    (Path, "replace"),
    (Path, "mkdir"),
    (Path, "unlink"),
    (np, "save"),
    (shutil, "rmtree"),
)


class Crash(BaseException):
    """The process ends here."""


@contextmanager
def crashing(at: int) -> Iterator[Callable[[], int]]:
    """Ends the process, as it were, at the n-th step that changes the disk; gives how many steps there were."""
    steps = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == at:
                raise Crash
            return real(*arguments, **named)

        return step

    with pytest.MonkeyPatch.context() as patched:
        for module, name in _STEPS:
            patched.setattr(module, name, counted(getattr(module, name)))
        with suppress(Crash):
            yield lambda: steps


def every_crash(work: Callable[[int], Callable[[], object]]) -> Iterator[int]:
    """Runs some work again and again, ending it one step later each time, until it gets through.

    Args:
        work: Prepares the n-th run and gives what to run.

    Yields:
        The number of each run that was ended.
    """
    at = 0
    while True:
        at += 1
        run = work(at)
        with crashing(at) as steps:
            run()
        if steps() < at:
            return
        yield at
