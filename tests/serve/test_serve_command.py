from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from tart.errors import IndexFolderError, ModelError, TartError
from tart_serve.cli import serve
from tart_serve.index_arguments import IndexArgument, index_arguments
from tart_serve.keys_cli import keys
from tart_serve.listening import Address, base_url, listen
from tart_serve.open_indexes import EncoderSettings, open_indexes
from tests.serve.serving import start


@pytest.fixture
def running(code_folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A service in a process of its own, its greeting, and its port."""
    process = start(str(code_folder), "--port", "0")
    assert process.stdout is not None
    greeting = process.stdout.readline()
    port = re.search(r"http://127\.0\.0\.1:(\d+)/docs", greeting)
    assert port, process.communicate(timeout=60)
    yield process, greeting + process.stdout.readline(), int(port[1])
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=60)


def test_it_serves_and_ends_cleanly_after_the_request_in_flight(
    running: tuple[subprocess.Popen[str], str, int],
) -> None:
    process, greeting, port = running
    url = f"http://127.0.0.1:{port}"
    said = f"serving code (30 documents) at {url} (search there; the API: {url}/docs)\ncurl -s {url}/v1/search "
    assert greeting.startswith(said)
    with urlopen(f"{url}/healthz") as response:
        assert json.load(response) == {"status": "alive"}
    body = json.dumps({"query": "merge two dicts", "top_k": 1}).encode()
    head = (
        "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection, connection.makefile("rb") as replies:
        connection.sendall(head.encode())
        assert replies.readline().startswith(b"HTTP/1.1 100")  # The route now waits for the body.
        process.send_signal(signal.SIGTERM)
        connection.sendall(body)
        answer = replies.read()
    assert b"HTTP/1.1 200 OK" in answer
    assert b'"object":"search.results"' in answer
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")
    logged = [json.loads(line) for line in errors.splitlines()]
    assert [(line["level"], line["message"]) for line in logged] == [("info", "POST /v1/search")]


def test_ctrl_c_ends_it_cleanly_too(running: tuple[subprocess.Popen[str], str, int]) -> None:
    process, *_ = running
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


def test_the_example_in_the_greeting_works(running: tuple[subprocess.Popen[str], str, int]) -> None:
    from urllib.request import Request

    _, greeting, port = running
    body = re.search(r"-d '(.*)'", greeting)
    assert body
    url = f"http://127.0.0.1:{port}/v1/search"
    with urlopen(Request(url, body[1].encode(), {"Content-Type": "application/json"})) as response:
        assert json.load(response)["object"] == "search.results"


def test_a_service_with_keys_from_the_command_to_the_reply(code_folder: Path, tmp_path: Path) -> None:
    from urllib.error import HTTPError
    from urllib.request import Request

    made = CliRunner().invoke(keys, ["new", "--name", "laptop", "--keys", str(tmp_path / "keys.txt")])
    key = made.stdout.strip()
    process = start(str(code_folder), "--port", "0", "--keys", str(tmp_path / "keys.txt"))
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline() + process.stdout.readline()
        assert '-H "Authorization: Bearer $KEY"' in greeting
        body = re.search(r"-d '(.*)'", greeting)
        url = re.search(r"curl -s (\S+)", greeting)
        assert body
        assert url
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(url[1], body[1].encode(), {**headers, "Authorization": f"Bearer {key}"})) as response:
            assert json.load(response)["object"] == "search.results"
        for refused, status in (({}, 401), ({"Host": "evil.example"}, 400)):
            with pytest.raises(HTTPError) as caught:
                urlopen(Request(url[1], body[1].encode(), {**headers, **refused}))
            assert caught.value.code == status
            caught.value.close()
    finally:
        process.terminate()
        output, errors = process.communicate(timeout=60)
    assert [json.loads(line)["status"] for line in errors.splitlines()] == [200, 401, 400]
    assert key not in output + errors


def test_a_port_in_use_is_one_line_and_exit_2(code_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(str(code_folder), "--port", str(port))
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (2, "")
    assert errors == (
        f"tart: port {port} on 127.0.0.1 is in use; end the program that listens there, or choose another --port\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_machines_are_let_in_only_when_asked_for(host: str) -> None:
    result = CliRunner().invoke(serve, ["nowhere", "--host", host])
    assert isinstance(result.exception, TartError)
    assert "no key is asked for; make one (tart keys new --keys FILE) and say --keys FILE, or " in str(result.exception)
    for asked in (["--allow-public"], ["--keys", "keys.txt"]):
        allowed = CliRunner().invoke(serve, ["nowhere", "--host", host, *asked])
        assert isinstance(allowed.exception, IndexFolderError)


def test_a_folder_that_is_no_index_is_told_before_anything_listens() -> None:
    result = CliRunner().invoke(serve, ["nowhere"])
    assert isinstance(result.exception, IndexFolderError)
    assert "no index at nowhere" in str(result.exception)


def test_indexes_are_named_by_their_folders_or_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a=b").mkdir()
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    assert index_arguments(["x/code/", "papers=x/code", "p=q=r", "../a=b", "."]) == [
        IndexArgument("code", Path("x/code")),
        IndexArgument("papers", Path("x/code")),
        IndexArgument("p", Path("q=r")),
        IndexArgument("a=b", Path("../a=b")),
        IndexArgument("docs", Path()),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["x/code", "y/code"], "x/code and y/code would both be named 'code'; name one of them: other-name=y/code"),
        (["=x"], "'=x' gives the index no usable name; write NAME=DIR"),
        (["/"], "'/' gives the index no usable name; write NAME=DIR"),
        (["a/b=x"], "gives the index no usable name"),
        (["..=x"], "gives the index no usable name"),
        (["a\nb=x"], "gives the index no usable name"),
    ],
)
def test_a_name_that_cannot_be_used(given: list[str], message: str) -> None:
    result = CliRunner().invoke(serve, given)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_indexes_of_one_model_share_its_encoder(code_folder: Path, notes_folder: Path) -> None:
    arguments = [IndexArgument("a", code_folder), IndexArgument("b", notes_folder)]
    opened = open_indexes(arguments, EncoderSettings(dtype="float32"))
    assert list(opened) == ["a", "b"]
    assert opened["a"].encoder is opened["b"].encoder
    with pytest.raises(ModelError):
        open_indexes(arguments, EncoderSettings(model="./nowhere"))


def test_addresses() -> None:
    assert Address.resolve("127.0.0.1", 1).is_loopback
    assert Address.resolve("::1", 1).is_loopback
    assert not Address.resolve("0.0.0.0", 1).is_loopback
    with pytest.raises(TartError, match="no such host"):
        Address.resolve("no.such.host.invalid", 1)
    with pytest.raises(TartError, match="no such host"):
        Address.resolve("a" * 300, 1)
    with pytest.raises(TartError, match=r"cannot listen on 192\.0\.2\.1 port 0"):
        listen(Address.resolve("192.0.2.1", 0))
    with listen(Address.resolve("127.0.0.1", 0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", base_url(listener))
        with pytest.raises(TartError, match="in use"):
            listen(Address.resolve("127.0.0.1", listener.getsockname()[1]))
