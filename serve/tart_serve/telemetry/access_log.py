"""One line of the log a request. It holds no query, no instruction, no key and no address of a client."""

from __future__ import annotations

import logging
from typing import Any

from tart_serve.telemetry.finished_request import FinishedRequest
from tart_serve.telemetry.json_log import FIELDS

_LOG = logging.getLogger("tart_serve.access")
# Asked every few seconds by machines, for ever.
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


def log_access(request: FinishedRequest) -> None:
    """Writes the line: of a failure inside the service as an error, of a probe that went well only for debugging."""
    level = _level(request)
    if _LOG.isEnabledFor(level):
        _LOG.log(level, "%s %s", request.method, request.route, extra={FIELDS: _fields(request)})


def _level(request: FinishedRequest) -> int:
    if request.status >= 500 and request.status != 503:
        return logging.ERROR
    return logging.DEBUG if request.route in _PROBES and request.status == 200 else logging.INFO


def _fields(request: FinishedRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "request_id": request.request_id,
        "trace_id": request.trace.trace_id,
        "span_id": request.trace.span_id,
        "method": request.method,
        "route": request.route,
        "status": request.status,
        "ms": round(request.seconds * 1_000, 3),
    }
    if request.key is not None:
        fields |= {"key": request.key, "scope": request.scope}
    if request.stages:
        fields["stages_ms"] = dict(request.stages)
    return fields
