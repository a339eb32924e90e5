"""Memory and disk that this process may still take."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tart.control_groups import ROOT, ControlGroup, control_groups, lines, words

_PAGES_OF_FILES = ("inactive_file", "active_file")


class FreeMemory(NamedTuple):
    """Memory that can be had.

    Attributes:
        bytes: Without that which the process holds already.
        limit: What sets it, in words.
    """

    bytes: int
    limit: str


def free_memory(root: Path = ROOT) -> FreeMemory:
    """The least of what the machine has left and what control groups allow.

    Args:
        root: Where /proc and /sys are.
    """
    return min([_machine(root), *_control_groups(root)], key=lambda free: free.bytes)


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = words(Path("/proc/self/statm"))
    if pages:
        return int(pages[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak_resident()


def peak_resident() -> int:
    """The most bytes of memory that this process has held; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_disk(path: Path) -> int:
    """Bytes that may be written under a path that need not be there yet."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _machine(root: Path) -> FreeMemory:
    for line in lines(root / "proc/meminfo"):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return FreeMemory(int(value.split()[0]) * 1024, "the machine")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        # macOS does not tell what is left without a program of its own; caches there give way like those of Linux.
        return FreeMemory(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") - resident(), "the machine")
    return FreeMemory(sys.maxsize, "unknown")


def _control_groups(root: Path) -> Iterator[FreeMemory]:
    """What each control group around this process has left."""
    for group in control_groups("memory", root):
        left = _left(group)
        if left is not None:
            yield FreeMemory(left, "the control group (cgroup)")


def _left(group: ControlGroup) -> int | None:
    """The limit less what is used; pages of files are given up when memory is wanted, so they count as free."""
    names = ("memory.max", "memory.current") if group.unified else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    limit, usage = (words(group.folder / name) for name in names)
    if not limit or not usage or limit[0] == "max":
        return None
    stat = dict(line.split()[:2] for line in lines(group.folder / "memory.stat"))
    prefix = "" if group.unified else "total_"
    files = sum(int(stat.get(prefix + name, 0)) for name in _PAGES_OF_FILES)
    return max(int(limit[0]) - max(int(usage[0]) - files, 0), 0)
