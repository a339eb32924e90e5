from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tart import Document
from tart_index import Searcher


def test_indexes_are_listed_in_the_order_given(client: TestClient, searcher: Searcher, notes: Searcher) -> None:
    reply = client.get("/v1/indexes").json()
    assert reply["object"] == "list"
    assert [one["name"] for one in reply["data"]] == ["code", "notes"]
    for one, opened in zip(reply["data"], (searcher, notes), strict=True):
        manifest = opened.folder.manifest
        assert {key: one[key] for key in set(one) - {"last_reload", "name"}} == {
            "object": "index",
            "version": str(manifest.version),
            "fingerprint": manifest.fingerprint,
            "documents": len(opened.folder),
            "model": "all-MiniLM-L6-v2",
            "dim": 384,
            "soundness": "sound",
        }


def test_an_index_is_described(client: TestClient, functions: list[Document]) -> None:
    reply = client.get("/v1/indexes/code").json()
    assert reply["prompts"] == {"function": "Find the Python function that does this"}
    assert (reply["default_instruction"], reply["factory"], reply["max_tokens"]) == ("", "Flat", 256)
    assert (reply["documents"], reply["truncated"], reply["more_keys"]) == (30, 0, 0)
    assert reply["metadata"] == [
        {
            "key": "kind",
            "types": {"string": 30},
            "values": [{"value": "code", "documents": 15}, {"value": "guide", "documents": 15}],
        },
        {"key": "number", "types": {"number": 15}, "values": None},
    ]
    assert client.get("/v1/indexes/code").json() == reply
    assert client.get("/v1/indexes/notes").json()["default_instruction"] == "Find the page that explains this"


@pytest.mark.parametrize("name", ["none", "a%20b", "co", "code:reload", "%00"])
def test_an_index_that_is_not_served(client: TestClient, name: str) -> None:
    response = client.get(f"/v1/indexes/{name}")
    problem: dict[str, Any] = response.json()
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert problem["detail"].endswith("there are: code, notes")
    assert "errors" not in problem


def test_no_path_is_told(client: TestClient, searcher: Searcher) -> None:
    told = client.get("/v1/indexes").text + client.get("/v1/indexes/code").text
    assert str(searcher.folder.path) not in told
    assert "/tmp" not in told
