"""Whatever a client sends, the service answers with a reply or a refusal of the documented shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

texts = st.text(max_size=20) | st.text(st.characters(categories=["Cs", "Cc", "Zs"]), max_size=4)
numbers = st.integers() | st.floats() | st.integers(-2, 1_002) | st.sampled_from([10**400, -(10**400), 2**31, 2**63])
scalars = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
kinds = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"])
filters = st.recursive(
    st.fixed_dictionaries({"type": kinds, "key": st.just("kind") | texts, "value": scalars | st.lists(scalars)}),
    lambda inner: (
        st.fixed_dictionaries({"type": st.sampled_from(["and", "or"]), "filters": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"type": st.just("not"), "filter": inner})
    ),
    max_leaves=6,
)
SEARCH = {
    "query": texts | st.lists(texts, max_size=3) | anything,
    "instruction": st.none() | texts | anything,
    "prompt_name": st.sampled_from([None, "function"]) | anything,
    "index": st.sampled_from(["code", "notes"]) | anything,
    "top_k": numbers,
    "offset": numbers,
    "score_threshold": st.none() | st.floats() | anything,
    "include": st.lists(st.sampled_from(["text", "title", "metadata"])) | anything,
    "truncate": st.booleans() | anything,
    "filter": filters | anything,
    "exact": st.booleans() | anything,
    "rerank": st.fixed_dictionaries({}, optional={"top_n": numbers, "model": texts}) | anything,
}
token_ids = st.lists(st.integers(-1, 31_000), max_size=4)
EMBEDDINGS = {
    "input": texts | st.lists(texts, max_size=3) | token_ids | st.lists(token_ids, max_size=3) | anything,
    "model": st.just("all-MiniLM-L6-v2") | anything,
    "encoding_format": st.sampled_from(["float", "base64"]) | anything,
    "dimensions": st.sampled_from([None, 384]) | anything,
    "instruction": st.none() | texts | anything,
    "input_type": st.sampled_from(["query", "document", None]) | anything,
    "truncate": st.booleans() | anything,
}


def bodies(fields: dict[str, st.SearchStrategy[Any]], required: set[str]) -> st.SearchStrategy[Any]:
    """Mostly bodies with known fields of mostly sensible values; sometimes anything at all."""
    mandatory = {name: strategy for name, strategy in fields.items() if name in required}
    optional = {name: strategy for name, strategy in fields.items() if name not in required}
    return st.fixed_dictionaries(mandatory, optional=optional) | anything


def post(client: TestClient, path: str, body: bytes) -> None:
    response = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (200, 400, 404, 422), response.text
    reply = response.json()
    if response.status_code != 200:
        assert "detail" in reply if path == "/v1/search" else "message" in reply["error"]


FEW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(body=bodies(SEARCH, {"query", "index"}))
def test_a_search_body_of_any_json_never_fails_the_service(client: TestClient, body: Any) -> None:
    post(client, "/v1/search", json.dumps(body).encode())


@FEW
@given(body=bodies(EMBEDDINGS, {"input", "model"}))
def test_an_embeddings_body_of_any_json_never_fails_the_service(client: TestClient, body: Any) -> None:
    post(client, "/v1/embeddings", json.dumps(body).encode())


@pytest.mark.parametrize("path", ["/v1/search", "/v1/embeddings"])
@FEW
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_never_fail_the_service(client: TestClient, path: str, body: bytes) -> None:
    post(client, path, body)
