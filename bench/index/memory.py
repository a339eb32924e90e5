"""Memory of this process; imported by the peers' scripts too, so it needs the standard library only."""

from __future__ import annotations

import threading
from pathlib import Path


def resident() -> dict[str, float]:
    """Resident MiB: the process's own, and pages of mapped files, which the system may take back."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    own, mapped = (int(fields[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return {"own": own, "mapped": mapped}


def growth(before: dict[str, float]) -> dict[str, float]:
    """MiB more than before."""
    return {name: mib - before[name] for name, mib in resident().items()}


class Peak:
    """The most memory of the process's own since it was made, sampled in a thread."""

    def __init__(self, every: float = 0.02) -> None:
        self._base = resident()["own"]
        self._every = every
        self._most = self._base
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._ended.wait(self._every):
            self._most = max(self._most, resident()["own"])

    def mib(self) -> float:
        """MiB more than at the start; begins anew."""
        most = max(self._most, resident()["own"])
        self._most = resident()["own"]
        return most - self._base

    def end(self) -> None:
        """Samples no more."""
        self._ended.set()
        self._thread.join()
