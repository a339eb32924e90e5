"""A plan: what a command is about to take of time, memory and disk, and what is there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tart.errors import IndexFolderError
from tart_index.planning.machine import FreeMemory, free_disk, free_memory, resident
from tart_index.planning.words import durations, size

OVERRIDE = "--despite-shortage"


class Stage(NamedTuple):
    """A piece of the work.

    Attributes:
        name: Of it.
        least: Seconds, if all goes well.
        most: Seconds, on the careful side.
    """

    name: str
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Estimates for one run of one command.

    Attributes:
        path: The index folder.
        work: What is to be done, in words.
        stages: In their order.
        memory: Bytes that the process will hold at its peak.
        disk: Bytes that will be written and stay, older versions left aside.
        memory_there: Bytes that the process can hold.
        memory_limit: What sets that, in words.
        disk_there: Bytes that are free.
    """

    path: Path
    work: str
    stages: tuple[Stage, ...]
    memory: int
    disk: int
    memory_there: int
    memory_limit: str
    disk_there: int

    @classmethod
    def of(cls, path: Path, work: str, stages: list[Stage], more_memory: int, disk: int) -> Plan:
        """A plan on this machine as it is now.

        Args:
            path: The index folder.
            work: What is to be done, in words.
            stages: In their order.
            more_memory: Bytes that the process will hold besides those that it holds now.
            disk: Bytes that will be written.
        """
        held = resident()
        free: FreeMemory = free_memory()
        there = free.bytes + held
        return cls(path, work, tuple(stages), held + more_memory, disk, there, free.limit, free_disk(path))

    @property
    def least(self) -> float:
        """Seconds of all stages, if all goes well."""
        return sum(stage.least for stage in self.stages)

    @property
    def most(self) -> float:
        """Seconds of all stages, on the careful side."""
        return sum(stage.most for stage in self.stages)

    def refuse_shortage(self) -> None:
        """Refuses a plan that cannot be carried out here.

        Raises:
            IndexFolderError: Memory or disk is too small.
        """
        if self.disk > self.disk_there:
            raise IndexFolderError(
                f"{self.path}: about {size(self.disk)} of disk are needed, {size(self.disk_there)} are free; free some "
                f"space, choose another disk, or start all the same: {OVERRIDE}"
            )
        if self.memory > self.memory_there:
            raise IndexFolderError(
                f"{self.path}: about {size(self.memory)} of memory are needed, {size(self.memory_there)} can be had of "
                f"{self.memory_limit}; end other programs, raise the limit, ask for a smaller structure (--memory), or "
                f"start all the same: {OVERRIDE}"
            )

    def lines(self) -> list[str]:
        """The plan for people."""
        parts = [f"{stage.name} {durations(stage.least, stage.most)}" for stage in self.stages]
        detail = f" ({', '.join(parts)})" if len(parts) > 1 else ""
        return [
            f"plan    {self.work}",
            f"time    about {durations(self.least, self.most)}{detail}",
            f"memory  about {size(self.memory)}; {size(self.memory_there)} can be had of {self.memory_limit}",
            f"disk    about {size(self.disk)}; {size(self.disk_there)} are free",
        ]

    def as_json(self) -> dict[str, Any]:
        """The plan for machines: seconds and bytes."""
        body = asdict(self)
        body |= {"path": str(self.path), "least_seconds": round(self.least, 1), "most_seconds": round(self.most, 1)}
        body["stages"] = [
            {"name": name, "least": round(least, 1), "most": round(most, 1)} for name, least, most in self.stages
        ]
        return body
