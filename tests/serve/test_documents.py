from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import AsyncClient
from starlette.testclient import TestClient

from tart import Document, Encoder
from tart_index import IndexFolder
from tart_index.writer import IndexWriter
from tart_serve import ServiceSettings
from tart_serve.document_writer import WriteSettings
from tart_serve.engine_settings import EngineSettings
from tart_serve.reloading import ReloadSettings
from tests.index.counting import CountingEngine, counting_encoder, counting_engine
from tests.serve.changing import BY_HAND, publish, running, service_of, service_over, telling, verified
from tests.tiny_models import tiny_encoder

DOCUMENTS = "/v1/indexes/live/documents"


@pytest.fixture
def engine() -> CountingEngine:
    return counting_engine()


@pytest.fixture
def counting(engine: CountingEngine) -> Encoder:
    return counting_encoder(engine)


@pytest.fixture
def folder(tmp_path: Path, counting: Encoder) -> Path:
    """An index of four documents, v1-0 to v1-3."""
    publish(tmp_path / "secret-place", telling(1), counting)
    return tmp_path / "secret-place"


@pytest.fixture
def client(folder: Path, counting: Encoder) -> Iterator[TestClient]:
    with TestClient(service_over(folder, counting), raise_server_exceptions=False) as client:
        yield verified(client)


def row(document_id: str, text: str = "compress bytes with gzip", **fields: Any) -> dict[str, Any]:
    return {"id": document_id, "text": text, **fields}


def upsert(client: TestClient, *rows: dict[str, Any]) -> dict[str, Any]:
    """Writes documents and returns the reply's counts and version."""
    response = client.post(DOCUMENTS, json={"documents": list(rows)})
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    assert reply.pop("request_id") == response.headers["x-request-id"]
    assert reply.pop("object") == "index.change"
    return {**reply, "index": reply["index"]["version"]}


def test_a_caller_reads_its_own_writes(client: TestClient, folder: Path) -> None:
    new = row("gz", metadata={"kind": "code", "years": [2024, 2025], "big": 2**70, "none": None}, title="Gzip")
    assert upsert(client, new, row("v1-0", "a text that is new")) == {
        "index": "2",
        "added": 1,
        "updated": 1,
        "unchanged": 0,
        "deleted": 0,
        "embedded": 2,
    }
    found = client.post("/v1/search", json={"query": "compress bytes with gzip", "top_k": 1}).json()
    assert found["index"]["version"] == "2"
    assert {key: found["data"][0][key] for key in ("id", "text", "title", "metadata")} == new
    one = client.get(f"{DOCUMENTS}/gz")
    assert one.json() == {
        "object": "document",
        "request_id": one.headers["x-request-id"],
        "index": found["index"],
        **new,
        "truncated": False,
    }
    assert client.get(f"{DOCUMENTS}/v1-0").json()["text"] == "a text that is new"
    assert {document.id for document in IndexFolder.open(folder).documents()} == {"v1-0", "v1-1", "v1-2", "v1-3", "gz"}
    assert client.get("/readyz").status_code == 200


def test_what_is_there_word_for_word_is_left_alone_and_metadata_costs_no_embedding(client: TestClient) -> None:
    same = {"id": "v1-1", "text": "sort a list 1 1", "metadata": {"version": 1}}
    unchanged = upsert(client, same)
    assert (unchanged["index"], unchanged["unchanged"], unchanged["embedded"]) == ("1", 1, 0)
    changed = upsert(client, {**same, "metadata": {"version": 2}})
    assert (changed["index"], changed["updated"], changed["embedded"]) == ("2", 1, 0)
    assert client.get(f"{DOCUMENTS}/v1-1").json()["metadata"] == {"version": 2}


def test_a_deleted_document_is_gone_at_once(client: TestClient) -> None:
    response = client.delete(f"{DOCUMENTS}/v1-2")
    assert (response.status_code, response.json()["deleted"], response.json()["index"]["version"]) == (200, 1, "2")
    assert client.get(f"{DOCUMENTS}/v1-2").status_code == 404
    hits = client.post("/v1/search", json={"query": "read bytes"}).json()["data"]
    assert {hit["id"] for hit in hits} == {"v1-0", "v1-1", "v1-3"}
    again = client.delete(f"{DOCUMENTS}/v1-2")
    assert (again.status_code, again.json()["detail"]) == (404, "there is no document 'v1-2' in index 'live'")
    assert client.get("/v1/indexes/live").json()["version"] == "2"


def test_an_index_may_be_emptied_and_filled_again(client: TestClient) -> None:
    for document in telling(1):
        assert client.delete(f"{DOCUMENTS}/{document.id}").status_code == 200
    assert client.post("/v1/search", json={"query": "a"}).json()["data"] == []
    assert client.get("/readyz").status_code == 200
    described = client.get("/v1/indexes/live").json()
    assert (described["documents"], described["metadata"]) == (0, [])
    assert upsert(client, row("a"))["index"] == "6"
    assert [hit["id"] for hit in client.post("/v1/search", json={"query": "a"}).json()["data"]] == ["a"]


