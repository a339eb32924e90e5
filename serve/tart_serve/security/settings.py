"""What the operator may set about who may ask, and how patiently the service listens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from tart.errors import TartError

# What a browser on this machine may call this machine; any other name that leads here is somebody's trick.
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Who may ask.

    Attributes:
        key_file: Of API keys; read again when it changes.
        key_lines: More API keys, as they are stored.
        allowed_hosts: Without a port; None takes any, for whoever is reached by names that it does not know.
        cors_origins: Whose pages may call the service from a browser; "*" means all.

    Raises:
        TartError: A host or an origin is malformed.
    """

    key_file: Path | None = None
    key_lines: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] | None = None
    cors_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for host in self.allowed_hosts or ():
            _check_host(host)
        for origin in self.cors_origins:
            _check_origin(origin)

    @property
    def wants_keys(self) -> bool:
        """Whether requests need a key."""
        return bool(self.key_file or self.key_lines)

    def listening_on(self, host: str, *, is_loopback: bool) -> SecuritySettings:
        """The same for a service that listens on an address.

        On loopback only the names of this machine are taken, so that no other name can be made to lead here. A public
        service is reached by names that it does not know, and takes any unless the operator has named some.
        """
        if self.allowed_hosts is None and not is_loopback:
            return self
        own = f"[{host}]" if ":" in host else host
        return replace(self, allowed_hosts=tuple(dict.fromkeys((*LOOPBACK_HOSTS, own, *(self.allowed_hosts or ())))))


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What one client may take of the service's memory, time and connections.

    Attributes:
        head_seconds: Within which a request's line and headers must have come.
        body_seconds: Within which its body must have come.
        max_head_bytes: Of line and headers.
        max_headers: More are refused.
        max_connections: More are turned away.
        max_request_tokens: That the model may have to read for one request; OpenAI's own limit.

    Raises:
        TartError: One is not positive.
    """

    head_seconds: float = 10.0
    body_seconds: float = 60.0
    max_head_bytes: int = 32 * 2**10
    max_headers: int = 100
    max_connections: int = 800
    max_request_tokens: int = 300_000

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise TartError(f"{name}: found {getattr(self, name)}; wanted a positive number")


def _check_host(host: str) -> None:
    if not host or "/" in host or "*" in host or (":" in host and not host.startswith("[")):
        raise TartError(f"allowed host {host!r}: wanted a name or address without a port, such as search.example.org")


def _check_origin(origin: str) -> None:
    parts = urlsplit(origin)
    if origin != "*" and (parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}"):
        raise TartError(f"CORS origin {origin!r}: wanted scheme, host and port only, such as https://app.example.org")
