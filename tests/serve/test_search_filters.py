from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tart_index import Searcher, SearchRequest, parse_filter

CODE = {"type": "eq", "key": "kind", "value": "code"}
EARLY = {"type": "and", "filters": [CODE, {"type": "lt", "key": "number", "value": 5}]}


def search(client: TestClient, **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/search", json={"index": "code", "query": "merge two dictionaries", **fields})
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def faults(client: TestClient, **fields: Any) -> dict[str, str]:
    """The faults of a refused search by pointer."""
    body = json.dumps({"index": "code", "query": "merge", **fields})
    response = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422, response.text
    return {fault["pointer"]: fault["detail"] for fault in response.json()["errors"]}


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (CODE, {f"code-{n}" for n in range(15)}),
        (EARLY, {f"code-{n}" for n in range(5)}),
        ({"type": "not", "filter": CODE}, {f"guide-{n}" for n in range(15)}),
        ({"type": "nin", "key": "number", "value": [0, 1, 2.0]}, {f"code-{n}" for n in range(3, 15)} | {"guides"}),
        ({"type": "or", "filters": [{"type": "in", "key": "number", "value": [7, 14]}]}, {"code-7", "code-14"}),
        ({"type": "eq", "key": "number", "value": "7"}, set()),
        ({"type": "eq", "key": "number", "value": True}, set()),
        ({"type": "eq", "key": "", "value": ""}, set()),
    ],
)
def test_only_documents_that_fit_are_found_and_all_of_them(
    client: TestClient, wanted: dict[str, Any], ids: set[str]
) -> None:
    if "guides" in ids:
        ids = ids - {"guides"} | {f"guide-{n}" for n in range(15)}
    reply = search(client, filter=wanted, top_k=100)
    assert {hit["id"] for hit in reply["data"]} == ids
    assert not reply["has_more"]


def test_the_reply_is_that_of_the_searcher(client: TestClient, searcher: Searcher) -> None:
    reply = search(client, filter=EARLY, top_k=2, offset=1)
    asked = SearchRequest("merge two dictionaries", top_k=2, offset=1, filter=parse_filter(EARLY))
    [result] = searcher.search([asked])
    assert [(hit["rank"], hit["id"]) for hit in reply["data"]] == [(h.rank, h.document.id) for h in result.hits]
    assert [hit["rank"] for hit in reply["data"]] == [2, 3]
    assert reply["has_more"]


def test_queries_of_a_list_share_the_filter(client: TestClient) -> None:
    reply = search(client, query=["merge", "sort", " "], filter=CODE, top_k=3)
    kinds = [{hit["metadata"]["kind"] for hit in one["data"]} for one in reply["results"][:2]]
    assert kinds == [{"code"}, {"code"}]
    assert reply["results"][2]["object"] == "error"


def test_null_is_no_filter(client: TestClient) -> None:
    assert search(client, filter=None)["data"] == search(client)["data"]


@pytest.mark.parametrize(
    ("wanted", "pointer", "detail"),
    [
        ({}, "#/filter/type", "this field is missing; wanted one of eq, ne"),
        ([CODE], "#/filter", "found [{"),
        ("kind=code", "#/filter", 'found "kind=code"; wanted an object such as {"type": "eq"'),
        ({"type": "like", "key": "a", "value": "b"}, "#/filter/type", 'found "like"; wanted one of eq, ne, gt'),
        ({"type": "and", "filters": [{**CODE, "key": 1}]}, "#/filter/filters/0/key", "found 1; wanted the name of"),
        ({"type": "and", "filters": [CODE, {"type": "eq", "value": 1}]}, "#/filter/filters/1/key", "this field is mis"),
        ({"type": "not", "filter": {**CODE, "value": None}}, "#/filter/filter/value", "found null; wanted a string"),
        ({**CODE, "type": "in", "value": ["a", {}]}, "#/filter/value/1", "found {}; wanted a string"),
        ({**CODE, "a/b~": "\ud800"}, "#/filter/a~1b~0", 'there is no field "a/b~"; a filter of type "eq" has type'),
        ({**CODE, "\ud800": 1}, "#/filter/" + "%EF%BF%BD" * 3, 'there is no field "\\ud800"; a filter'),
        ({**CODE, "value": "\ud800{x}"}, "#/filter/value", 'found "\\ud800{x}"; wanted a string'),
    ],
)
def test_a_malformed_filter_is_refused_with_a_pointer(
    client: TestClient, wanted: Any, pointer: str, detail: str
) -> None:
    [(found, told)] = faults(client, filter=wanted).items()
    assert found == pointer
    assert told.startswith(detail)


def test_a_filter_s_fault_is_told_beside_others(client: TestClient) -> None:
    assert set(faults(client, filter={"type": "x"}, top_k=0)) == {"#/filter/type", "#/top_k"}


def test_the_documentation_shows_the_grammar(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["ComparisonFilter"]["properties"]["type"]["enum"][:3] == ["eq", "ne", "gt"]
    inner = schemas["CompoundFilter"]["properties"]["filters"]["items"]["anyOf"]
    assert [branch["$ref"].rpartition("/")[2] for branch in inner] == [
        "ComparisonFilter",
        "CompoundFilter",
        "NotFilter",
    ]
    assert schemas["SearchBody"]["properties"]["filter"]["nullable"] is True
    for name in ("ComparisonFilter", "CompoundFilter", "NotFilter"):
        assert all(field["description"] for field in schemas[name]["properties"].values())
