"""The folder in which the workers of one service put their numbers, so that each of them can tell the numbers of all.

The supervisor makes it before it starts a worker: `prometheus_client` looks for it when it is imported, so a worker
must be a process that has not imported it yet, spawned and not forked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

# The library's own variable; processes that are started inherit it.
SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_metrics() -> Iterator[Path]:
    """Makes the folder, for as long as workers run."""
    before = os.environ.get(SHARED_FOLDER)
    with TemporaryDirectory(prefix="tart-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ[SHARED_FOLDER]
            else:
                os.environ[SHARED_FOLDER] = before


def forget_worker(process: int | None) -> None:
    """Drops what holds only while a worker lives, such as its queue; its counts stay, for counts never fall."""
    folder = os.environ.get(SHARED_FOLDER)
    if folder is not None:
        for file in Path(folder).glob(f"gauge_live*_{process}.db"):
            file.unlink(missing_ok=True)
