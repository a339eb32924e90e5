"""The socket that a service listens on, bound before anything promises that it is up."""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import socket
import struct
import sys
from typing import NamedTuple

from tart.errors import TartError

# Linux's number for it, which Python does not name (asm-generic/socket.h).
_SO_ATTACH_FILTER = 26
# Classic BPF over a TCP segment, (code, jump if true, jump if false, constant) each: byte 13 holds the flags; a segment
# with SYN is dropped, any other passes (linux/filter.h).
_DROP_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


class Address(NamedTuple):
    """Where to listen.

    Attributes:
        family: IPv4 or IPv6.
        host: A number, as the resolver gave it.
        port: 0 takes any that is free.
    """

    family: socket.AddressFamily
    host: str
    port: int

    @classmethod
    def resolve(cls, host: str, port: int) -> Address:
        """Looks a host name up.

        Raises:
            TartError: There is no such host.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            raise TartError(
                f"no such host to listen on: {host!r}; wanted 127.0.0.1, ::1 or another of this machine's"
            ) from error
        family, *_, address = found[0]
        return cls(family, str(address[0]), port)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback


def listen(address: Address) -> socket.socket:
    """Binds and listens.

    Raises:
        TartError: The port is taken, or may not be had.
    """
    # Named as TCP, or asyncio would not set TCP_NODELAY on its connections and replies could wait 40 ms for an ACK.
    listener = socket.socket(address.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise TartError(_refused(address, error)) from error
    listener.setblocking(False)
    return listener


def take_no_more(listener: socket.socket) -> bool:
    """Lets no new connection begin, while those that have begun are still accepted.

    Whoever is in the queue of a socket that is closed is cut off, though its request may be on the way. So the queue
    is first made to end: the kernel ignores who knocks now, lets handshakes under way be finished, and the queue can
    be emptied. A client that was ignored knocks again a second later, and is then told that nobody listens.

    Returns:
        Whether the system can do so: Linux can.
    """
    if not sys.platform.startswith("linux"):
        return False
    code = b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(buffer))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError:
        return False
    return True


def base_url(listener: socket.socket) -> str:
    """The URL of the service behind a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refused(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        what = f"port {address.port} on {address.host} is in use"
        return f"{what}; end the program that listens there, or choose another --port"
    return f"cannot listen on {address.host} port {address.port} ({error.strerror}); choose another --host or --port"
