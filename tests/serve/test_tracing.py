"""Spans, as OpenTelemetry gets them."""

from __future__ import annotations

import sys

import pytest
from starlette.testclient import TestClient

from tart.errors import DependencyError
from tart_index import Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.telemetry import tracing
from tart_serve.telemetry.settings import TelemetrySettings

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry, the extra `otel`, is not installed")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = ServiceSettings(telemetry=TelemetrySettings(otel=True))


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What would have been sent."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "exporting_provider", lambda: provider)
    return exporter


@pytest.fixture
def traced(searcher: Searcher, exporter: InMemorySpanExporter) -> TestClient:
    return TestClient(create_app({"code": searcher}, TRACED), raise_server_exceptions=False)


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_a_search_is_one_span_and_one_below_it_for_each_stage(
    traced: TestClient, exporter: InMemorySpanExporter
) -> None:
    response = traced.post(
        "/v1/search", json={"query": "merge"}, headers={"traceparent": f"00-{TRACE}-{SPAN}-01", "X-Request-ID": "mine"}
    )
    *stages, request = exporter.get_finished_spans()
    assert (request.name, request.kind) == ("POST /v1/search", SpanKind.SERVER)
    assert request.parent is not None
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, SPAN)
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/search",
        "http.response.status_code": 200,
        "tart.request_id": "mine",
    }
    assert response.headers["traceresponse"] == f"00-{TRACE}-{request.context.span_id:016x}-01"
    timing = response.json()["timing_ms"]
    assert [stage.name for stage in stages] == list(timing)
    begin = request.start_time
    for stage in stages:
        assert stage.parent is not None
        assert stage.parent.span_id == request.context.span_id
        assert stage.start_time == begin
        assert seconds(stage) * 1_000 == pytest.approx(timing[stage.name], abs=1e-5)
        begin = stage.end_time


def test_a_trace_begins_where_the_caller_has_none(traced: TestClient, exporter: InMemorySpanExporter) -> None:
    response = traced.get("/healthz")
    [span] = exporter.get_finished_spans()
    assert (span.name, span.parent) == ("GET /healthz", None)
    assert "traceresponse" not in response.headers


def test_a_trace_that_the_caller_does_not_record_is_not_recorded(
    traced: TestClient, exporter: InMemorySpanExporter
) -> None:
    response = traced.post("/v1/search", json={"query": "a"}, headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
    assert exporter.get_finished_spans() == ()
    assert response.headers["traceresponse"].startswith(f"00-{TRACE}-")
    assert response.headers["traceresponse"].endswith("-00")


def test_a_failure_inside_is_an_error_and_a_refusal_is_not(
    traced: TestClient, exporter: InMemorySpanExporter, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    traced.get("/nope")
    monkeypatch.setattr(searcher, "answer", fail)
    traced.post("/v1/search", json={"query": "a"})
    refused, failed = exporter.get_finished_spans()
    assert (refused.name, refused.status.status_code) == ("GET unmatched", StatusCode.UNSET)
    assert failed.status.status_code is StatusCode.ERROR
    assert "secret" not in failed.to_json()


def test_the_exporter_is_shut_down_with_the_service(searcher: Searcher, exporter: InMemorySpanExporter) -> None:
    with TestClient(create_app({"code": searcher}, TRACED)) as client:
        client.get("/healthz")
    assert len(exporter.get_finished_spans()) == 1
    assert exporter._stopped


def test_the_real_exporter_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the exporter is not installed")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "my-search")
    provider = tracing.exporting_provider()
    assert provider.resource.attributes["service.name"] == "my-search"
    provider.shutdown()


def test_without_the_library_it_says_what_to_install(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("opentelemetry.sdk")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter", None)
    with pytest.raises(DependencyError, match=r"tart-retrieval\[otel\]"):
        create_app({"code": searcher}, TRACED)
