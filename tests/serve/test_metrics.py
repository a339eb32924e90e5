"""What the service counts and times, read back as Prometheus reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tart_index import Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.observer import Observer
from tart_serve.security.api_keys import ApiKey, Scope, key_digest
from tart_serve.security.settings import SecuritySettings
from tart_serve.service import Service
from tart_serve.telemetry.metrics import ServiceMetrics
from tart_serve.telemetry.shared_metrics import SHARED_FOLDER

ROOT = Path(__file__).parents[2]
SEARCH = {"query": "merge two dictionaries", "top_k": 1}


class Samples:
    """The numbers of one reply of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.types: dict[str, str] = {}
        self._values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text):
            self.types[family.name] = family.type
            for sample in family.samples:
                self._values[sample.name, frozenset(sample.labels.items())] = sample.value

    def __call__(self, name: str, /, **labels: str) -> float:
        return self._values.get((name, frozenset(labels.items())), 0.0)

    def labels(self, name: str) -> list[dict[str, str]]:
        """Of all samples of a name."""
        return [dict(labels) for found, labels in self._values if found == name]


def scrape(client: TestClient, headers: Mapping[str, str] | None = None) -> Samples:
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Samples(response.text)


def observed(observations: Iterable[Samples], name: str, **labels: str) -> list[float]:
    return [samples(f"{name}_count", **labels) for samples in observations]


@pytest.fixture
def counted(searcher: Searcher, notes: Searcher) -> TestClient:
    """A service that nobody has asked anything."""
    return TestClient(create_app({"code": searcher, "notes": notes}), raise_server_exceptions=False)


def test_requests_are_counted_by_route_and_code(counted: TestClient) -> None:
    before = scrape(counted)
    for _ in range(3):
        counted.post("/v1/search", json={**SEARCH, "index": "code"})
    counted.post("/v1/search", json={**SEARCH, "index": "none"})
    counted.post("/v1/search", json={**SEARCH, "top_k": 0})
    for path in ("/nope", "/v1/search/x", "/" + "a" * 500):
        counted.get(path)
    counted.get("/docs/swagger-ui.css")
    counted.get("/docs/nope")
    after = scrape(counted)
    name = "tart_http_request_duration_seconds"
    for labels, wanted in (
        ({"route": "/v1/search", "code": "200"}, 3),
        ({"route": "/v1/search", "code": "404"}, 1),
        ({"route": "/v1/search", "code": "422"}, 1),
        ({"route": "unmatched", "code": "404"}, 3),
        ({"route": "/docs/{asset}", "code": "200"}, 1),
        ({"route": "/docs/{asset}", "code": "404"}, 1),
        ({"route": "/metrics", "code": "200"}, 1),  # The first scrape; the second is not over yet.
    ):
        assert observed((before, after), name, **labels) == [0, wanted], labels
    assert {labels["route"] for labels in after.labels(f"{name}_count")} == {
        "/v1/search",
        "/docs/{asset}",
        "/metrics",
        "unmatched",
    }
    assert 0 < after(f"{name}_sum", route="/v1/search", code="200") < 60
    assert after(f"{name}_bucket", route="/v1/search", code="200", le="+Inf") == 3


