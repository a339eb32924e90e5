"""A service in a process of its own, whose index changes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from tart import Document, Encoder
from tart_index import Corpus
from tart_index.changes import add_documents
from tart_serve.cli import serve
from tests.serve.test_serve_command import start


def asked(url: str, body: object = None, method: str | None = None) -> dict[str, Any]:
    """The JSON reply to a request."""
    content = None if body is None else json.dumps(body).encode()
    request = Request(url, content, {"Content-Type": "application/json"}, method=method)
    with urlopen(request, timeout=60) as response:
        reply: dict[str, Any] = json.load(response)
        return reply


def test_a_running_service_follows_its_folder_and_takes_writes(
    code_folder: Path, encoder: Encoder, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(code_folder, tmp_path / "code"))
    process = start(str(folder), "--port", "0", "--allow-writes", "--reload-interval", "0.05", "--log-level", "warning")
    try:
        assert process.stdout is not None
        port = re.search(r"http://127\.0\.0\.1:(\d+)/docs", process.stdout.readline())
        assert port, process.communicate(timeout=60)
        index = f"http://127.0.0.1:{port[1]}/v1/indexes/code"
        corpus = Corpus.from_documents("test", lambda: [Document("published", "parse a date")])
        add_documents(folder, corpus, encoder)
        deadline = time.monotonic() + 60
        while asked(index)["version"] == "1" and time.monotonic() < deadline:
            asked(f"http://127.0.0.1:{port[1]}/healthz")
        assert asked(f"{index}/documents/published")["index"]["version"] == "2"
        body = {"documents": [{"id": "a/b c", "text": "resize an image"}]}
        assert asked(f"{index}/documents", body)["index"]["version"] == "3"
        assert asked(f"{index}/documents/a%2Fb%20c")["text"] == "resize an image"
        assert asked(f"{index}/documents/a/b%20c", method="DELETE")["deleted"] == 1
        assert asked(f"{index}:reload", {})["result"] == "unchanged"
        with pytest.raises(HTTPError) as error:
            asked(f"{index}/documents/a%2Fb%20c")
        error.value.close()
        assert error.value.code == 404
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=60)


def test_a_negative_interval_is_refused() -> None:
    result = CliRunner().invoke(serve, ["code", "--reload-interval", "-1"])
    assert result.exit_code == 2
    assert "'--reload-interval'" in result.output
