"""Clients that hold connections without asking anything, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TypeAlias

import pytest
import uvicorn
from starlette.types import ASGIApp

from tart.errors import TartError
from tart_index import Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.security.reply_headers import ALWAYS
from tart_serve.security.settings import ClientLimits
from tart_serve.service import Service
from tart_serve.slow_clients import guarded_protocol

SHORT = 0.2
# A limit that no test waits for: what ends a connection before it is another one.
LONG = 300.0
BODY = b'{"query": "merge", "top_k": 1}'
HEAD = b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
Serving: TypeAlias = Callable[[ClientLimits], "Served"]


class Served:
    """A running service: where, and what it has refused."""

    def __init__(self, port: int, service: Service) -> None:
        self._port = port
        self._service = service

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=60)

    def ask(self, *parts: bytes) -> bytes:
        """Sends the parts and reads all that comes until the other side closes."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return read_all(connection)

    def refused(self, reason: str) -> bool:
        return f'tart_rejected_total{{reason="{reason}"}} 1.0' in self._service.metrics.exposition().decode()


def read_all(connection: socket.socket) -> bytes:
    """What comes until the end; a connection that is reset has ended too."""
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


@contextmanager
def running(app: ASGIApp, protocol: type[asyncio.Protocol]) -> Iterator[int]:
    """uvicorn in a thread; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        listener.close()


@pytest.fixture
def serving(searcher: Searcher) -> Iterator[Serving]:
    """Starts the service under limits."""
    with ExitStack() as running_services:

        def start(limits: ClientLimits) -> Served:
            app = create_app({"code": searcher}, ServiceSettings(limits=limits, max_body_bytes=10_000))
            service: Service = app.state.service
            port = running_services.enter_context(running(app, guarded_protocol(limits, service.metrics)))
            return Served(port, service)

        yield start


@pytest.mark.parametrize(
    "sent", [b"", b"G", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: "], ids=len
)
def test_a_head_that_does_not_come_ends_the_connection(serving: Serving, sent: bytes) -> None:
    served = serving(ClientLimits(head_seconds=SHORT, body_seconds=LONG))
    head, _, body = served.ask(sent).partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    assert (status, body) == ("HTTP/1.1 408 Request Timeout", b"")
    assert headers[:2] == ["Content-Length: 0", "Connection: close"]
    assert {f"{name}: {value}" for name, value in ALWAYS.items()} <= set(headers)
    assert served.refused("slow_head")


def test_dripping_does_not_help(serving: Serving) -> None:
    served = serving(ClientLimits(head_seconds=SHORT, body_seconds=LONG))
    with served.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        connection.settimeout(0.02)
        received = None
        while received is None:  # A byte every 20 ms, far more often than the limit, until the other side ends it.
            try:
                received = connection.recv(1_000)
            except TimeoutError:
                connection.sendall(b"x")
            except ConnectionError:
                received = b""
    assert served.refused("slow_head")


def test_the_second_head_of_a_connection_must_come_in_time_too(serving: Serving) -> None:
    served = serving(ClientLimits(head_seconds=SHORT, body_seconds=LONG))
    with served.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        while not received.endswith(b'{"status":"alive"}'):
            received += connection.recv(65_536)
        connection.sendall(b"GET /hea")
        assert read_all(connection).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_body_that_does_not_come_is_408_in_the_shape_of_its_route(serving: Serving) -> None:
    served = serving(ClientLimits(head_seconds=LONG, body_seconds=SHORT))
    head, _, reply = served.ask(HEAD + b"Content-Length: 30\r\n\r\n", BODY[:5]).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head.lower()
    assert b"the body did not come within 0.2 s" in reply
    assert served.refused("slow_body")


def test_the_rest_of_a_body_that_was_refused_is_not_awaited_for_ever(serving: Serving) -> None:
    served = serving(ClientLimits(head_seconds=SHORT, body_seconds=LONG))
    received = served.ask(HEAD + b"Content-Length: 1000000\r\n\r\n", b" " * 100)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.count(b"HTTP/1.1") == 1
    assert served.refused("slow_head")


def test_a_client_that_sends_in_pieces_is_served(serving: Serving) -> None:
    served = serving(ClientLimits(head_seconds=LONG, body_seconds=LONG))
    with served.connect() as connection, connection.makefile("rb") as replies:
        for _ in range(2):  # Both on one connection.
            for part in (HEAD[:10], HEAD[10:], b"Content-Length: 30\r\n\r\n", BODY[:9], BODY[9:]):
                connection.sendall(part)
            assert replies.readline() == b"HTTP/1.1 200 OK\r\n"
            length = 0
            while (line := replies.readline()) != b"\r\n":
                name, _, value = line.lower().partition(b":")
                length = int(value) if name == b"content-length" else length
                assert name != b"server"
            assert b'"object":"search.results"' in replies.read(length)


def test_a_head_that_never_ends_is_cut_off(serving: Serving) -> None:
    served = serving(ClientLimits(head_seconds=LONG, max_head_bytes=8_192))
    received = served.ask(b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 90) for n in range(100)))
    assert received.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert served.refused("head_too_large")


def test_what_is_no_http_is_400(serving: Serving) -> None:
    served = serving(ClientLimits())
    assert served.ask(b"\x16\x03\x01\x02\x00hello\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0")
    assert served.refused("malformed")


def test_more_clients_than_there_are_places_are_turned_away(serving: Serving) -> None:
    served = serving(ClientLimits(head_seconds=LONG, max_connections=3))
    idle = [served.connect() for _ in range(3)]
    for connection in idle:  # Each is asked and answered once, so that all three are surely there.
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.sendall(b"GET")
    with served.connect() as fourth:
        assert read_all(fourth).startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n")
    assert served.refused("connections")
    for connection in idle:
        with closing(connection):
            connection.sendall(b" /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b"HTTP/1.1 200" in read_all(connection)
    assert b"HTTP/1.1 200" in served.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")


def test_many_slow_clients_do_not_keep_others_out(serving: Serving) -> None:
    served = serving(ClientLimits(head_seconds=LONG, body_seconds=LONG))
    slow = [served.connect() for _ in range(100)]
    for number, connection in enumerate(slow):
        connection.sendall(b"GET / HTTP/1.1\r\n" if number % 2 else HEAD + b"Content-Length: 30\r\n\r\n{")
    reply = served.ask(HEAD + b"Connection: close\r\nContent-Length: 30\r\n\r\n" + BODY)
    assert reply.startswith(b"HTTP/1.1 200 OK")
    for connection in slow:
        connection.close()


def test_limits_must_be_positive() -> None:
    with pytest.raises(TartError, match="body_seconds: found 0; wanted a positive number"):
        ClientLimits(body_seconds=0)
