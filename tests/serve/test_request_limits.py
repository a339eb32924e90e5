"""The bounds of a request, each met exactly and passed by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tart import Encoder
from tart_index import Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.schemas.filters import MAX_ALL_VALUES
from tart_serve.security.settings import ClientLimits

JSON = {"Content-Type": "application/json"}
MODEL = "all-MiniLM-L6-v2"
TEN_MEGABYTES = 10_000_000


def nested(depth: int) -> dict[str, Any]:
    """A filter that nests so deep."""
    wanted: dict[str, Any] = {"type": "eq", "key": "kind", "value": "code"}
    for _ in range(depth - 1):
        wanted = {"type": "not", "filter": wanted}
    return wanted


def valued(*counts: int) -> dict[str, Any]:
    """A filter of comparisons with so many values each."""
    return {"type": "or", "filters": [{"type": "in", "key": "number", "value": list(range(count))} for count in counts]}


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("/v1/search", {"query": "a" * TEN_MEGABYTES}, 413, "more than 8,388,608 bytes"),
        ("/v1/embeddings", {"input": "a" * TEN_MEGABYTES, "model": MODEL}, 413, "more than 8,388,608 bytes"),
        ("/v1/search", {"query": "a " * 100_000}, 422, "at most 100000 characters"),
        ("/v1/search", {"query": "a " * 50_000}, 422, "the model takes 256"),
        ("/v1/search", {"query": "a", "instruction": "a " * 50_000}, 422, "shorten the instruction"),
        ("/v1/embeddings", {"input": "a " * 100_000, "model": MODEL}, 400, "than the 256 that the model takes"),
        ("/v1/embeddings", {"input": [7] * 100_000, "model": MODEL}, 400, "256"),
        ("/v1/search", {"query": ["a"] * 65}, 422, "at most 64 items"),
        ("/v1/embeddings", {"input": ["a"] * 2_049, "model": MODEL}, 400, "at most 2048 items"),
        ("/v1/search", {"query": "a", "filter": nested(17)}, 422, "nest more than 16 deep"),
        ("/v1/search", {"query": "a", "filter": nested(400)}, 422, "nest more than 16 deep"),
        ("/v1/search", {"query": "a", "filter": valued(1_001)}, 422, "at most 1000"),
        ("/v1/search", {"query": "a", "filter": valued(*[1_000] * 10, 1)}, 422, "found 10,001 values in all its"),
        ("/v1/search", {"query": "a", "filter": valued(*[1] * 101)}, 422, "at most 100"),
        ("/v1/search", {"query": "a", "top_k": 10**300}, 422, "less than or equal to 1000"),
        ("/v1/search", {"query": "a", "score_threshold": 1e308}, 422, "less than or equal to 1"),
        ("/v1/search", {"query": "a", "x" * 100_000: 1}, 422, "there is no field"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_too_much_is_refused(client: TestClient, path: str, body: dict[str, Any], status: int, told: str) -> None:
    index = {"index": "code"} if path == "/v1/search" else {}
    response = client.post(path, content=json.dumps({**body, **index}), headers=JSON)
    assert response.status_code == status
    assert told in response.text
    assert len(response.text) < 2_000


@pytest.mark.parametrize(
    "body",
    [
        {"query": "a " * 50_000, "truncate": True},
        {"query": ["merge"] * 64},
        {"query": "a", "filter": nested(16)},
        {"query": "a", "filter": valued(*[1_000] * 10)},
        {"query": "a", "filter": valued(*[1] * 100)},
    ],
    ids=lambda value: str(value)[:40],
)
def test_just_as_much_as_is_taken(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/v1/search", json={**body, "index": "code", "top_k": 1}).status_code == 200
    assert MAX_ALL_VALUES == 10_000


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 5_000, "0x10", "1_0"]
)
@pytest.mark.parametrize("field", ["top_k", "offset", "score_threshold", "filter"])
def test_numbers_that_are_none(client: TestClient, number: str, field: str) -> None:
    value = f'{{"type": "eq", "key": "number", "value": {number}}}' if field == "filter" else number
    response = client.post("/v1/search", content=f'{{"query": "a", "index": "code", "{field}": {value}}}', headers=JSON)
    assert response.status_code in (400, 422)
    assert len(response.text) < 6_000


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "a\xff"}',
        b'{"query": "\xc3\x28"}',
        b'{"query": "\xed\xa0\x80"}',
        b'{"query": "\xf4\x90\x80\x80"}',
        b'\xef\xbb\xbf{"query": "a"}',
        b'{"a":' * 50_000,
        b"[" * 1_000_000,
        b'{"query": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b"\x00" * 100,
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("path", ["/v1/search", "/v1/embeddings"])
def test_bytes_that_are_no_body(client: TestClient, path: str, body: bytes) -> None:
    response = client.post(path, content=body, headers=JSON)
    assert response.status_code in (400, 422)
    assert len(response.text) < 2_000


def test_tokens_of_a_request_are_counted_together(searcher: Searcher, encoder: Encoder) -> None:
    texts = ["merge two dictionaries", "sort a list"]
    tokens = len(encoder.tokenize_queries(texts, [None, None], truncate=False).ids)
    for most, status in ((tokens, 200), (tokens - 1, 400)):
        settings = ServiceSettings(limits=ClientLimits(max_request_tokens=most))
        client = TestClient(create_app({"code": searcher}, settings))
        response = client.post("/v1/embeddings", json={"input": texts, "model": MODEL})
        assert response.status_code == status
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("max_tokens_per_request", "input")
    assert f"the inputs have {tokens} tokens together; at most {tokens - 1} are taken" in error["message"]
