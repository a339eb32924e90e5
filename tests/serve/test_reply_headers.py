"""The headers of every kind of reply."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tart_index import Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.security.api_keys import ApiKey, Scope, key_digest
from tart_serve.security.reply_headers import ALWAYS, DATA_POLICY, PAGE_POLICY
from tart_serve.security.settings import ClientLimits, SecuritySettings

LINE = ApiKey("a", Scope.ADMIN, key_digest("k")).line
KEY = {"Authorization": "Bearer k"}


@pytest.fixture
def strict(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A service that can refuse in every way."""
    settings = ServiceSettings(
        max_body_bytes=1_000,
        security=SecuritySettings(key_lines=(LINE,), allowed_hosts=("testserver",)),
        limits=ClientLimits(max_headers=20),
    )
    return TestClient(create_app({"code": searcher}, settings), raise_server_exceptions=False)


def test_every_kind_of_reply_carries_them(
    strict: TestClient, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(searcher.encoder, "embed", fail)
    replies = [
        strict.get("/healthz"),
        strict.head("/healthz"),
        strict.get("/readyz"),
        strict.get("/docs"),
        strict.get("/openapi.json"),
        strict.get("/docs/swagger-ui.css"),
        strict.get("/metrics", headers=KEY),
        strict.get("/nope", headers=KEY),
        strict.get("/v1/search", headers=KEY),
        strict.post("/v1/search", headers=KEY),
        strict.post("/v1/search", headers=KEY, json={}),
        strict.post("/v1/search", headers=KEY, json={"query": "a" * 1_000}),
        strict.post("/v1/search", json={}),
        strict.get("/healthz", headers={"Host": "evil.example"}),
        strict.get("/healthz", headers={f"x-{number}": "1" for number in range(21)}),
        strict.post("/v1/embeddings", headers=KEY, json={"input": "a", "model": "all-MiniLM-L6-v2"}),
    ]
    statuses = {reply.status_code for reply in replies}
    assert statuses >= {200, 400, 401, 404, 405, 413, 415, 422, 431, 500}
    for reply in replies:
        assert {name: reply.headers[name] for name in ALWAYS} == ALWAYS
        for name in ("x-request-id", "content-security-policy", "cache-control", "x-content-type-options"):
            assert len(reply.headers.get_list(name)) == 1, name
        assert "server" not in reply.headers
        assert "secret" not in reply.text


def test_replies_are_not_kept_by_caches_but_files_are(client: TestClient) -> None:
    for path in ("/healthz", "/openapi.json", "/nope", "/metrics"):
        assert client.get(path).headers["cache-control"] == "no-store"
    assert client.get("/docs/swagger-ui.css").headers["cache-control"] == "public, max-age=86400"


def test_what_is_no_page_may_load_nothing(client: TestClient) -> None:
    for path in ("/healthz", "/nope", "/openapi.json"):
        assert client.get(path).headers["content-security-policy"] == DATA_POLICY
    assert PAGE_POLICY == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )


def test_the_documentation_may_run_its_one_script_and_no_other(client: TestClient) -> None:
    page = client.get("/docs")
    [script] = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    assert "SwaggerUIBundle" in script
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "script-src 'self' 'unsafe" not in policy
    assert not re.search(r"\son\w+=", page.text)


def test_a_head_that_is_too_large_is_431(searcher: Searcher, tmp_path: Path) -> None:
    settings = ServiceSettings(limits=ClientLimits(max_headers=10, max_head_bytes=1_000))
    client = TestClient(create_app({"code": searcher}, settings))
    assert client.get("/healthz").status_code == 200
    many = client.get("/healthz", headers={f"x-{number}": "1" for number in range(11)})
    assert (many.status_code, many.json()["title"]) == (431, "Request Header Fields Too Large")
    for reply in (client.get("/healthz", headers={"x": "1" * 1_000}), client.get("/healthz?" + "q" * 1_000)):
        assert reply.status_code == 431
        assert "at most 1,000 are taken" in reply.json()["detail"]
