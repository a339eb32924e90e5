"""The control groups (cgroup) of Linux around this process: what a container or a service may use."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")


class ControlGroup(NamedTuple):
    """One group.

    Attributes:
        folder: Of its files.
        unified: Whether it is of version 2.
    """

    folder: Path
    unified: bool


def control_groups(controller: str, root: Path = ROOT) -> Iterator[ControlGroup]:
    """The groups that a controller sees this process in, from the inside to the outside; none elsewhere than on Linux.

    Args:
        controller: "memory" or "cpu".
        root: Where /proc and /sys are.
    """
    mount = root / "sys/fs/cgroup"
    for line in lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _upwards(mount, path, unified=True)
        elif controller in controllers.split(","):
            yield from _upwards(mount / controller, path, unified=False)


def allowed_cpus(root: Path = ROOT) -> int | None:
    """Processors whose time the groups allow, rounded up; None where they set no limit.

    Args:
        root: Where /proc and /sys are.
    """
    shares = [share for group in control_groups("cpu", root) if (share := _cpus(group)) is not None]
    return max(math.ceil(min(shares)), 1) if shares else None


def lines(file: Path) -> list[str]:
    """Of a file of the system; none where it cannot be read."""
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError:
        return []


def words(file: Path) -> list[str]:
    """The same, cut at white space."""
    return " ".join(lines(file)).split()


def _upwards(mount: Path, path: str, *, unified: bool) -> Iterator[ControlGroup]:
    # In a container the path may be that of the host, where the mount is the container's own group.
    inside = [name for name in path.split("/") if name not in ("", "..")]
    for depth in range(len(inside), -1, -1):
        yield ControlGroup(mount.joinpath(*inside[:depth]), unified)


def _cpus(group: ControlGroup) -> float | None:
    if group.unified:
        quota = words(group.folder / "cpu.max")
    else:
        quota = words(group.folder / "cpu.cfs_quota_us") + words(group.folder / "cpu.cfs_period_us")
    if len(quota) < 2 or quota[0] in ("max", "-1"):
        return None
    return int(quota[0]) / int(quota[1])
