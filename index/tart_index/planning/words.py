"""Times and sizes in words."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def duration(seconds: float) -> str:
    """A time in words."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def durations(low: float, high: float) -> str:
    """A range of times, or one time where both say the same."""
    first, last = duration(low), duration(high)
    return first if first == last else f"{first} to {last}"


def size(count: float) -> str:
    """Bytes in words."""
    for unit in _UNITS:
        count /= 1024
        if count < 1024 or unit == _UNITS[-1]:
            break
    return f"{count:,.1f} {unit}" if count < 100 else f"{count:,.0f} {unit}"
