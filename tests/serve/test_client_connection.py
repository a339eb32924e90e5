from __future__ import annotations

import httpx2
import pytest

from tart_serve.client import Client, ClientError, InvalidRequestError, RefusedError, UnexpectedReplyError
from tart_serve.client.connection import Connection
from tart_serve.client.errors import Problem
from tests.serve.client_faces import FACES, Face, FakeTime, Script
from tests.serve.test_client_retries import READY


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TART_URL", raising=False)
    monkeypatch.delenv("TART_API_KEY", raising=False)


def test_the_address_and_the_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Connection().base_url, Connection().api_key) == ("http://127.0.0.1:8080", None)
    monkeypatch.setenv("TART_URL", "https://search.example/tart/")
    monkeypatch.setenv("TART_API_KEY", "tart_secret")
    assert (Connection().base_url, Connection().api_key) == ("https://search.example/tart", "tart_secret")
    assert Connection("http://other:1", "").api_key is None
    assert Connection("http://other:1").base_url == "http://other:1"


@pytest.mark.parametrize("kind", FACES)
def test_the_key_is_sent_and_not_shown(kind: str) -> None:
    script = Script(httpx2.Response(200, json=READY), httpx2.Response(200, json=READY))
    for key in ("tart_secret", None):
        face = Face(kind, "http://fake/prefix", FakeTime(), api_key=key, transport=httpx2.MockTransport(script))
        face.ready()
        assert "tart_secret" not in repr(face.client.connection)
        face.end()
    with_key, without = script.requests
    assert str(with_key.url) == "http://fake/prefix/readyz"
    assert with_key.headers["authorization"] == "Bearer tart_secret"
    assert "authorization" not in without.headers


@pytest.mark.parametrize("key", ["a b", "a\r\nX-Evil: 1", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ClientError) as caught:
        Client(api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://host", "http://", "http://host:0", "http://host:x", "http://h?q=1", "http://[::"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ClientError, match="wanted http://HOST:PORT"):
        Client(url)


def test_a_password_in_the_address_is_not_shown() -> None:
    with pytest.raises(ClientError) as caught:
        Client("http://user:hunter2@host")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", FACES)
@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"indexes": 3, "took_ms": 1}', b"\xff", b"[" * 100_000])
def test_a_reply_of_something_else_is_told(kind: str, body: bytes) -> None:
    script = Script(httpx2.Response(200, content=body))
    face = Face(kind, "http://fake", FakeTime(), transport=httpx2.MockTransport(script))
    with pytest.raises(UnexpectedReplyError, match="GET /readyz: the reply is not what tart serve sends"):
        face.ready()
    face.end()


@pytest.mark.parametrize("kind", FACES)
def test_the_key_does_not_follow_a_redirect(kind: str) -> None:
    script = Script(httpx2.Response(307, headers={"Location": "http://elsewhere/"}))
    face = Face(kind, "http://fake", FakeTime(), api_key="k", transport=httpx2.MockTransport(script))
    with pytest.raises(RefusedError, match=r"^307: "):
        face.ready()
    assert len(script.requests) == 1
    face.end()


@pytest.mark.parametrize("query", ["\ud800"])
def test_a_query_that_json_cannot_carry(query: str) -> None:
    with Client("http://fake", transport=httpx2.MockTransport(Script())) as client:
        with pytest.raises(ValueError, match="surrogates"):
            client.search(query)
        with pytest.raises(ValueError, match="JSON"):
            client.search("a", score_threshold=float("nan"))


@pytest.mark.parametrize(
    ("body", "detail", "pointers"),
    [
        (b'{"detail": "no", "errors": [{"pointer": "#/a", "detail": "b"}]}', "no", ["#/a"]),
        (b'{"error": {"message": "no", "param": "input", "code": null}}', "no", ["#/input"]),
        (b'{"error": {"message": "no", "param": null}}', "no", []),
        (b'{"message": "no"}', "no", []),
        (b"<h1>Bad\n Gateway</h1>", "<h1>Bad Gateway</h1>", []),
        (b'"no"', '"no"', []),
        (b'{"detail": "no", "errors": "many"}', "no", []),
        (b"", "the reply has no body", []),
        (b"\xff\xfe", "\ufffd\ufffd", []),
    ],
)
def test_problems_are_read_whatever_their_shape(body: bytes, detail: str, pointers: list[str]) -> None:
    problem = Problem.read(422, body, "id")
    assert (problem.detail, [error.pointer for error in problem.errors]) == (detail, pointers)
    assert (problem.status, problem.request_id) == (422, "id")


def test_an_unknown_status_is_still_a_refusal() -> None:
    script = Script(httpx2.Response(418, json={"detail": "tea"}))
    with (
        Client("http://fake", transport=httpx2.MockTransport(script)) as client,
        pytest.raises(RefusedError) as caught,
    ):
        client.search("a")
    assert not isinstance(caught.value, InvalidRequestError)
    assert str(caught.value) == "418: tea"