def test_a_failure_inside_is_counted_as_500(
    counted: TestClient, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(searcher.encoder, "embed", fail)
    counted.post("/v1/embeddings", json={"input": "a", "model": "all-MiniLM-L6-v2"})
    assert scrape(counted)("tart_http_request_duration_seconds_count", route="/v1/embeddings", code="500") == 1


def test_the_indexes_that_are_served_now(counted: TestClient, searcher: Searcher, notes: Searcher) -> None:
    samples = scrape(counted)
    for name, one in (("code", searcher), ("notes", notes)):
        manifest = one.folder.manifest
        labels = {"version": str(manifest.version), "fingerprint": manifest.fingerprint, "factory": "Flat"}
        assert samples("tart_index_info", name=name, **labels) == 1
        assert samples("tart_index_vectors", name=name) == len(one.folder)


def test_what_the_engine_tells(counted: TestClient) -> None:
    service: Service = counted.app.state.service  # type: ignore[attr-defined]
    metrics: Observer = service.metrics  # It is one.
    before = scrape(counted)
    metrics.batch(3, 100)
    metrics.batch(1, 10)
    metrics.stage("encode", 0.25)
    metrics.stage("encode", 0.5)
    metrics.stage("queue", 0.0)
    metrics.rejected("queue_full")
    metrics.queue_depth(7)
    metrics.cache("vectors", 2, 5)
    service.metrics.reloaded("switched")
    service.metrics.reloaded("refused")
    after = scrape(counted)
    for name, labels, wanted in (
        ("tart_batch_size_count", {}, 2),
        ("tart_batch_size_sum", {}, 4),
        ("tart_batch_tokens_sum", {}, 110),
        ("tart_stage_duration_seconds_count", {"stage": "encode"}, 2),
        ("tart_stage_duration_seconds_sum", {"stage": "encode"}, 0.75),
        ("tart_stage_duration_seconds_bucket", {"stage": "encode", "le": "0.25"}, 1),
        ("tart_stage_duration_seconds_count", {"stage": "queue"}, 1),
        ("tart_rejected_total", {"reason": "queue_full"}, 1),
        ("tart_queue_depth", {}, 7),
        ("tart_cache_hits_total", {"cache": "vectors"}, 2),
        ("tart_cache_misses_total", {"cache": "vectors"}, 5),
        ("tart_index_reload_total", {"result": "switched"}, 1),
        ("tart_index_reload_total", {"result": "refused"}, 1),
    ):
        assert after(name, **labels) - before(name, **labels) == wanted, name


def test_names_and_types_are_those_that_are_promised(counted: TestClient) -> None:
    service: Service = counted.app.state.service  # type: ignore[attr-defined]
    service.metrics.request("/", 200, 0.1)
    types = scrape(counted).types
    assert types == {
        "tart_http_request_duration_seconds": "histogram",
        "tart_stage_duration_seconds": "histogram",
        "tart_batch_tokens": "histogram",
        "tart_batch_size": "histogram",
        "tart_queue_depth": "gauge",
        "tart_rejected": "counter",
        "tart_index_info": "gauge",
        "tart_index_vectors": "gauge",
        "tart_index_reload": "counter",
        "tart_cache_hits": "counter",
        "tart_cache_misses": "counter",
    }


def test_refusals_are_counted_by_reason(searcher: Searcher) -> None:
    line = ApiKey("a", Scope.READ, key_digest("k")).line
    security = SecuritySettings(key_lines=(line,), allowed_hosts=("testserver",))
    client = TestClient(create_app({"code": searcher}, ServiceSettings(max_body_bytes=100, security=security)))
    key = {"Authorization": "Bearer k"}
    client.post("/v1/search", json=SEARCH)
    client.get("/nope", headers={"Authorization": "Bearer wrong"})
    client.get("/nope", headers=key)
    client.get("/healthz", headers={"Host": "evil.example"})
    client.post("/v1/search", headers={**key, "Origin": "https://evil.example"})
    client.post("/v1/search", json={"query": "a" * 200}, headers=key)
    client.get("/healthz", headers={f"x-{number}": "1" for number in range(101)})
    samples = scrape(client, key)
    reasons = {
        labels["reason"]: samples("tart_rejected_total", **labels) for labels in samples.labels("tart_rejected_total")
    }
    assert reasons == {
        "unauthorized": 2,
        "forbidden": 1,
        "host": 1,
        "origin": 1,
        "body_too_large": 1,
        "head_too_large": 1,
    }
    assert client.get("/metrics").status_code == 401


def test_two_services_in_one_process_count_apart(searcher: Searcher) -> None:
    clients = [TestClient(create_app({"code": searcher})) for _ in range(2)]
    clients[0].get("/healthz")
    counts = [
        scrape(client)("tart_http_request_duration_seconds_count", route="/healthz", code="200") for client in clients
    ]
    assert counts == [1, 0]


WORKER = """
import json, sys
from tart_serve.telemetry.metrics import ServiceMetrics
metrics = ServiceMetrics()
for _ in range(int(sys.argv[1])):
    metrics.request("/v1/search", 200, 0.5)
metrics.queue_depth(int(sys.argv[1]))
metrics.rejected("queue_full")
print(json.dumps(metrics.exposition().decode()), flush=True)
sys.stdin.read()
print(json.dumps(metrics.exposition().decode()))
"""


def test_every_worker_tells_the_numbers_of_all(tmp_path: Path) -> None:
    path = os.pathsep.join(str(ROOT / part) for part in (".", "index", "serve"))
    environment = {**os.environ, SHARED_FOLDER: str(tmp_path), "PYTHONPATH": path}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(number)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in (2, 3)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline()  # Both have counted before either ends.
    for worker in workers:
        output, _ = worker.communicate(timeout=60)
        samples = Samples(json.loads(output))
        assert samples("tart_http_request_duration_seconds_count", route="/v1/search", code="200") == 5
        assert samples("tart_http_request_duration_seconds_sum", route="/v1/search", code="200") == 2.5
        assert samples("tart_rejected_total", reason="queue_full") == 2
        assert samples("tart_queue_depth") == 5


def test_metrics_are_a_table_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ServiceMetrics(), ServiceMetrics()
    first.rejected("draining")
    assert Samples(second.exposition().decode())("tart_rejected_total", reason="draining") == 0
