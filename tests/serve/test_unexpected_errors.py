from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tart.errors import IndexFolderError
from tart_index import Searcher


@pytest.mark.parametrize(
    "error", [RuntimeError("secret in /srv/x"), IndexFolderError("/srv/x/documents.arrow: damaged")]
)
def test_an_unexpected_error_is_a_500_that_gives_nothing_away(
    client: TestClient,
    searcher: Searcher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(searcher, "answer", fail)
    monkeypatch.setattr(searcher.encoder, "embed", fail)
    native = client.post("/v1/search", json={"query": "a", "index": "code"})
    openai = client.post("/v1/embeddings", json={"input": f"never asked before: {error}", "model": "all-MiniLM-L6-v2"})
    assert (native.status_code, openai.status_code) == (500, 500)
    assert native.headers["content-type"] == "application/problem+json"
    assert native.json()["request_id"] == native.headers["x-request-id"]
    assert openai.json()["error"]["type"] == "server_error"
    assert openai.headers["x-request-id"]
    for response in (native, openai):
        assert "srv" not in response.text
        assert "Traceback" not in response.text
    assert native.json()["request_id"] in caplog.text