@pytest.mark.parametrize(
    "document_id", ["a/b", "/a/", "functools.reduce", "ä 日本 \U0001f600", "a?b#c", "..x", "a:reload", " ", "a//b"]
)
def test_any_id_can_stand_in_a_path(client: TestClient, document_id: str) -> None:
    path = f"{DOCUMENTS}/{quote(document_id, safe='')}"
    assert client.get(path).status_code == 404
    assert upsert(client, row(document_id))["added"] == 1
    assert client.get(path).json()["id"] == document_id
    assert client.delete(path).json()["deleted"] == 1
    assert client.get(path).status_code == 404


def test_a_long_document_is_said_to_be_cut(client: TestClient) -> None:
    upsert(client, row("long", "word " * 600))
    assert client.get(f"{DOCUMENTS}/long").json()["truncated"] is True
    assert client.get("/v1/indexes/live").json()["truncated"] == 1


HALF = "found half a surrogate pair; send whole characters"
UNREADABLE = "Input should be a valid string"
BAD: list[tuple[str, str, str]] = [
    ("{}", "#/documents", "this field is missing"),
    ('{"documents": []}', "#/documents", "List should have at least 1 item"),
    ('{"documents": {}}', "#/documents", "Input should be a valid list"),
    ('{"documents": [{"id": "a"}]}', "#/documents/0/text", "this field is missing"),
    ('{"documents": [{"text": "a"}]}', "#/documents/0/id", "this field is missing"),
    ('{"documents": [{"id": "", "text": "a"}]}', "#/documents/0/id", "String should have at least 1 character"),
    ('{"documents": [{"id": 3, "text": "a"}]}', "#/documents/0/id", "Input should be a valid string; found 3"),
    ('{"documents": [{"id": "%s", "text": "a"}]}' % ("i" * 1_001), "#/documents/0/id", "String should have at most"),
    ('{"documents": [{"id": "a", "text": " "}]}', "#/documents/0/text", "give every document a text"),
    ('{"documents": [{"id": "a", "text": "%s"}]}' % ("t" * 100_001), "#/documents/0/text", "String should have at"),
    ('{"documents": [{"id": "a", "text": "a", "txt": 1}]}', "#/documents/0/txt", 'there is no field "txt"'),
    ('{"documents": [{"id": "a", "text": "a"}], "x": 1}', "#/x", 'there is no field "x"'),
    ('{"documents": [{"id": "a", "text": "a", "metadata": 3}]}', "#/documents/0/metadata", "Input should be a valid d"),
    (
        '{"documents": [{"id": "a", "text": "a", "metadata": {"k": {"deep": 1}}}]}',
        "#/documents/0/metadata",
        "metadata 'k' holds a dict; wanted a string, number, boolean, null, or a list of these",
    ),
    (
        '{"documents": [{"id": "a", "text": "a", "metadata": {"k": [[1]]}}]}',
        "#/documents/0/metadata",
        "metadata 'k' holds a list; wanted",
    ),
    (
        '{"documents": [{"id": "a", "text": "a", "metadata": {"k": 1e999}}]}',
        "#/documents/0/metadata",
        "metadata 'k' is inf; wanted a finite number",
    ),
    ('{"documents": [{"id": "a", "text": "a", "metadata": {"k": "\\ud800"}}]}', "#/documents/0/metadata", HALF),
    ('{"documents": [{"id": "a", "text": "a", "metadata": {"\\ud800": 1}}]}', "#/documents/0/metadata", HALF),
    ('{"documents": [{"id": "\\ud800", "text": "a"}]}', "#/documents/0/id", UNREADABLE),
    ('{"documents": [{"id": "a", "text": "\\ud800"}]}', "#/documents/0/text", UNREADABLE),
    ('{"documents": [{"id": "a", "text": "a", "title": "\\ud800"}]}', "#/documents/0/title", UNREADABLE),
    (
        '{"documents": [{"id": "a", "text": "a"}, {"id": "b", "text": "b"}, {"id": "a", "text": "c"}]}',
        "#",
        "the id 'a' stands twice in documents; send each document once",
    ),
    (
        json.dumps({"documents": [{"id": str(n), "text": "a"} for n in range(257)]}),
        "#/documents",
        "List should have at most 256 items after validation, not 257",
    ),
]


