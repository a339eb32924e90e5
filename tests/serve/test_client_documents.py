"""How a stream of documents becomes calls of bounded size."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tart import Document
from tart_serve.client import AsyncClient, Changed, Client, ConflictError, IndexVersion
from tart_serve.client.document_batches import MAX_DOCUMENTS, DocumentBatches
from tart_serve.client.paths import document_path, index_path
from tests.serve.client_faces import FACES, Face, FakeTime, Script


def taken(version: int, **counts: int) -> httpx2.Response:
    zero = dict.fromkeys(("added", "updated", "unchanged", "deleted", "embedded"), 0)
    index = {"name": "code", "version": str(version), "fingerprint": f"sha256:{version}"}
    return httpx2.Response(200, json={"object": "index.change", "request_id": "r", "index": index, **zero, **counts})


def sent(script: Script) -> list[list[dict[str, Any]]]:
    return [json.loads(request.content)["documents"] for request in script.requests]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 50)), max_size=60),
    st.integers(1, 7),
    st.integers(40, 200),
)
def test_batches_keep_order_bounds_and_ids_apart(rows: list[tuple[int, int]], most: int, size: int) -> None:
    documents = [{"id": str(number), "text": "x" * length} for number, length in rows]
    batches = [
        call.body["documents"]
        for call in DocumentBatches("code", most, size).calls(documents)
        if call.body and not call.changes_nothing
    ]
    assert [document for batch in batches for document in batch] == documents
    for batch in batches:
        assert 1 <= len(batch) <= most
        assert len({document["id"] for document in batch}) == len(batch)
        assert len(batch) == 1 or sum(len(json.dumps(document)) for document in batch) <= size


def test_a_stream_is_not_read_ahead_of_its_batches() -> None:
    read = 0

    def stream() -> Iterator[dict[str, str]]:
        nonlocal read
        for number in range(1_000):
            read += 1
            yield {"id": str(number), "text": "x"}

    calls = DocumentBatches("code").calls(stream())
    next(calls)
    assert read == MAX_DOCUMENTS + 1


@pytest.mark.parametrize("kind", FACES)
def test_counts_are_summed_and_the_last_version_is_told(kind: str) -> None:
    script = Script(taken(2, added=120, unchanged=8, embedded=120), taken(3, updated=2, embedded=1))
    face = Face(kind, "http://fake", FakeTime(), transport=httpx2.MockTransport(script))
    documents = [Document(f"d{n}", "text", "title" if n else "", {"n": n} if n else {}) for n in range(130)]
    done = face.upsert_documents((document for document in documents), index="a b/c")
    assert done == Changed(IndexVersion("code", "3", "sha256:3"), 120, 2, 8, 0, 121)
    first, second = sent(script)
    assert (len(first), len(second)) == (128, 2)
    assert first[:2] == [
        {"id": "d0", "text": "text"},
        {"id": "d1", "text": "text", "title": "title", "metadata": {"n": 1}},
    ]
    assert script.requests[0].url.raw_path == b"/v1/indexes/a%20b%2Fc/documents"
    assert face.upsert_documents([], index="code") == Changed()
    face.end()


@pytest.mark.parametrize("kind", FACES)
def test_a_batch_that_is_refused_ends_the_stream(kind: str) -> None:
    script = Script(taken(2, added=128), httpx2.Response(409, json={"detail": "full"}))
    face = Face(kind, "http://fake", FakeTime(), transport=httpx2.MockTransport(script))
    with pytest.raises(ConflictError, match="409: full"):
        face.upsert_documents([{"id": str(n), "text": "x"} for n in range(400)], index="code")
    assert len(script.requests) == 2
    face.end()


@pytest.mark.parametrize("kind", FACES)
def test_a_refused_batch_is_sent_again_when_the_service_has_room(kind: str) -> None:
    time = FakeTime()
    script = Script(httpx2.Response(429, json={"detail": "busy"}, headers={"Retry-After": "2"}), taken(2, added=1))
    face = Face(kind, "http://fake", time, transport=httpx2.MockTransport(script))
    assert face.upsert_documents([{"id": "a", "text": "x"}], index="code").added == 1
    assert len(time.slept) == 1
    assert 2.0 <= time.slept[0] <= 2.25
    face.end()


async def _two() -> AsyncIterator[Document]:
    for number in range(2):
        yield Document(str(number), "text")


def test_an_asynchronous_stream() -> None:
    import asyncio

    script = Script(taken(2, added=2))

    async def run() -> Changed:
        async with AsyncClient("http://fake", transport=httpx2.MockTransport(script)) as client:
            return await client.upsert_documents(_two(), index="code")

    assert asyncio.run(run()).added == 2
    assert [document["id"] for document in sent(script)[0]] == ["0", "1"]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_names_that_are_steps_of_a_path_are_refused(name: str) -> None:
    with Client("http://fake", transport=httpx2.MockTransport(Script())) as client:
        with pytest.raises(ValueError, match="wanted the name of an index"):
            client.index(name)
        with pytest.raises(ValueError, match="or the id of a document"):
            client.delete_document(name, index="code")


def test_paths_hold_any_name() -> None:
    assert index_path("a/b?c#d") == "/v1/indexes/a%2Fb%3Fc%23d"
    assert document_path("a", "日本/%2F ö") == "/v1/indexes/a/documents/%E6%97%A5%E6%9C%AC%2F%252F%20%C3%B6"
