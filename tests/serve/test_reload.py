from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tart import Encoder
from tart_index import IndexFolder, Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.engine_settings import EngineSettings
from tart_serve.open_indexes import EncoderSettings
from tart_serve.refusal import Refusal
from tart_serve.reloading import ReloadSettings
from tests.index.counting import counting_encoder
from tests.serve.changing import BY_HAND, publish, service_of, service_over, telling, verified
from tests.tiny_models import tiny_encoder

RELOAD = "/v1/indexes/live:reload"
QUERY = {"query": "sort a list", "top_k": 10}


@pytest.fixture(scope="module")
def counting() -> Encoder:
    return counting_encoder()


@pytest.fixture
def folder(tmp_path: Path, counting: Encoder) -> Path:
    """An index in its first version."""
    publish(tmp_path / "secret-place", telling(1), counting)
    return tmp_path / "secret-place"


@pytest.fixture
def client(folder: Path, counting: Encoder) -> Iterator[TestClient]:
    with TestClient(service_over(folder, counting), raise_server_exceptions=False) as client:
        yield verified(client)


def served(client: TestClient) -> tuple[str, set[str]]:
    """The version that a search says it was answered from, and the ids that it found."""
    reply = client.post("/v1/search", json=QUERY).json()
    return reply["index"]["version"], {hit["id"] for hit in reply["data"]}


def reloads(client: TestClient) -> dict[str, float]:
    """The metric of reloads by result, as far as there were any."""
    lines = re.findall(r'^tart_index_reload_total\{result="(\w+)"\} (\S+)$', client.get("/metrics").text, re.MULTILINE)
    return {result: float(count) for result, count in lines if float(count)}


def of(version: int) -> tuple[str, set[str]]:
    return str(version), {document.id for document in telling(version)}


def test_a_published_version_is_switched_to_when_asked(client: TestClient, folder: Path, counting: Encoder) -> None:
    assert served(client) == of(1)
    before = client.get("/v1/indexes/live").json()
    manifest = publish(folder, telling(2), counting)
    assert served(client) == of(1)
    reply = client.post(RELOAD, headers={"X-Request-ID": "r1"}).json()
    assert reply.pop("took_ms") > 0
    assert reply == {
        "object": "index.reload",
        "request_id": "r1",
        "result": "switched",
        "index": {"name": "live", "version": "2", "fingerprint": manifest.fingerprint},
        "previous": {"name": "live", "version": "1", "fingerprint": before["fingerprint"]},
    }
    assert served(client) == of(2)
    assert client.get("/readyz").status_code == 200
    after = client.get("/v1/indexes/live").json()
    assert (after["version"], after["soundness"]) == ("2", "sound")
    assert (after["last_reload"]["result"], after["last_reload"]["reason"]) == ("switched", None)


@pytest.mark.parametrize("body", [None, {}, {"verify": False}, {"verify": True}])
def test_a_reload_that_finds_nothing_new_says_so(client: TestClient, body: dict[str, bool] | None) -> None:
    response = client.post(RELOAD) if body is None else client.post(RELOAD, json=body)
    assert (response.status_code, response.json()["result"]) == (200, "unchanged")
    assert served(client) == of(1)
    assert reloads(client) == {"unchanged": 1}


def other_part(folder: Path) -> Path:
    """A part that only the newest version has."""
    return folder / "parts" / IndexFolder.open(folder).manifest.parts[-1].name


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2])


