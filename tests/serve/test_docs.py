from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from tart.models import DEFAULT_MODEL
from tart_serve.app import ROUTES
from tart_serve.schemas.embeddings import EmbeddingsBody
from tart_serve.schemas.mcp import RpcMessage
from tart_serve.schemas.rerank import CohereRerankBody, JinaRerankBody, TeiRerankBody
from tart_serve.schemas.search import SearchBody
from tart_serve.schemas.select import SelectBody
from tart_serve.schemas.vector_stores import StoreSearchBody

BODIES = {
    "/v1/search": SearchBody,
    "/v1/select": SelectBody,
    "/v1/embeddings": EmbeddingsBody,
    "/v1/vector_stores/{vector_store_id}/search": StoreSearchBody,
    "/v2/rerank": CohereRerankBody,
    "/v1/rerank": JinaRerankBody,
    "/rerank": TeiRerankBody,
    "/mcp": RpcMessage,
}


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
    routes = [route for routes in ROUTES for route in routes.router.routes if isinstance(route, APIRoute)]
    assert {route.path_format for route in routes if route.include_in_schema} == set(document["paths"])
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation["summary"] and operation["description"] and operation["tags"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_every_field_of_a_request_is_described(document: dict[str, Any]) -> None:
    for path, body in BODIES.items():
        sent = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        schema = document["components"]["schemas"][body.__name__] if "$ref" in sent else sent
        fields = {name: field for name, field in schema["properties"].items() if name != "jsonrpc"}
        assert fields
        assert [name for name, field in fields.items() if not field.get("description")] == []


def test_the_examples_are_answered(client: TestClient, document: dict[str, Any]) -> None:
    for path in BODIES:
        media = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        examples = [example["value"] for example in media["examples"].values()]
        assert examples
        for example in examples:
            served = json.loads(json.dumps(example).replace(DEFAULT_MODEL, "all-MiniLM-L6-v2"))
            index = {"index": "code"} if path in {"/v1/search", "/v1/select"} else {}
            response = client.post(path.replace("{vector_store_id}", "code"), json={**served, **index})
            assert response.status_code == 200, response.text
            assert "error" not in response.json()


def test_the_examples_name_the_default_model(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    assert f'"{DEFAULT_MODEL}"' in text
    assert "all-MiniLM-L6-v2" not in text


def test_errors_are_documented_in_the_shape_that_is_sent(client: TestClient, document: dict[str, Any]) -> None:
    search = document["paths"]["/v1/search"]["post"]["responses"]
    assert set(search) == {"200", "400", "401", "403", "404", "413", "415", "422", "429", "503", "504"}
    assert all(set(search[status]["content"]) == {"application/problem+json"} for status in set(search) - {"200"})
    example = search["422"]["content"]["application/problem+json"]["example"]
    sent = client.post("/v1/search", json={"query": "a", "top_k": 5_000}).json()
    assert {**sent, "request_id": example["request_id"]} == example
    embeddings = document["paths"]["/v1/embeddings"]["post"]["responses"]
    assert set(embeddings) == {"200", "400", "401", "403", "404", "413", "415", "429", "503", "504"}
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


def test_the_committed_document_is_that_of_the_running_service(document: dict[str, Any]) -> None:
    file = Path(__file__).parents[2] / "docs" / "openapi.json"
    assert json.loads(file.read_text(encoding="utf-8")) == document, "run make docs"


def test_a_refused_method_names_all_that_a_path_takes(client: TestClient) -> None:
    for path, methods in (
        ("/v1/search", "POST"),
        ("/v1/models/a/b", "GET"),
        ("/v1/indexes/code/documents/a", "DELETE, GET"),
        ("/v1/indexes/code:reload", "GET, POST"),
    ):
        response = client.put(path)
        assert (response.status_code, response.headers["allow"]) == (405, methods)
