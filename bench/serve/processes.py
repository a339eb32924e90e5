"""Servers as child processes: started, found ready, measured as a whole tree, ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from typing_extensions import Self

sys.path.insert(0, str(Path(__file__).parents[1]))
from background import Background

ROOT = Path(__file__).parents[2]
_START_SECONDS = 300.0
_MEBIBYTE = 2**20


class Usage(NamedTuple):
    """What a tree of processes holds: resident and proportional memory in MiB, open file handles, threads."""

    rss: float
    pss: float
    handles: int
    threads: int


class Server:
    """A child process that listens on loopback.

    Attributes:
        url: Where.
        process: The first of its tree.
        errors: A file of what it wrote to its standard error.
    """

    def __init__(self, command: Sequence[str], url: str | None, alive: str, environment: Mapping[str, str]) -> None:
        self.errors = Path(tempfile.mkstemp(suffix=".log")[1])
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **environment}
            )
        self.url = url or self._told_url()
        # What it says further is read and dropped, or a full pipe would stop it.
        assert self.process.stdout is not None
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self._wait_until_answered(self.url + alive)

    def _told_url(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"http://[\w.\[\]:]+:\d+", line):
                return found[0]
        raise RuntimeError(f"the server ended before it listened: {self.errors.read_text()[-2_000:]}")

    def _wait_until_answered(self, url: str) -> None:
        ends = time.monotonic() + _START_SECONDS
        while not answers(url):
            if self.process.poll() is not None or time.monotonic() > ends:
                self.stop()
                raise RuntimeError(f"{url} does not answer: {self.errors.read_text()[-2_000:]}")
            time.sleep(0.2)

    def usage(self) -> Usage:
        """Of the whole tree, now."""
        return usage(self.process.pid)

    def stop(self) -> int:
        """Ends it with SIGTERM, after a minute by force; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            for pid in tree(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return self.process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.errors.unlink(missing_ok=True)


def tart_server(index: Path, *options: str) -> Server:
    """`tart serve` on a free port, verified and ready."""
    command = [sys.executable, "-m", "tart", "serve", str(index), "--port", "0", *options]
    path = os.pathsep.join(str(ROOT / part) for part in (".", "index", "train", "serve"))
    return Server(command, None, "/readyz", {"PYTHONPATH": path})


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urlopen(url, timeout=10) as reply:  # noqa: S310 (loopback)
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False


def free_port() -> int:
    """For servers that cannot be told to take any; another program could take it first, and the start then fails."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    return found


def usage(pid: int) -> Usage:
    """Of a process and all its descendants; one that ends meanwhile counts for nothing."""
    rss = pss = 0.0
    handles = threads = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            rollup = (Path(f"/proc/{one}") / "smaps_rollup").read_text()
            rss += _kibibytes(rollup, "Rss") * 1_024 / _MEBIBYTE
            pss += _kibibytes(rollup, "Pss") * 1_024 / _MEBIBYTE
            handles += len(list(Path(f"/proc/{one}/fd").iterdir()))
            threads += len(list(Path(f"/proc/{one}/task").iterdir()))
    return Usage(rss, pss, handles, threads)


class Watch(Background):
    """Notes the usage of a server every so often, in a thread."""

    def __init__(self, server: Server, every: float) -> None:
        super().__init__()
        self.samples: list[tuple[float, Usage]] = []
        self._server = server
        self._every = every

    def work(self, number: int) -> None:
        """Notes until the block ends."""
        started = time.monotonic()
        while True:
            self.samples.append((time.monotonic() - started, self._server.usage()))
            if self.ended.wait(self._every):
                return


def _kibibytes(rollup: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", rollup, re.MULTILINE)
    return float(found[1]) if found else 0.0
