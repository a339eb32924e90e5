from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tart.errors import IndexFolderError
from tart_index import Searcher
from tart_serve import create_app

MISSING = object()
UNKNOWN = "the fields there are stand at /docs"


def problem(client: TestClient, body: Any) -> dict[str, Any]:
    """Posts a search and returns its problem document, checked for its form."""
    response = client.post("/v1/search", content=json.dumps(body), headers={"Content-Type": "application/json"})
    document: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert document["status"] == response.status_code
    assert document["instance"] == "/v1/search"
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["type"] == "about:blank"
    assert set(document) <= {"type", "title", "status", "detail", "instance", "request_id", "errors"}
    return document


@pytest.mark.parametrize(
    ("field", "value", "pointer", "detail"),
    [
        ("query", MISSING, "#/query", "this field is missing; it has no default"),
        ("query", None, "#/query", "Input should be a string or a list of strings; found null"),
        ("query", 5, "#/query", "Input should be a string or a list of strings; found 5"),
        ("query", {}, "#/query", "Input should be a string or a list of strings"),
        ("query", [], "#/query", "List should have at least 1 item after validation, not 0"),
        ("query", ["a"] * 65, "#/query", "List should have at most 64 items after validation, not 65"),
        ("query", ["a", 3], "#/query/1", "Input should be a valid string; found 3"),
        ("instruction", 3, "#/instruction", "Input should be a valid string; found 3"),
        ("top_k", 0, "#/top_k", "Input should be greater than or equal to 1; found 0"),
        ("top_k", 1001, "#/top_k", "Input should be less than or equal to 1000; found 1001"),
        ("top_k", "3", "#/top_k", 'Input should be a valid integer; found "3"'),
        ("top_k", True, "#/top_k", "Input should be a valid integer; found true"),
        ("top_k", 2.5, "#/top_k", "Input should be a valid integer; found 2.5"),
        ("offset", -1, "#/offset", "Input should be greater than or equal to 0; found -1"),
        ("offset", 991, "#/offset", "top_k and offset together should be at most 1000; found 991"),
        ("score_threshold", 1.5, "#/score_threshold", "Input should be less than or equal to 1; found 1.5"),
        ("include", "text", "#/include", 'Input should be a valid list; found "text"'),
        ("include", ["texts"], "#/include/0", "Input should be 'title', 'text' or 'metadata'; found \"texts\""),
        ("truncate", "yes", "#/truncate", 'Input should be a valid boolean; found "yes"'),
        ("exact", 1, "#/exact", "Input should be a valid boolean; found 1"),
        ("tpo_k", 3, "#/tpo_k", f'there is no field "tpo_k"; {UNKNOWN}'),
        ("filters", {}, "#/filters", f'there is no field "filters"; {UNKNOWN}'),
        ("a/b~c d", 3, "#/a~1b~0c%20d", f'there is no field "a/b~c d"; {UNKNOWN}'),
        ("prompt_name", "function", "#/prompt_name", "give an instruction or a prompt_name, not both"),
    ],
)
def test_a_field_that_is_not_as_wanted_is_named(
    client: TestClient, field: str, value: object, pointer: str, detail: str
) -> None:
    body = {"query": "merge", "instruction": "find", "index": "code", field: value}
    document = problem(client, {key: value for key, value in body.items() if value is not MISSING})
    assert (document["status"], document["title"]) == (422, "Unprocessable Content")
    [fault] = document["errors"]
    assert fault["pointer"] == pointer
    assert fault["detail"].startswith(detail)
    assert document["detail"] == f"{pointer[2:]}: {fault['detail']}"


@pytest.mark.parametrize("body", [[], "text", 3, None, True])
def test_a_body_that_is_no_object(client: TestClient, body: object) -> None:
    document = problem(client, body)
    assert (document["status"], [fault["pointer"] for fault in document["errors"]]) == (422, ["#"])


def test_all_faults_are_told_at_once_but_not_without_end(client: TestClient) -> None:
    document = problem(client, {"query": 1, "top_k": 0, "offset": -1, "unknown": 1})
    assert {fault["pointer"] for fault in document["errors"]} == {"#/query", "#/top_k", "#/offset", "#/unknown"}
    assert document["detail"].endswith("(and 1 more)")
    assert len(problem(client, {f"field{n}": 1 for n in range(1_000)})["errors"]) <= 20


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"query": " \n"}, "the query is empty; say what to look for"),
        ({"query": "a", "prompt_name": "nope"}, "no named instruction 'nope' in this index; there are: function"),
        ({"query": "word " * 300}, "instruction and query together have 302 tokens, the model takes 256"),
        ({"query": "a", "instruction": "word " * 300}, "the instruction alone takes"),
        ({"query": "a", "instruction": "word " * 300, "truncate": True}, "the instruction alone takes"),
    ],
)
def test_a_query_that_the_model_cannot_take(client: TestClient, fields: dict[str, object], detail: str) -> None:
    document = problem(client, {"index": "code", **fields})
    assert document["status"] == 422
    assert document["detail"].startswith(detail)
    assert "errors" not in document


def test_an_unknown_index_is_not_found_and_the_known_ones_are_listed(client: TestClient) -> None:
    document = problem(client, {"query": "a", "index": "cod\x00"})
    assert (document["status"], document["title"]) == (404, "Not Found")
    assert document["detail"] == "there is no index 'cod\\x00'; there are: code, notes"
    assert document["errors"][0]["pointer"] == "#/index"


def test_the_index_must_be_named_where_there_are_several(client: TestClient, searcher: Searcher) -> None:
    document = problem(client, {"query": "a"})
    assert (document["status"], document["errors"][0]["pointer"]) == (422, "#/index")
    assert "code, notes" in document["detail"]
    alone = TestClient(create_app({"only": searcher}))
    assert alone.post("/v1/search", json={"query": "a"}).json()["index"]["name"] == "only"


def test_a_service_without_an_index_does_not_start() -> None:
    with pytest.raises(IndexFolderError, match="no index to serve; give one or more"):
        create_app({})
