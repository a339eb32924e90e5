"""Memory and disk that this process may still take."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_ROOT = Path("/")
_PAGES_OF_FILES = ("inactive_file", "active_file")


class FreeMemory(NamedTuple):
    """Memory that can be had.

    Attributes:
        bytes: Without that which the process holds already.
        limit: What sets it, in words.
    """

    bytes: int
    limit: str


def free_memory(root: Path = _ROOT) -> FreeMemory:
    """The least of what the machine has left and what control groups allow.

    Args:
        root: Where /proc and /sys are.
    """
    return min([_machine(root), *_control_groups(root)], key=lambda free: free.bytes)


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = _words(Path("/proc/self/statm"))
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
    for line in _lines(root / "proc/meminfo"):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return FreeMemory(int(value.split()[0]) * 1024, "the machine")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        # macOS does not tell what is left without a program of its own; caches there give way like those of Linux.
        return FreeMemory(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") - resident(), "the machine")
    return FreeMemory(sys.maxsize, "unknown")


def _control_groups(root: Path) -> Iterator[FreeMemory]:
    """What each control group around this process, of version 1 or 2, has left."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            names = ("memory.max", "memory.current", "memory.stat")
            yield from _groups(root / "sys/fs/cgroup", path, names, "")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
            yield from _groups(root / "sys/fs/cgroup/memory", path, names, "total_")


def _groups(mount: Path, path: str, names: tuple[str, str, str], prefix: str) -> Iterator[FreeMemory]:
    group = mount / path.strip("/")
    # In a container the path may be that of the host, and the mount the container's own group.
    while True:
        limit, usage, stat = (group / name for name in names)
        free = _left(limit, usage, stat, prefix)
        if free is not None:
            yield FreeMemory(free, "the control group (cgroup)")
        if group == mount or mount not in group.parents:
            return
        group = group.parent


def _left(limit_file: Path, usage_file: Path, stat_file: Path, prefix: str) -> int | None:
    """The limit less what is used; pages of files are given up when memory is wanted, so they count as free."""
    limit, usage = _words(limit_file), _words(usage_file)
    if not limit or not usage or limit[0] == "max":
        return None
    stat = dict(line.split()[:2] for line in _lines(stat_file))
    files = sum(int(stat.get(prefix + name, 0)) for name in _PAGES_OF_FILES)
    return max(int(limit[0]) - max(int(usage[0]) - files, 0), 0)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError:
        return []


def _words(file: Path) -> list[str]:
    return " ".join(_lines(file)).split()
