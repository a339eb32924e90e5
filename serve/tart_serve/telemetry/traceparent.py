"""W3C Trace Context: the header `traceparent`, read as strictly as its recommendation asks."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import NamedTuple

_VERSION_00 = "00"
_SAMPLED = 1
_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class TraceContext(NamedTuple):
    """Where a request stands in a trace.

    Attributes:
        trace_id: 32 hexadecimal digits, of everything that happens on behalf of one cause.
        parent_id: 16 hexadecimal digits: the step of the caller; None where the trace begins here.
        span_id: 16 hexadecimal digits: this step.
        sampled: Whether the caller records the trace.
    """

    trace_id: str
    parent_id: str | None
    span_id: str
    sampled: bool

    @property
    def header(self) -> str:
        """As `traceparent` for whoever is called on behalf of this step, or `traceresponse` for the caller."""
        return f"{_VERSION_00}-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


def trace_context(given: Sequence[str]) -> TraceContext:
    """The context of a request: the caller's trace where it names one in due form, else a new one.

    Args:
        given: Every `traceparent` header of the request; more than one is as good as none.
    """
    parent = _parsed(given[0].strip(" \t")) if len(given) == 1 else None
    return parent or TraceContext(_random_id(16), None, _random_id(8), sampled=False)


def _parsed(header: str) -> TraceContext | None:
    match = _HEADER.fullmatch(header)
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    # Version ff is forbidden; 00 ends with its flags, of later ones only this beginning is known.
    if version == "ff" or (version == _VERSION_00 and more is not None):
        return None
    if not (trace_id.strip("0") and parent_id.strip("0")):
        return None
    return TraceContext(trace_id, parent_id, _random_id(8), sampled=bool(int(flags, 16) & _SAMPLED))


def _random_id(length: int) -> str:
    """Random bytes in hexadecimal, not all of them zero."""
    while not (random := secrets.token_hex(length)).strip("0"):
        pass
    return random
