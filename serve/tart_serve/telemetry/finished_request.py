"""What is known of a request when it has been answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tart_serve.telemetry.traceparent import TraceContext


class FinishedRequest(NamedTuple):
    """A request that was answered.

    Attributes:
        request_id: As in the reply.
        trace: Where it stands in a trace.
        method: Of HTTP.
        route: The template of its path, or "unmatched".
        status: Of the reply; 499 where the client left before it.
        seconds: From its head to the reply's end.
        stages: Milliseconds of each stage of the engine, where it got there.
        key: Name of its API key, where keys are asked for.
        scope: Of that key.
    """

    request_id: str
    trace: TraceContext
    method: str
    route: str
    status: int
    seconds: float
    stages: Mapping[str, float]
    key: str | None
    scope: str | None
