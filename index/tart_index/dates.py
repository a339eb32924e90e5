"""Dates in metadata: which strings are dates, and when."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:(Z)|([+-])(\d\d):?(\d\d))?)?", re.ASCII
)


def instant(text: str) -> int | None:
    """Microseconds since 1970 of a full ISO 8601 date, or date and time; None for any other text.

    A date alone is its midnight, a time without an offset is taken as UTC, digits past the microsecond are cut.
    """
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, hours, minutes = match.groups("0")
    if int(hours) > 23 or int(minutes) > 59:
        return None
    parts = [int(part) for part in (year, month, day, hour, minute, second, fraction[:6].ljust(6, "0"))]
    try:
        moment = datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    offset = (int(hours) * 60 + int(minutes)) * 60_000_000
    return (moment - _EPOCH) // _MICROSECOND + (offset if sign == "-" else -offset)