@pytest.mark.parametrize(("body", "pointer", "detail"), BAD)
def test_a_document_that_is_not_as_wanted_is_pointed_to_and_nothing_is_written(
    client: TestClient, body: str, pointer: str, detail: str
) -> None:
    response = client.post(DOCUMENTS, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    [fault] = response.json()["errors"]
    assert fault["pointer"] == pointer
    assert fault["detail"].startswith(detail)
    assert client.get("/v1/indexes/live").json()["version"] == "1"


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("POST", "/v1/indexes/none/documents", 404, "there is no index 'none'; there are: live"),
        ("GET", "/v1/indexes/none/documents/a", 404, "there is no index 'none'; there are: live"),
        ("DELETE", "/v1/indexes/none/documents/a", 404, "there is no index 'none'; there are: live"),
        ("GET", f"{DOCUMENTS}/nope", 404, "there is no document 'nope' in index 'live'"),
        ("GET", f"{DOCUMENTS}/%ff", 404, "there is no document '\ufffd' in index 'live'"),
        ("GET", f"{DOCUMENTS}/", 404, "there is no document '' in index 'live'"),
        ("GET", DOCUMENTS, 405, "this route does not take GET; see /docs"),
        ("PUT", f"{DOCUMENTS}/a", 405, "this route does not take PUT; see /docs"),
    ],
)
def test_what_is_not_there(client: TestClient, method: str, path: str, status: int, detail: str) -> None:
    body = {"documents": [row("a")]} if method == "POST" else None
    response = client.request(method, path, json=body)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["detail"]) == (status, detail)
    assert "errors" not in response.json()


def test_writes_are_refused_unless_they_are_allowed(folder: Path, counting: Encoder) -> None:
    with TestClient(service_over(folder, counting, ServiceSettings(reload=ReloadSettings(interval=0)))) as client:
        write = client.post(DOCUMENTS, json={"documents": [row("a")]})
        delete = client.delete(f"{DOCUMENTS}/v1-0")
        assert client.get(f"{DOCUMENTS}/v1-0").status_code == 200
    for response in (write, delete):
        assert (response.status_code, response.json()["title"]) == (403, "Forbidden")
        assert response.json()["detail"].startswith("this service takes no writes; the operator can allow them")
    assert IndexFolder.open(folder).manifest.version == 1


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_another_process_that_writes_is_in_the_way(client: TestClient, folder: Path, method: str) -> None:
    body = {"documents": [row("a")]} if method == "POST" else None
    with IndexWriter.lock(folder):
        response = client.request(method, DOCUMENTS if body else f"{DOCUMENTS}/v1-0", json=body)
    assert (response.status_code, response.headers["retry-after"]) == (409, "1")
    assert response.json()["detail"] == "another process writes index 'live' just now; try again"
    assert IndexFolder.open(folder).manifest.version == 1
    assert upsert(client, row("a"))["added"] == 1


def test_another_process_that_writes_is_waited_for(folder: Path, counting: Encoder) -> None:
    settings = ServiceSettings(reload=BY_HAND.reload, writes=WriteSettings(allowed=True, lock_patience=60))
    tried, held = threading.Event(), threading.Event()

    def hold() -> None:
        with IndexWriter.lock(folder):
            held.set()
            tried.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(60)
    with TestClient(service_over(folder, counting, settings)) as client, pytest.MonkeyPatch.context() as patch:
        real = asyncio.sleep

        async def noted(seconds: float) -> None:
            tried.set()
            await real(seconds)

        patch.setattr("tart_serve.document_writer.asyncio.sleep", noted)
        assert upsert(client, row("a"))["index"] == "2"
    other.join(60)


def test_an_index_of_a_model_that_is_not_here_is_not_written(client: TestClient, folder: Path, tmp_path: Path) -> None:
    home = tiny_encoder(tmp_path / "tiny")
    publish(folder, telling(2), Encoder.load(str(home), dtype="float32"))
    shutil.rmtree(home)
    response = client.post(DOCUMENTS, json={"documents": [row("a")]})
    assert response.status_code == 409
    assert response.json()["detail"].startswith("the newest version of index 'live' was made by another model")
    assert "secret-place" not in response.text
    assert IndexFolder.open(folder).manifest.version == 2


def test_an_index_that_was_built_anew_with_another_model_is_written_with_that_one(
    client: TestClient, folder: Path, tmp_path: Path
) -> None:
    publish(folder, telling(2), Encoder.load(str(tiny_encoder(tmp_path / "tiny")), dtype="float32"))
    assert upsert(client, row("a"))["index"] == "3"
    assert client.get("/v1/indexes/live").json()["model"] == "tiny"


def test_a_folder_that_cannot_be_written_is_told_without_its_path(
    client: TestClient, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "manifest.json").write_bytes(b"garbage")
    response = client.post(DOCUMENTS, json={"documents": [row("a")]})
    assert response.status_code == 503
    assert response.json()["detail"].startswith("index 'live' cannot be written; nothing was changed")
    assert "secret-place" not in response.text
    assert "secret-place" in caplog.text


