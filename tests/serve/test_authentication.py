"""Who may ask what: the scopes of routes, and what is answered to those who may not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tart.errors import TartError
from tart_index import Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.security.access_table import ACCESS_TABLE, OPEN, needed_access
from tart_serve.security.api_keys import ApiKey, KeyFileError, Scope, key_digest
from tart_serve.security.key_file import add_key, remove_key
from tart_serve.security.settings import SecuritySettings

SEARCH = {"query": "merge two dictionaries", "top_k": 1}
EMBED = {"input": "a", "model": "all-MiniLM-L6-v2"}


class Guarded(NamedTuple):
    """A service with a key of each scope, named by its scope; the file that holds them."""

    client: TestClient
    file: Path


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def guarded(searcher: Searcher, tmp_path: Path) -> Guarded:
    file = tmp_path / "keys.txt"
    for scope in Scope:
        add_key(file, ApiKey(f"{scope.word}er", scope, key_digest(scope.word)))
    app = create_app({"code": searcher}, ServiceSettings(security=SecuritySettings(key_file=file)))
    return Guarded(TestClient(app, raise_server_exceptions=False), file)


def routes(node: Any) -> Iterator[tuple[str, str]]:
    """Method and path template of everything that an application answers, those of its parts too."""
    for route in node.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner)
        else:
            for method in getattr(route, "methods", None) or ["GET"]:
                yield method, route.path


def test_every_route_stands_in_the_table(app: FastAPI) -> None:
    found = set(routes(app))
    assert ("POST", "/v1/search") in found
    missing = {
        (method, path) for method, path in found if method != "HEAD" and method not in ACCESS_TABLE.get(path, {})
    }
    assert missing == set()
    # And no row before it takes its requests: the table is read from the top.
    for method, path in found:
        sample = path.replace("{", "").replace(":path}", "").replace("}", "")
        assert needed_access(method, sample) == ACCESS_TABLE[path]["GET" if method == "HEAD" else method], path


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/healthz", OPEN),
        ("HEAD", "/healthz", OPEN),
        ("GET", "/readyz", OPEN),
        ("GET", "/", OPEN),
        ("GET", "/docs", OPEN),
        ("GET", "/docs/swagger-ui.css", OPEN),
        ("GET", "/openapi.json", OPEN),
        ("GET", "/metrics", Scope.READ),
        ("POST", "/v1/search", Scope.READ),
        ("POST", "/v1/embeddings", Scope.READ),
        ("POST", "/v2/rerank", Scope.READ),
        ("POST", "/mcp", Scope.READ),
        ("POST", "/v1/vector_stores/code/search", Scope.READ),
        ("GET", "/v1/indexes/code", Scope.READ),
        ("GET", "/v1/indexes/code/documents/a/b", Scope.READ),
        ("DELETE", "/v1/indexes/code/documents/a/b", Scope.WRITE),
        ("POST", "/v1/indexes/code/documents", Scope.WRITE),
        ("POST", "/v1/indexes/code:reload", Scope.ADMIN),
        ("DELETE", "/v1/indexes/code", Scope.ADMIN),
        ("PUT", "/v1/search", Scope.ADMIN),
        ("POST", "/healthz", Scope.ADMIN),
        ("GET", "/healthz/", Scope.ADMIN),
        ("GET", "//healthz", Scope.ADMIN),
        ("GET", "/Healthz", Scope.ADMIN),
        ("GET", "/docs/../v1/indexes", Scope.ADMIN),
        ("GET", "/nope", Scope.ADMIN),
        ("OPTIONS", "/v1/search", Scope.ADMIN),
    ],
)
def test_the_scope_that_a_request_needs(method: str, path: str, needed: Scope | str) -> None:
    assert needed_access(method, path) == needed


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        # Without a key, with one of read, of write, of admin.
        ("GET", "/healthz", (200, 200, 200, 200)),
        ("GET", "/openapi.json", (200, 200, 200, 200)),
        ("GET", "/metrics", (401, 200, 200, 200)),
        ("POST", "/v1/search", (401, 200, 200, 200)),
        ("POST", "/v1/embeddings", (401, 200, 200, 200)),
        ("DELETE", "/v1/indexes/code", (401, 403, 403, None)),
        ("GET", "/nope", (401, 403, 403, 404)),
        ("GET", "/v1/search", (401, 403, 403, 405)),
    ],
)
def test_a_key_opens_what_its_scope_says(
    guarded: Guarded, method: str, path: str, statuses: tuple[int | None, ...]
) -> None:
    body = {"/v1/search": SEARCH, "/v1/embeddings": EMBED}.get(path) if method == "POST" else None
    keys = [{}, *(bearer(scope.word) for scope in Scope)]
    for headers, wanted in zip(keys, statuses, strict=True):
        response = guarded.client.request(method, path, headers=headers, json=body)
        if wanted is None:
            assert response.status_code not in (401, 403)
        else:
            assert response.status_code == wanted


def test_without_a_key_nothing_is_told_and_it_says_how_to_send_one(guarded: Guarded) -> None:
    response = guarded.client.post("/v1/search", json=SEARCH)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert response.headers["content-type"] == "application/problem+json"
    reply = response.json()
    assert (reply["status"], reply["title"], reply["instance"]) == (401, "Unauthorized", "/v1/search")
    assert reply["request_id"] == response.headers["x-request-id"]
    assert "Authorization: Bearer KEY" in reply["detail"]
    for path in ("/v1/search", "/nope"):
        assert guarded.client.get(path).json()["detail"] == reply["detail"]  # Not even which routes there are.


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer READ"},
        {"X-API-Key": "wrong"},
        {"Authorization": "Bearer wrong", "X-API-Key": "read"},
        {"Authorization": "Bearer é".encode()},
    ],
)
def test_an_unknown_key_is_401(guarded: Guarded, headers: dict[str, str]) -> None:
    response = guarded.client.post("/v1/search", json=SEARCH, headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert "not known here" in response.json()["detail"]


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Basic cmVhZA=="}, {"Authorization": "Bearer "}, {"X-API-Key": " "}]
)
def test_what_is_no_key_counts_as_none(guarded: Guarded, headers: dict[str, str]) -> None:
    response = guarded.client.post("/v1/search", json=SEARCH, headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "bearer read"}, {"X-API-Key": "read"}, {"Authorization": "Basic x", "X-API-Key": "read"}],
)
def test_other_ways_to_send_a_key(guarded: Guarded, headers: dict[str, str]) -> None:
    assert guarded.client.post("/v1/search", json=SEARCH, headers=headers).status_code == 200


def test_a_scope_that_is_too_small_is_403(guarded: Guarded) -> None:
    response = guarded.client.post("/v1/indexes/code/documents", json={}, headers=bearer("read"))
    assert response.status_code == 403
    assert response.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="write"'
    assert response.json()["detail"] == "the key reader has the scope read; this needs write"


def test_openai_s_clients_get_their_shape(guarded: Guarded) -> None:
    for headers in ({}, bearer("wrong")):
        response = guarded.client.post("/v1/embeddings", json=EMBED, headers=headers)
        assert response.status_code == 401
        error = response.json()["error"]
        assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "invalid_api_key", None)
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_request_that_may_not_is_not_read(guarded: Guarded) -> None:
    response = guarded.client.post("/v1/search", content=b"{" * 1_000)
    assert response.status_code == 401


def test_a_key_is_revoked_and_made_while_the_service_runs(guarded: Guarded) -> None:
    client, file = guarded
    assert client.post("/v1/search", json=SEARCH, headers=bearer("read")).status_code == 200
    remove_key(file, "reader")
    assert client.post("/v1/search", json=SEARCH, headers=bearer("read")).status_code == 401
    add_key(file, ApiKey("again", Scope.READ, key_digest("fresh")))
    assert client.post("/v1/search", json=SEARCH, headers=bearer("fresh")).status_code == 200


def test_keys_of_the_environment(searcher: Searcher) -> None:
    line = ApiKey("ci", Scope.READ, key_digest("k")).line
    client = TestClient(create_app({"code": searcher}, ServiceSettings(security=SecuritySettings(key_lines=(line,)))))
    assert client.post("/v1/search", json=SEARCH).status_code == 401
    assert client.post("/v1/search", json=SEARCH, headers=bearer("k")).status_code == 200


def test_a_service_that_is_to_have_keys_does_not_start_without(searcher: Searcher, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("")
    for file in (tmp_path / "keys.txt", tmp_path / "none"):
        with pytest.raises(KeyFileError, match="make"):
            create_app({"code": searcher}, ServiceSettings(security=SecuritySettings(key_file=file)))


def test_the_document_says_which_routes_need_a_key(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            needed = needed_access(method.upper(), path)
            assert operation["security"] == ([] if needed == OPEN else [{}, {"key": []}])
            assert {"401", "403"} <= set(operation["responses"]) or needed == OPEN
    search = document["paths"]["/v1/search"]["post"]["responses"]["403"]
    assert search["description"] == "The API key has not the scope `read`."
    assert set(search["content"]) == {"application/problem+json"}
    assert set(document["paths"]["/v1/embeddings"]["post"]["responses"]["401"]["content"]) == {"application/json"}


@pytest.mark.parametrize("host", ["", "a/b", "*.example.org", "example.org:80", "http://example.org"])
def test_a_host_that_none_can_be(host: str) -> None:
    with pytest.raises(TartError, match="wanted a name or address without a port"):
        SecuritySettings(allowed_hosts=(host,))


@pytest.mark.parametrize("origin", ["", "example.org", "https://example.org/", "https://a/b", "ftp://a", "null"])
def test_an_origin_that_none_can_be(origin: str) -> None:
    with pytest.raises(TartError, match="wanted scheme, host and port only"):
        SecuritySettings(cors_origins=(origin,))
