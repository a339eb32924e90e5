"""What a run really took, beside its plan."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tart_index.folder import MANIFEST
from tart_index.planning.machine import peak_resident
from tart_index.planning.plan import Plan
from tart_index.planning.words import durations, size


class Outcome(NamedTuple):
    """What was taken.

    Attributes:
        plan: The estimates.
        seconds: Since the plan.
        memory: Bytes that the process held at its peak, from its start.
        disk: Bytes of the files that were made.
    """

    plan: Plan
    seconds: float
    memory: int
    disk: int

    def line(self) -> str:
        """The outcome for people, so that the plan can be judged."""
        return (
            f"took {self.seconds:,.0f} s (planned {durations(self.plan.least, self.plan.most)}), "
            f"memory {size(self.memory)} (planned {size(self.plan.memory)}), "
            f"disk {size(self.disk)} (planned {size(self.plan.disk)})"
        )

    def as_json(self) -> dict[str, Any]:
        """The outcome for machines: seconds and bytes."""
        return {"seconds": round(self.seconds, 1), "memory": self.memory, "disk": self.disk}


class Watch:
    """Looks at a run from its plan on."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._started = time.perf_counter()
        self._before = set(_files(plan.path))

    def outcome(self) -> Outcome:
        """What was taken up to now."""
        made = [file for file in _files(self.plan.path) if file not in self._before or file.name == MANIFEST]
        disk = sum(file.stat().st_size for file in made)
        return Outcome(self.plan, time.perf_counter() - self._started, peak_resident(), disk)


def _files(path: Path) -> Iterator[Path]:
    return (file for file in path.rglob("*") if file.is_file())
