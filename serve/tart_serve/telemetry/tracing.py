"""Spans of requests, exported by OpenTelemetry where that is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from tart.errors import DependencyError
from tart_serve.telemetry.finished_request import FinishedRequest
from tart_serve.telemetry.settings import TelemetrySettings
from tart_serve.telemetry.traceparent import TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_NANOSECONDS = 1_000_000_000


class OpenSpan(Protocol):
    """The span of a request that is being answered."""

    @property
    def trace(self) -> TraceContext:
        """The ids that logs and replies tell."""

    def end(self, request: FinishedRequest) -> None:
        """The request was answered."""


class Tracing(Protocol):
    """Records spans."""

    def begin(self, method: str, trace: TraceContext) -> OpenSpan:
        """A request has come."""

    def close(self) -> None:
        """Sends what has not been sent."""


class _UnrecordedSpan:
    def __init__(self, trace: TraceContext) -> None:
        self.trace = trace

    def end(self, request: FinishedRequest) -> None:
        """Records nothing."""


class NoTracing:
    """Records nothing; the ids of traces are passed on all the same."""

    def begin(self, method: str, trace: TraceContext) -> OpenSpan:
        """A request has come."""
        return _UnrecordedSpan(trace)

    def close(self) -> None:
        """There is nothing to send."""


class OtelTracing:
    """Spans of OpenTelemetry: one a request, and one for each stage of the engine below it.

    Args:
        provider: Of tracers; it samples and exports.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("tart_serve")

    def begin(self, method: str, trace: TraceContext) -> OpenSpan:
        """A request has come; its span follows that of the caller."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        context = set_span_in_context(_remote(trace)) if trace.parent_id else None
        return _RecordedSpan(self._tracer, self._tracer.start_span(method, context, SpanKind.SERVER), trace)

    def close(self) -> None:
        """Sends what has not been sent."""
        self._provider.shutdown()


class _RecordedSpan:
    def __init__(self, tracer: Tracer, span: Span, trace: TraceContext) -> None:
        ids = span.get_span_context()
        self._tracer = tracer
        self._span = span
        self.trace = TraceContext(
            f"{ids.trace_id:032x}", trace.parent_id, f"{ids.span_id:016x}", ids.trace_flags.sampled
        )

    def end(self, request: FinishedRequest) -> None:
        """The request was answered."""
        from opentelemetry.trace import StatusCode

        self._span.update_name(f"{request.method} {request.route}")
        self._span.set_attributes(
            {
                "http.request.method": request.method,
                "http.route": request.route,
                "http.response.status_code": request.status,
                "tart.request_id": request.request_id,
            }
        )
        if request.status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._record_stages(request.stages)
        self._span.end()

    def _record_stages(self, stages: Mapping[str, float]) -> None:
        """Lays the stages end to end from the request's beginning; they were told only by how long they took."""
        from opentelemetry.trace import set_span_in_context

        begin = getattr(self._span, "start_time", None)
        if begin is None:  # A span that is not sampled keeps no time.
            return
        context = set_span_in_context(self._span)
        for name, milliseconds in stages.items():
            end = begin + round(milliseconds / 1_000 * _NANOSECONDS)
            self._tracer.start_span(name, context, start_time=begin).end(end)
            begin = end


def tracing_for(settings: TelemetrySettings) -> Tracing:
    """What the settings ask for.

    Raises:
        DependencyError: They ask for OpenTelemetry, and it is not installed.
    """
    return OtelTracing(exporting_provider()) if settings.otel else NoTracing()


def exporting_provider() -> TracerProvider:
    """Sends spans in batches by OTLP over HTTP, as OpenTelemetry's own environment variables say.

    Raises:
        DependencyError: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise DependencyError(
            "traces need OpenTelemetry, which is not installed: pip install 'tart-retrieval[otel]', or say --no-otel"
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME", "tart")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _remote(trace: TraceContext) -> Span:
    """The caller's span, as far as its header tells."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    flags = TraceFlags(TraceFlags.SAMPLED if trace.sampled else TraceFlags.DEFAULT)
    assert trace.parent_id is not None
    return NonRecordingSpan(
        SpanContext(int(trace.trace_id, 16), int(trace.parent_id, 16), is_remote=True, trace_flags=flags)
    )
