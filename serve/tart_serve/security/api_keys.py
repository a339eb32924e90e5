"""API keys: what is stored of them, and what they open.

A key is 256 random bits, so nobody can guess it, and a search through all keys for one of a known hash is as hopeless
with a fast hash as with a slow one. The slow, salted hashes that passwords need protect what people choose; here they
would only cost every request its time. So a plain SHA-256 is stored.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from enum import IntEnum
from typing import NamedTuple

from tart.errors import TartError

# Makes a key that leaked into a log or a repository easy to find.
PREFIX = "tart_"
_LINE = "NAME:SCOPE:sha256:HASH"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class KeyFileError(TartError):
    """Keys that cannot be read, or a key that cannot be added or taken away."""


class Scope(IntEnum):
    """What a key opens; each scope holds those before it."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """As it is written in files and messages."""
        return self.name.lower()


SCOPES = {scope.word: scope for scope in Scope}


class ApiKey(NamedTuple):
    """A key as it is stored.

    Attributes:
        name: Whose it is; it stands in the log.
        scope: What it opens.
        digest: SHA-256 of the key.
    """

    name: str
    scope: Scope
    digest: bytes

    @property
    def line(self) -> str:
        """As it stands in a file."""
        return f"{self.name}:{self.scope.word}:sha256:{self.digest.hex()}"


def new_key() -> str:
    """A key that nobody has had before."""
    return PREFIX + secrets.token_urlsafe(32)


def key_digest(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


def parse_key_line(line: str) -> ApiKey:
    """Reads a key as it is stored.

    Raises:
        KeyFileError: The line is not of that form. The message does not repeat it: it could hold a key.
    """
    name, scope, digest = (*line.split(":", 2), "", "")[:3]
    if not _NAME.fullmatch(name):
        raise KeyFileError(f"the name is no name of 1 to 64 letters, digits, '.', '_' or '-'; wanted {_LINE}")
    if scope not in SCOPES:
        raise KeyFileError(f"key {name}: the scope is not one of {', '.join(SCOPES)}; wanted {_LINE}")
    if not _HASH.fullmatch(digest):
        raise KeyFileError(
            f"key {name}: the hash is not sha256: and 64 hexadecimal digits; `tart keys new` prints such a line"
        )
    return ApiKey(name, SCOPES[scope], bytes.fromhex(digest.removeprefix("sha256:")))