DAMAGED = "is damaged: the operator should run tart index verify"
UNREADABLE = "has no manifest, or one that cannot be read"
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "flipped vectors": (lambda folder: flip(other_part(folder) / "vectors.npy"), DAMAGED),
    "flipped documents": (lambda folder: flip(other_part(folder) / "documents.arrow"), DAMAGED),
    "flipped columns": (lambda folder: flip(other_part(folder) / "columns.arrow"), DAMAGED),
    "cut documents": (lambda folder: cut(other_part(folder) / "documents.arrow"), DAMAGED),
    "missing ids": (lambda folder: (other_part(folder) / "ids.npy").unlink(), DAMAGED),
    "missing part": (lambda folder: shutil.rmtree(other_part(folder)), DAMAGED),
    "manifest of garbage": (lambda folder: (folder / "manifest.json").write_bytes(b"\xff{garbage"), UNREADABLE),
    "flipped manifest": (lambda folder: flip(folder / "manifest.json"), UNREADABLE),
    "cut manifest": (lambda folder: cut(folder / "manifest.json"), UNREADABLE),
    "missing manifest": (lambda folder: (folder / "manifest.json").unlink(), UNREADABLE),
    "manifest of another format": (
        lambda folder: (folder / "manifest.json").write_text('{"kind": "tart-index", "format": 99}'),
        UNREADABLE,
    ),
    "missing folder": (lambda folder: folder.rename(folder.with_name("elsewhere")) and None, UNREADABLE),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_version_is_refused_and_the_old_one_stays(
    client: TestClient, folder: Path, counting: Encoder, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    publish(folder, telling(2), counting)
    work, reason = DAMAGES[damage]
    work(folder)
    for asked in range(1, 3):
        response = client.post(RELOAD)
        problem = response.json()
        assert (response.status_code, problem["title"]) == (409, "Conflict")
        assert problem["detail"] == f"the published version of index 'live' {reason}; version 1 stays in service"
        assert reloads(client) == {"refused": asked}
    assert served(client) == of(1)
    assert client.get("/readyz").status_code == 200
    described = client.get("/v1/indexes/live")
    assert described.json()["version"] == "1"
    assert (described.json()["last_reload"]["result"], described.json()["last_reload"]["reason"]) == ("refused", reason)
    assert "secret-place" not in described.text + response.text
    assert "secret-place" in caplog.text


def test_a_version_after_a_broken_one_is_switched_to(client: TestClient, folder: Path, counting: Encoder) -> None:
    publish(folder, telling(2), counting)
    flip(other_part(folder) / "vectors.npy")
    assert client.post(RELOAD).status_code == 409
    publish(folder, telling(3), counting)
    assert client.post(RELOAD).json()["result"] == "switched"
    assert served(client) == of(3)
    assert service_of(client).reloader.counts == {"refused": 1, "switched": 1}
    told = client.get("/metrics").text
    assert all(f'tart_index_reload_total{{result="{result}"}} 1.0' in told for result in ("refused", "switched"))


def test_a_folder_that_was_replaced_whole_is_switched_to(
    client: TestClient, folder: Path, counting: Encoder, tmp_path: Path
) -> None:
    manifest = publish(tmp_path / "other", telling(9), counting)
    folder.rename(tmp_path / "old")
    (tmp_path / "other").rename(folder)
    assert client.post(RELOAD).json()["index"] == {
        "name": "live",
        "version": "1",
        "fingerprint": manifest.fingerprint,
    }
    assert served(client) == ("1", of(9)[1])


def test_damage_to_the_version_in_service_is_found_when_asked_and_mends(client: TestClient, folder: Path) -> None:
    file = other_part(folder) / "vectors.npy"
    flip(file)
    assert client.post(RELOAD).json()["result"] == "unchanged"
    assert client.post(RELOAD, json={"verify": True}).status_code == 409
    assert client.post("/v1/search", json=QUERY).status_code == 503
    assert client.get("/readyz").status_code == 503
    [listed] = client.get("/v1/indexes").json()["data"]
    assert listed["soundness"] == "damaged"
    flip(file)
    assert client.post(RELOAD).json()["result"] == "unchanged"
    assert client.get("/v1/indexes").json()["data"][0]["soundness"] == "sound"
    assert served(client) == of(1)


def test_parts_that_are_known_to_be_sound_are_read_again_only_where_they_changed(
    client: TestClient, folder: Path, counting: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = IndexFolder.verify_part

    def noted(self: IndexFolder, number: int) -> object:
        # The service may still be reading the version that it began with.
        if self.manifest.version > 1:
            read.append(self.manifest.parts[number].name)
        return real(self, number)

    monkeypatch.setattr(IndexFolder, "verify_part", noted)
    manifest = publish(folder, telling(1, count=6), counting)
    shared, new = (part.name for part in manifest.parts)
    assert client.post(RELOAD).json()["result"] == "switched"
    assert read == [new]
    publish(folder, telling(1, count=7), counting)
    # Nothing but the time of the last change differs, so the part must be looked at again.
    os.utime(folder / "parts" / shared / "ids.npy", ns=(0, 0))
    assert client.post(RELOAD).json()["result"] == "switched"
    assert read[1] == shared
    assert new not in read[1:]
    assert client.post(RELOAD, json={"verify": True}).json()["result"] == "unchanged"
    assert set(read[3:]) == {part.name for part in IndexFolder.open(folder).manifest.parts}


def test_another_model_is_loaded_and_the_models_of_the_service_follow(
    client: TestClient, folder: Path, tmp_path: Path
) -> None:
    tiny = Encoder.load(str(tiny_encoder(tmp_path / "tiny")), dtype="float32")
    assert client.post("/v1/embeddings", json={"model": "tiny", "input": "a"}).status_code == 404
    publish(folder, telling(2), tiny)
    assert client.post(RELOAD).json()["result"] == "switched"
    assert served(client) == of(2)
    described = client.get("/v1/indexes/live").json()
    assert (described["model"], described["dim"]) == ("tiny", tiny.dim)
    [vector] = client.post("/v1/embeddings", json={"model": "tiny", "input": "a b"}).json()["data"]
    assert vector["embedding"] == pytest.approx(tiny.encode_queries(["a b"])[0].tolist(), abs=1e-5)
    assert client.post("/v1/embeddings", json={"model": "all-MiniLM-L6-v2", "input": "a"}).status_code == 404


@pytest.mark.parametrize("gone", [True, False])
def test_a_model_that_is_not_here_or_not_the_one_wanted_is_refused(
    folder: Path, counting: Encoder, tmp_path: Path, gone: bool
) -> None:
    home = tiny_encoder(tmp_path / "tiny")
    tiny = Encoder.load(str(home), dtype="float32")
    pinned = EncoderSettings(None if gone else "all-MiniLM-L6-v2", dtype="float32")
    settings = ServiceSettings(reload=ReloadSettings(interval=0, encoders=pinned))
    with TestClient(service_over(folder, counting, settings)) as client:
        publish(folder, telling(2), tiny)
        if gone:
            shutil.rmtree(home)
        response = client.post(RELOAD)
        assert response.status_code == 409
        assert "was made by a model that cannot be loaded here; version 1 stays" in response.json()["detail"]
        assert served(client) == of(1)


def test_a_version_that_finds_nothing_is_refused(
    client: TestClient, folder: Path, counting: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, telling(2), counting)
    real = Searcher.answer

    def fail(self: Searcher, *arguments: Any) -> object:
        if self.folder.manifest.version == 2:
            raise RuntimeError("secret")
        return real(self, *arguments)

    monkeypatch.setattr(Searcher, "answer", fail)
    response = client.post(RELOAD)
    assert response.status_code == 409
    assert "version of index 'live' does not answer a canary search; version 1 stays" in response.json()["detail"]
    assert served(client) == of(1)


def test_a_canary_that_is_not_let_in_is_no_fault_of_the_version(
    client: TestClient, folder: Path, counting: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise Refusal(503, "the service ends")

    publish(folder, telling(2), counting)
    monkeypatch.setattr(service_of(client).engine, "search", refuse)
    response = client.post(RELOAD)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "could not be tried out now; version 1 stays in service" in response.json()["detail"]
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "was refused: the service ends" in ready.json()["detail"]
    monkeypatch.undo()
    assert client.post(RELOAD).json()["result"] == "switched"


def test_a_reload_is_let_in_when_searches_are_not(folder: Path, counting: Encoder) -> None:
    full = replace(BY_HAND, engine=EngineSettings(max_requests=1))
    with TestClient(service_over(folder, counting, full)) as client:
        publish(folder, telling(2), counting)
        with service_of(client).engine.admission.place(1, bounded=False):
            assert client.post("/v1/search", json=QUERY).status_code == 429
            assert client.post(RELOAD).json()["result"] == "switched"
        assert served(client) == of(2)


def test_the_watcher_looks_again_only_after_a_change(client: TestClient, folder: Path, counting: Encoder) -> None:
    reloader = service_of(client).reloader

    def look() -> str | None:
        assert client.portal is not None
        done = client.portal.call(reloader.follow, "live")
        return done.result if done is not None else None

    assert [look(), look()] == ["unchanged", None]
    assert reloader.last("live") is None
    publish(folder, telling(2), counting)
    assert [look(), look()] == ["switched", None]
    publish(folder, telling(3), counting)
    flip(other_part(folder) / "vectors.npy")
    assert [look(), look()] == ["refused", None]
    assert served(client) == of(2)
    publish(folder, telling(4), counting)
    assert [look(), look()] == ["switched", None]
    assert reloads(client) == {"switched": 2, "refused": 1}


def test_a_folder_is_watched_by_itself(folder: Path, counting: Encoder) -> None:
    with TestClient(service_over(folder, counting, ServiceSettings(reload=ReloadSettings(interval=0.01)))) as client:
        publish(folder, telling(2), counting)
        deadline = time.monotonic() + 60
        while served(client)[0] == "1" and time.monotonic() < deadline:
            client.get("/healthz")
        assert served(client) == of(2)


def test_the_watcher_outlives_an_unexpected_failure(
    folder: Path, counting: Encoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = service_over(folder, counting, ServiceSettings(reload=ReloadSettings(interval=0.01)))
    reloader = app.state.service.reloader
    real, failed = reloader.follow, []

    async def fail_once(name: str) -> object:
        if not failed:
            failed.append(name)
            raise RuntimeError("once")
        return await real(name)

    monkeypatch.setattr(reloader, "follow", fail_once)
    with TestClient(app) as client:
        publish(folder, telling(2), counting)
        deadline = time.monotonic() + 60
        while served(client)[0] == "1" and time.monotonic() < deadline:
            client.get("/healthz")
    assert failed == ["live"]
    assert "a look at its folder failed" in caplog.text


def test_a_version_that_is_replaced_while_it_is_verified_at_the_start_is_not_called_damaged(
    folder: Path, counting: Encoder
) -> None:
    app = service_over(folder, counting)
    for version in range(2, 6):
        publish(folder, telling(version), counting)
    with TestClient(app) as client:
        verified(client)
        assert served(client) == of(1)
        assert "still being verified" in client.get("/readyz").json()["detail"]
        assert client.post(RELOAD).json()["result"] == "switched"
        assert served(client) == of(5)
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("path", "content", "content_type", "status"),
    [
        ("/v1/indexes/none:reload", b"", None, 404),
        (RELOAD, b"{}", "text/plain", 415),
        (RELOAD, b"{", "application/json", 400),
        (RELOAD, b'{"verify": 1}', "application/json", 422),
        (RELOAD, b'{"verfy": true}', "application/json", 422),
        (RELOAD, b"[]", "application/json", 422),
    ],
)
def test_a_reload_that_cannot_be_understood(
    client: TestClient, path: str, content: bytes, content_type: str | None, status: int
) -> None:
    response = client.post(path, content=content, headers={"Content-Type": content_type} if content_type else {})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status


def test_each_index_follows_its_own_folder(tmp_path: Path, counting: Encoder) -> None:
    folders = {name: tmp_path / name for name in ("a", "b")}
    for folder in folders.values():
        publish(folder, telling(1), counting)
    searchers = {name: Searcher(IndexFolder.open(folder), counting) for name, folder in folders.items()}
    with TestClient(create_app(searchers, BY_HAND)) as client:
        publish(folders["b"], telling(2), counting)
        for name in folders:
            client.post(f"/v1/indexes/{name}:reload")
        listed = client.get("/v1/indexes").json()["data"]
    assert [(one["name"], one["version"], one["last_reload"]["result"]) for one in listed] == [
        ("a", "1", "unchanged"),
        ("b", "2", "switched"),
    ]
