from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tart_index import Searcher
from tart_serve import ServiceSettings, create_app

JSON = {"Content-Type": "application/json"}
PATHS = ["/v1/search", "/v1/embeddings"]


def detail_of(path: str, reply: dict[str, object]) -> str:
    """The message of an error in either shape, checked for its form."""
    if path == "/v1/search":
        assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(reply)
        return str(reply["detail"])
    assert list(reply) == ["error"]
    error = reply["error"]
    assert isinstance(error, dict)
    assert list(error) == ["message", "type", "param", "code"]
    assert error["type"] == "invalid_request_error"
    return str(error["message"])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "the body is empty; wanted a JSON object"),
        (b" \n", "the body is empty; wanted a JSON object"),
        (b"{", "the body is not JSON: Expecting property name"),
        (b'{"query": "a",}', "the body is not JSON: "),
        (b'{"query": "a"} x', "the body is not JSON: Extra data: line 1 column 16"),
        (b'{"query": "\xff"}', "the body is not UTF-8 (byte 11); send JSON in UTF-8"),
        ('{"query": "a"}'.encode("utf-16"), "the body is not UTF-8 (byte 0); send JSON in UTF-8"),
        (b'{"query": "a", "score_threshold": NaN}', "the body is not JSON: found NaN"),
        (b'{"query": "a", "score_threshold": -Infinity}', "the body is not JSON: found -Infinity"),
        (b"[" * 100_000, "the body nests too deeply"),
        (b'{"top_k": 1' + b"0" * 5_000 + b"}", "the body holds a number of too many digits"),
    ],
)
def test_a_body_that_is_no_json_is_400(client: TestClient, path: str, body: bytes, detail: str) -> None:
    response = client.post(path, content=body, headers=JSON)
    assert response.status_code == 400
    assert detail_of(path, response.json()).startswith(detail)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "\\ud800", "input": "\\ud800", "model": "\\udfff", "index": "code"}',
        b'{"\\ud800": 1}',
        b'{"query": ["a", "\\udc00"], "input": ["a", "\\udc00"], "model": "all-MiniLM-L6-v2", "index": "code"}',
        b'{"query": "a", "input": "a", "model": "all-MiniLM-L6-v2", "index": "code", "top_k": 1' + b"0" * 4_000 + b"}",
        b'{"query": "a", "input": "a", "model": "all-MiniLM-L6-v2", "index": "code", "score_threshold": 1e999}',
        b'{"input": [1' + b"0" * 4_000 + b'], "model": "all-MiniLM-L6-v2"}',
        b'{"score_threshold": 1' + b"0" * 4_000 + b"}",
    ],
)
def test_what_json_can_write_and_a_field_cannot_hold_is_refused(client: TestClient, path: str, body: bytes) -> None:
    response = client.post(path, content=body, headers=JSON)
    assert response.status_code == (422 if path == "/v1/search" else 400)
    assert len(detail_of(path, response.json())) < 6_000


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded", "é"])
def test_a_body_of_another_media_type_is_415(client: TestClient, path: str, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type.encode("latin-1")}
    response = client.post(path, content=b'{"query": "a"}', headers=headers)  # type: ignore[arg-type]
    assert response.status_code == 415
    assert "send the header Content-Type: application/json" in detail_of(path, response.json())


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"])
def test_json_by_its_other_names(client: TestClient, media_type: str) -> None:
    body = b'{"query": "a", "index": "code"}'
    assert client.post("/v1/search", content=body, headers={"Content-Type": media_type}).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_too_large_is_413_whether_announced_or_not(searcher: Searcher, path: str) -> None:
    client = TestClient(create_app({"code": searcher}, ServiceSettings(max_body_bytes=1_000)))
    sent = 0

    def stream() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 500
            yield b" " * 500

    for content in (b" " * 1_001, stream()):
        response = client.post(path, content=content, headers=JSON)
        assert response.status_code == 413
        assert "more than 1,000 bytes" in detail_of(path, response.json())
    fits = b'{"query": "a", "input": "a", "model": "all-MiniLM-L6-v2"}'.ljust(1_000)
    assert client.post(path, content=fits, headers=JSON).status_code in (200, 422, 400)


def test_an_unknown_route_and_method_are_problems_too(client: TestClient) -> None:
    unknown = client.get("/v1/nope%20%C3%A9")
    assert unknown.headers["content-type"] == "application/problem+json"
    assert (unknown.json()["status"], unknown.json()["instance"]) == (404, "/v1/nope%20%C3%A9")
    method = client.get("/v1/search")
    assert (method.status_code, method.json()["title"]) == (405, "Method Not Allowed")
    assert method.headers["allow"] == "POST"
    assert client.get("/v1/embeddings").json()["error"]["type"] == "invalid_request_error"
    assert client.get("/v1/search/").status_code == 404
    assert client.get("/redoc").status_code == 404


@pytest.mark.parametrize("given", ["abc", "a b", "x" * 128, "~!{}"])
def test_a_sane_request_id_is_returned(client: TestClient, given: str) -> None:
    for response in (
        client.get("/healthz", headers={"X-Request-ID": given}),
        client.get("/nope", headers={"X-Request-ID": given}),
        client.post("/v1/search", headers={"X-Request-ID": given}),
    ):
        assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", [b"", b"x" * 129, "é".encode(), b"a\tb", None])
def test_another_request_id_is_replaced(client: TestClient, given: bytes | None) -> None:
    headers = {} if given is None else {b"X-Request-ID": given}
    first, second = (client.get("/nope", headers=headers) for _ in range(2))
    ids = [response.headers["x-request-id"] for response in (first, second)]
    assert all(len(one) == 32 and one.isalnum() for one in ids)
    assert ids[0] != ids[1]
    assert first.json()["request_id"] == ids[0]
