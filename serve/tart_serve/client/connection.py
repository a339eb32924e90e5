"""Where a service is, and how its requests are sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from tart import __version__
from tart_serve.client.call import Call
from tart_serve.client.errors import ClientError, ConnectionLostError, TimedOutError, UnreachableError

DEFAULT_URL = "http://127.0.0.1:8080"
_CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Connection:
    """Address, key and patience.

    Attributes:
        base_url: Of the service, a path before its routes included; by default `TART_URL`, or this machine's port 8080.
        api_key: By default `TART_API_KEY`, or none. It is never shown.
        timeout: Seconds that a reply may take.

    Raises:
        ClientError: The address or the key is no usable one.
    """

    base_url: str = ""
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 60.0

    def __post_init__(self) -> None:
        url = (self.base_url or os.environ.get("TART_URL") or DEFAULT_URL).rstrip("/")
        key = self.api_key if self.api_key is not None else os.environ.get("TART_API_KEY")
        _check_url(url)
        _check_key(key)
        object.__setattr__(self, "base_url", url)
        object.__setattr__(self, "api_key", key or None)

    @property
    def headers(self) -> dict[str, str]:
        """Of every request."""
        headers = {"Accept": "application/json", "User-Agent": f"tart-client/{__version__}"}
        return headers | ({"Authorization": f"Bearer {self.api_key}"} if self.api_key else {})

    @property
    def timeouts(self) -> httpx2.Timeout:
        """For reading and writing; a connection comes about at once, or not at all."""
        return httpx2.Timeout(self.timeout, connect=min(self.timeout, _CONNECT_SECONDS))

    def request(self, call: Call[object]) -> httpx2.Request:
        """The request of a call.

        Raises:
            ValueError: Its body holds a value that JSON does not have.
        """
        content = call.content()
        headers = self.headers | ({"Content-Type": "application/json"} if content is not None else {})
        return httpx2.Request(
            call.method,
            self.base_url + call.path,
            content=content,
            headers=headers,
            extensions={"timeout": self.timeouts.as_dict()},
        )

    @contextmanager
    def faults_told(self) -> Iterator[None]:
        """Says in our words what the HTTP library reports.

        Raises:
            UnreachableError: The request was not begun.
            TimedOutError: There was no reply in time.
            ConnectionLostError: The connection ended before the reply did.
        """
        try:
            yield
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise UnreachableError(f"no connection to {self.base_url} ({error}); is the service running?") from error
        except httpx2.TimeoutException as error:
            raise TimedOutError(f"no reply from {self.base_url} within {self.timeout:g} s") from error
        except httpx2.TransportError as error:
            raise ConnectionLostError(f"the connection to {self.base_url} was lost ({error})") from error
        except httpx2.RequestError as error:
            raise ClientError(f"a reply from {self.base_url} cannot be read ({error})") from error


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or "@" in url:
        # What stands before an @ may be a password.
        found = url.rpartition("@")[2]
        raise ClientError(f"{found!r} is no address of a service; wanted http://HOST:PORT, a path after it at most")


def _check_key(key: str | None) -> None:
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise ClientError("the API key holds a character that no key has (a space, a line end?); copy it anew")
