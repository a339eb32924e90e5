"""The log: lines of JSON, one a request, that tell nothing of what was asked."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any, TypeAlias

import pytest
from starlette.testclient import TestClient

from tart.errors import TartError
from tart_index import Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.security.api_keys import ApiKey, Scope, key_digest
from tart_serve.security.settings import SecuritySettings
from tart_serve.telemetry.json_log import FIELDS, JsonFormatter, configure_logging
from tart_serve.telemetry.settings import TelemetrySettings

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LogAt: TypeAlias = Callable[[str], Callable[[], list[dict[str, Any]]]]


@pytest.fixture
def log_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[LogAt]:
    """Sets the log up at a level; what that returns reads the lines so far."""
    handlers, level = logging.root.handlers, logging.root.level
    ours = logging.getLogger("tart_serve")
    our_level = ours.level
    written = io.StringIO()

    def configure(wanted: str) -> Callable[[], list[dict[str, Any]]]:
        monkeypatch.setattr(sys, "stderr", written)
        configure_logging(wanted)
        return lambda: [json.loads(line) for line in written.getvalue().splitlines()]

    yield configure
    logging.root.handlers = handlers
    logging.root.setLevel(level)
    ours.setLevel(our_level)


@pytest.fixture
def keyed(searcher: Searcher) -> TestClient:
    line = ApiKey("laptop", Scope.READ, key_digest("k-secret")).line
    settings = ServiceSettings(security=SecuritySettings(key_lines=(line,)))
    return TestClient(create_app({"code": searcher}, settings), raise_server_exceptions=False)


def test_one_line_a_request(keyed: TestClient, log_at: LogAt) -> None:
    lines = log_at("info")
    headers = {"Authorization": "Bearer k-secret", "X-Request-ID": "mine", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    body = {"query": "query-secret", "instruction": "instruction-secret"}
    response = keyed.post("/v1/search?q=url-secret", json=body, headers=headers)
    assert response.status_code == 200
    [line] = lines()
    assert line["message"] == "POST /v1/search"
    assert datetime.fromisoformat(line["time"].replace("Z", "+00:00")).tzinfo == timezone.utc
    assert line["time"].endswith("Z")
    expected = {
        "level": "info",
        "logger": "tart_serve.access",
        "request_id": "mine",
        "trace_id": TRACE,
        "method": "POST",
        "route": "/v1/search",
        "status": 200,
        "key": "laptop",
        "scope": "read",
    }
    assert {name: line[name] for name in expected} == expected
    assert line["span_id"] == response.headers["traceresponse"].split("-")[2]
    assert line["stages_ms"] == response.json()["timing_ms"]
    assert line["ms"] >= sum(line["stages_ms"].values())
    assert "secret" not in json.dumps(line)


def test_refusals_have_their_line_too(keyed: TestClient, log_at: LogAt) -> None:
    lines = log_at("info")
    keyed.post("/v1/search", headers={"Authorization": "Bearer wrong-secret"})
    keyed.post("/v1/indexes/code/documents", headers={"Authorization": "Bearer k-secret"})
    keyed.get("/no-secret-path")
    found = [(line["route"], line["status"], line.get("key")) for line in lines()]
    assert found == [
        ("/v1/search", 401, None),
        ("/v1/indexes/{name}/documents", 403, "laptop"),
        ("unmatched", 401, None),
    ]
    assert len({line["trace_id"] for line in lines()}) == 3
    assert "secret" not in json.dumps(lines())


def test_probes_that_went_well_are_for_debugging_only(keyed: TestClient, log_at: LogAt) -> None:
    lines = log_at("info")
    for path in ("/healthz", "/metrics"):
        keyed.get(path, headers={"Authorization": "Bearer k-secret"})
    assert lines() == []
    keyed.get("/metrics")
    assert [(line["route"], line["status"]) for line in lines()] == [("/metrics", 401)]


def test_probes_are_heard_when_debugging(keyed: TestClient, log_at: LogAt) -> None:
    lines = log_at("debug")
    keyed.get("/healthz")
    assert [(line["route"], line["level"]) for line in lines()] == [("/healthz", "debug")]


def test_a_failure_inside_is_an_error_line(
    keyed: TestClient, searcher: Searcher, monkeypatch: pytest.MonkeyPatch, log_at: LogAt
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    lines = log_at("error")
    monkeypatch.setattr(searcher, "answer", fail)
    keyed.get("/healthz")
    reply = keyed.post("/v1/search", json={"query": "a"}, headers={"Authorization": "Bearer k-secret"})
    assert [line["status"] for line in lines() if line["logger"] == "tart_serve.access"] == [500]
    assert all(line["level"] == "error" for line in lines())
    assert all(reply.json()["request_id"] in json.dumps(line) for line in lines())


def test_below_its_level_nothing_is_written(keyed: TestClient, log_at: LogAt) -> None:
    lines = log_at("warning")
    keyed.post("/v1/search", json={"query": "a"})
    assert lines() == []


def test_a_record_is_one_line_whatever_it_holds() -> None:
    try:
        int("first\nsecond")
    except ValueError:
        record = logging.LogRecord("a", logging.WARNING, "", 1, "x\n%s \x1b[31m", ("é\u2028",), sys.exc_info())
    setattr(record, FIELDS, {"request_id": 'a"b', "when": datetime(2026, 1, 1, tzinfo=timezone.utc)})
    text = JsonFormatter().format(record)
    assert len(text.splitlines()) == 1
    assert text.isascii()
    line = json.loads(text)
    assert (line["message"], line["request_id"]) == ("x\né\u2028 \x1b[31m", 'a"b')
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: invalid literal for int() with base 10: 'first\\nsecond'")
    assert line["when"] == "2026-01-01 00:00:00+00:00"


def test_libraries_are_heard_from_warnings_on(log_at: LogAt) -> None:
    lines = log_at("debug")
    for name in ("some.library", "tart_serve.x"):
        logging.getLogger(name).info("said by %s", name)
        logging.getLogger(name).warning("warned by %s", name)
    assert [line["message"] for line in lines()] == [
        "warned by some.library",
        "said by tart_serve.x",
        "warned by tart_serve.x",
    ]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(TartError, match="log level 'loud'; wanted one of debug, info, warning, error"):
        TelemetrySettings(log_level="loud")  # type: ignore[arg-type]