def test_a_write_whose_version_is_not_fit_for_service_is_told(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("tart_index.folder.IndexFolder.verify_part", fail)
    response = client.post(DOCUMENTS, json={"documents": [row("a")]})
    assert response.status_code == 503
    assert response.json()["detail"].startswith("the change is published as version 2, but that version is damaged")
    monkeypatch.undo()
    assert client.get("/v1/indexes/live").json()["version"] == "1"


def test_embedding_waits_in_the_queue_batch_by_batch(
    client: TestClient, engine: CountingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_of(client)
    real, asked = service.engine.run, []

    async def noted(work: Callable[[], Any], tokens: int = 0) -> Any:
        asked.append(tokens)
        return await real(work, tokens)

    monkeypatch.setattr(service.engine, "run", noted)
    rows = [row(f"d{n}", f"number {n} " + "word " * 60) for n in range(20)]
    assert upsert(client, *rows)["embedded"] == 20
    # Each text has 64 tokens, and a batch of this engine 256.
    assert asked == [engine.token_budget] * 5


def test_a_full_service_refuses_a_write_before_it_begins(folder: Path, counting: Encoder) -> None:
    full = replace(BY_HAND, engine=EngineSettings(max_requests=1))
    with TestClient(service_over(folder, counting, full)) as client:
        with service_of(client).engine.admission.place(1, bounded=False):
            response = client.post(DOCUMENTS, json={"documents": [row("a")]})
        assert (response.status_code, response.headers["retry-after"]) == (429, "1")
        assert IndexFolder.open(folder).manifest.version == 1
        assert upsert(client, row("a"))["index"] == "2"


def test_a_write_that_was_let_in_is_not_hurried(folder: Path, counting: Encoder) -> None:
    with TestClient(service_over(folder, counting, replace(BY_HAND, engine=EngineSettings(max_requests=2)))) as client:
        engine = service_of(client).engine
        real = engine.run

        async def crowded(work: Callable[[], Any], tokens: int = 0) -> Any:
            with engine.admission.place(1, bounded=False), engine.admission.place(1, bounded=False):
                return await real(work, tokens)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "run", crowded)
            assert upsert(client, *(row(f"d{n}", "word " * 60) for n in range(10)))["added"] == 10


def test_writes_at_the_same_time_take_turns_and_none_is_lost(folder: Path, counting: Encoder) -> None:
    async def write_all(client: AsyncClient) -> list[Any]:
        bodies = [{"documents": [row(f"n{n}", f"text {n}"), row("shared", f"text {n}")]} for n in range(8)]
        return await asyncio.gather(*(client.post(DOCUMENTS, json=body) for body in bodies))

    async def run() -> list[Any]:
        async with running(service_over(folder, counting)) as client:
            return await write_all(client)

    replies = asyncio.run(run())
    assert {reply.status_code for reply in replies} == {200}
    versions = {reply.json()["index"]["version"]: n for n, reply in enumerate(replies)}
    assert set(versions) == {str(version) for version in range(2, 10)}
    held = {document.id: document for document in IndexFolder.open(folder).documents()}
    assert set(held) == {*(f"n{n}" for n in range(8)), "shared", *(document.id for document in telling(1))}
    assert held["shared"] == Document("shared", f"text {versions['9']}")


def test_a_write_whose_caller_goes_away_is_finished_and_switched_to(folder: Path, counting: Encoder) -> None:
    app = service_over(folder, counting)

    async def run() -> str:
        async with running(app) as client:
            writer = app.state.service.writer
            task = asyncio.create_task(writer.upsert("live", [Document("a", "text")]))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            # A write takes its turn behind the one that was given up.
            response = await client.post(DOCUMENTS, json={"documents": [row("b")]})
            found = await client.get(f"{DOCUMENTS}/a")
            assert found.status_code == 200
            return str(response.json()["index"]["version"])

    assert asyncio.run(run()) == "3"


def test_another_worker_sees_a_write_when_it_looks(client: TestClient, folder: Path, counting: Encoder) -> None:
    with TestClient(service_over(folder, counting)) as other:
        upsert(client, row("a"))
        assert other.get(f"{DOCUMENTS}/a").status_code == 404
        assert other.portal is not None
        other.portal.call(service_of(other).reloader.follow, "live")
        assert other.get(f"{DOCUMENTS}/a").status_code == 200


def test_many_small_writes_do_not_make_many_parts(client: TestClient, folder: Path) -> None:
    for n in range(20):
        upsert(client, row(f"n{n}", f"text {n}"))
    index = IndexFolder.open(folder)
    assert len(index.manifest.parts) < 10
    assert {document.id for document in index.documents()} == {
        *(f"n{n}" for n in range(20)),
        *(document.id for document in telling(1)),
    }
    assert client.get("/v1/indexes/live").json()["version"] == str(index.manifest.version)
    assert sum(part.count for part in index.verify()) == 24
