from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tart_serve.schemas.embeddings import EmbeddingsBody
from tart_serve.schemas.search import SearchBody
from tart_serve.schemas.select import SelectBody

BODIES = {"/v1/search": SearchBody, "/v1/select": SelectBody, "/v1/embeddings": EmbeddingsBody}


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    reply: dict[str, Any] = client.get("/openapi.json").json()
    return reply


def test_the_page_loads_only_from_this_service(client: TestClient) -> None:
    page = client.get("/docs").text
    loaded = re.findall(r"(?:src|href)=\"([^\"]*)\"|url: '([^']*)'", page)
    addresses = [first or second for first, second in loaded]
    assert len(addresses) == 4
    for address in addresses:
        assert "//" not in address
        assert client.get("/" + address).status_code == 200
    assert "http" not in page


def test_only_the_page_s_own_files_are_served(client: TestClient) -> None:
    for name in ("index.html", "swagger-ui-bundle.js.map", "..%2F__init__.py"):
        response = client.get(f"/docs/{name}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


def test_every_route_is_described(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.0.3"
    assert set(document["paths"]) == {"/v1/search", "/v1/select", "/v1/embeddings", "/healthz", "/readyz"}
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation["summary"] and operation["description"] and operation["tags"] for operation in operations)
    assert {operation["operationId"] for operation in operations} == {
        "search",
        "select",
        "embeddings",
        "healthz",
        "readyz",
    }


def test_every_field_of_a_request_is_described(document: dict[str, Any]) -> None:
    for body in BODIES.values():
        fields = document["components"]["schemas"][body.__name__]["properties"]
        assert [name for name, field in fields.items() if not field.get("description")] == []


def test_the_examples_are_answered(client: TestClient, document: dict[str, Any]) -> None:
    for path in BODIES:
        media = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        examples = [example["value"] for example in media["examples"].values()]
        assert examples
        for example in examples:
            index = {"index": "code"} if path in {"/v1/search", "/v1/select"} else {}
            assert client.post(path, json={**example, **index}).status_code == 200


def test_errors_are_documented_in_the_shape_that_is_sent(client: TestClient, document: dict[str, Any]) -> None:
    search = document["paths"]["/v1/search"]["post"]["responses"]
    assert set(search) == {"200", "400", "404", "413", "415", "422", "429", "503", "504"}
    assert all(set(search[status]["content"]) == {"application/problem+json"} for status in set(search) - {"200"})
    example = search["422"]["content"]["application/problem+json"]["example"]
    sent = client.post("/v1/search", json={"query": "a", "top_k": 5_000}).json()
    assert {**sent, "request_id": example["request_id"]} == example
    embeddings = document["paths"]["/v1/embeddings"]["post"]["responses"]
    assert set(embeddings) == {"200", "400", "404", "413", "415", "429", "504"}
    assert all(set(response["content"]) == {"application/json"} for response in embeddings.values())


def nodes(node: object) -> Iterator[dict[str, Any]]:
    """All objects of a JSON document."""
    if isinstance(node, dict):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from nodes(child)


def test_the_document_holds_nothing_that_openapi_3_0_lacks(document: dict[str, Any]) -> None:
    for node in nodes(document):
        assert node.get("type") != "null"
        assert not isinstance(node.get("examples"), list)
        assert not isinstance(node.get("const"), str)
        assert isinstance(node.get("exclusiveMaximum", False), bool)
        assert isinstance(node.get("exclusiveMinimum", False), bool)
    assert "HTTPValidationError" not in document["components"]["schemas"]
