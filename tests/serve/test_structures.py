"""An index with an approximate structure, served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tart import Document, Encoder
from tart_index import BuildOptions, IndexFolder, Searcher
from tart_index.ann.choose import Wanted
from tart_index.ann.structures import make_structure
from tart_serve import create_app

FACTORY = "IVF4,Flat"


@pytest.fixture
def client(build: Callable[..., Path], encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Sixty documents in four lists, of which a search looks into one."""
    monkeypatch.setattr("tart_index.ann.search._EXACT_NUMBERS", 0)
    words = "merge sort read write open close hash parse split join".split()  # noqa: SIM905
    documents = [Document(f"d{n}", f"{words[n % 10]} the {words[n // 10]} number {n}", "", {"n": n}) for n in range(60)]
    folder = build("tuned", documents, BuildOptions())
    assert make_structure(folder, Wanted(recall=0.2, factory=FACTORY, queries=20)).changed
    with TestClient(create_app({"tuned": Searcher(IndexFolder.open(folder), encoder)})) as client:
        yield client


def ids(client: TestClient, **fields: object) -> list[str]:
    reply = client.post("/v1/search", json={"query": "merge and hash", "top_k": 60, "include": [], **fields})
    assert reply.status_code == 200, reply.text
    return [hit["id"] for hit in reply.json()["data"]]


def test_the_structure_is_named_and_exact_search_is_asked_for(client: TestClient) -> None:
    assert client.get("/v1/indexes/tuned").json()["factory"] == FACTORY
    assert f'factory="{FACTORY}"' in client.get("/metrics").text
    best = ids(client, exact=True, top_k=10)
    assert best == ids(client, exact=True)[:10]
    assert len(ids(client)) == 60
    assert ids(client, top_k=1, exact=False)[0] in ids(client, exact=True)
    wanted = {"type": "lt", "key": "n", "value": 7}
    assert sorted(ids(client, filter=wanted, top_k=7)) == sorted(ids(client, filter=wanted, top_k=7, exact=True))
