from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from tart import Encoder
from tart_index import IndexFolder, Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.caller import Caller, working_for
from tart_serve.service import Service


@pytest.fixture
def damaged(code_folder: Path, encoder: Encoder, tmp_path: Path) -> Searcher:
    """An index whose vectors changed on disk after it was opened."""
    folder = Path(shutil.copytree(code_folder, tmp_path / "secret-place"))
    searcher = Searcher(IndexFolder.open(folder), encoder)
    file = next(folder.glob("parts/*/vectors.npy"))
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    return searcher


def verify(client: TestClient) -> None:
    assert client.portal is not None
    client.portal.call(service_of(client).readiness.verify)


def service_of(client: TestClient) -> Service:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    return service


@pytest.fixture
def impatient(searcher: Searcher) -> Iterator[TestClient]:
    """A service whose canaries have next to no time."""
    with TestClient(create_app({"code": searcher}, ServiceSettings(ready_deadline=0.05))) as client:
        yield client


def test_the_process_is_alive_before_anything_else(searcher: Searcher) -> None:
    response = TestClient(create_app({"code": searcher})).get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_it_is_ready_when_every_index_was_verified_and_answers(client: TestClient) -> None:
    response = client.get("/readyz")
    reply = response.json()
    assert response.status_code == 200
    assert 0 < reply.pop("took_ms") < 5_000
    assert reply == {"status": "ready", "indexes": ["code", "notes"]}


def test_it_is_not_ready_before(searcher: Searcher) -> None:
    response = TestClient(create_app({"code": searcher})).get("/readyz")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "index 'code' is still being verified"
    assert response.json()["title"] == "Service Unavailable"


def test_a_damaged_index_is_never_ready_and_gives_no_answers(
    searcher: Searcher, damaged: Searcher, caplog: pytest.LogCaptureFixture
) -> None:
    with TestClient(create_app({"good": searcher, "bad": damaged})) as client:
        verify(client)
        ready = client.get("/readyz")
        bad = client.post("/v1/search", json={"query": "a", "index": "bad"})
        good = client.post("/v1/search", json={"query": "a", "index": "good"})
    expected = "index 'bad' is damaged: the operator should run tart index verify"
    assert [(one.status_code, one.json()["detail"]) for one in (ready, bad)] == [(503, expected)] * 2
    assert good.status_code == 200
    assert "its bytes have changed" in caplog.text


def test_it_is_not_ready_while_the_model_is_busy(impatient: TestClient) -> None:
    verify(impatient)
    service = service_of(impatient)
    done = threading.Event()
    assert impatient.portal is not None
    busy = impatient.portal.start_task_soon(service.engine.run, done.wait)
    try:
        for _ in range(2):
            response = impatient.get("/readyz")
            assert response.status_code == 503
            assert "no answer within 0.05 s" in response.json()["detail"]
    finally:
        done.set()
    busy.result(timeout=10)


def test_it_is_not_ready_when_a_canary_fails(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("secret")

    with TestClient(create_app({"code": searcher})) as client:
        verify(client)
        monkeypatch.setattr(searcher, "answer", fail)
        failed = client.get("/readyz")
        monkeypatch.undo()
        assert (failed.status_code, failed.json()["detail"]) == (503, "a canary search on index 'code' failed")
        assert client.get("/readyz").status_code == 200


def test_a_service_can_start_again(searcher: Searcher) -> None:
    app = create_app({"code": searcher})
    for _ in range(2):
        with TestClient(app) as client:
            verify(client)
            assert client.get("/readyz").status_code == 200


def test_a_probe_that_went_away_takes_no_canary_along(client: TestClient) -> None:
    """Probes share canaries, so these are nobody's: no caller that is gone, no deadline that is past ends them."""

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def probe() -> float:
        caller = Caller(deadline=0.0, receive=gone)
        await caller.receive()
        with working_for(caller):
            return await service_of(client).readiness.check()

    assert client.portal is not None
    assert client.portal.call(probe) > 0
