"""How a listening socket comes to its end: nobody who was let in is cut off."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from tart_serve.listening import Address, listen, take_no_more

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can end a queue before it")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen(Address.resolve("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


def test_whoever_is_in_the_queue_is_still_answered(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        assert take_no_more(listener)
        client.sendall(b"asked after the end of the queue")
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(100) == b"asked after the end of the queue"
            accepted.sendall(b"answered")
            assert client.recv(100) == b"answered"


def test_nobody_new_gets_into_the_queue_and_is_cut_off_there(listener: socket.socket) -> None:
    take_no_more(listener)
    with socket.socket() as client:
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.connect(listener.getsockname())
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_another_holder_of_the_same_socket_takes_no_more_either(listener: socket.socket) -> None:
    with listener.dup() as shared:
        take_no_more(shared)
        with socket.socket() as client:
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.connect(listener.getsockname())


def test_connections_that_were_accepted_before_go_on(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            take_no_more(listener)
            listener.close()
            client.sendall(b"more")
            assert accepted.recv(100) == b"more"
