"""Revisions of the protocol: how a message says which one it speaks, and what each asks of it.

Since 2026-07-28 every request says so in itself (modern). Before that, a handshake did (legacy); as no state is kept
here, a legacy request is answered without it too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from enum import Enum
from typing import Any, NoReturn

from starlette.datastructures import Headers

from tart_serve.mcp.messages import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_VERSION, Message, RpcRefusal

LEGACY = ("2025-06-18", "2025-11-25")
MODERN = ("2026-07-28",)
SUPPORTED = (*LEGACY, *MODERN)

VERSION_HEADER = "MCP-Protocol-Version"
METHOD_HEADER = "Mcp-Method"
NAME_HEADER = "Mcp-Name"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
SERVER_KEY = "io.modelcontextprotocol/serverInfo"

_ENCODED = ("=?base64?", "?=")


class Era(Enum):
    """How a request says its revision."""

    LEGACY = "by a handshake"
    MODERN = "in itself"


def era_of(message: Message, headers: Headers) -> Era:
    """Whether a request is legacy or modern.

    Raises:
        RpcRefusal: Its revision is unknown here, or its headers contradict its body, or it lacks what a modern one
            must have (400).
    """
    header = headers.get(VERSION_HEADER)
    meta = message.params.get("_meta")
    declared = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    if message.id is None or declared is None:
        if header is not None and header not in SUPPORTED:
            _refuse_version(message, header)
        if message.id is None or header not in MODERN:
            return Era.LEGACY
    if not isinstance(meta, dict):
        _refuse_params(message, "params._meta is missing; wanted an object")
    _check_envelope(message, meta)
    _check_headers(message, meta, headers)
    if meta[VERSION_KEY] not in MODERN:
        _refuse_version(message, meta[VERSION_KEY])
    return Era.MODERN


def negotiated(message: Message) -> str:
    """The revision that a handshake agrees on: the client's, or else the newest that has a handshake.

    Raises:
        RpcRefusal: The client named none (400).
    """
    wanted = message.params.get("protocolVersion")
    if not isinstance(wanted, str):
        _refuse_params(message, "params.protocolVersion is missing; wanted a string")
    return wanted if wanted in LEGACY else LEGACY[-1]


def _check_envelope(message: Message, meta: Mapping[str, Any]) -> None:
    for key, kind, words in ((VERSION_KEY, str, "a string"), (CAPABILITIES_KEY, dict, "an object")):
        if not isinstance(meta.get(key), kind):
            _refuse_params(message, f"params._meta lacks {key!r}; wanted {words}")


def _check_headers(message: Message, meta: Mapping[str, Any], headers: Headers) -> None:
    """What stands between client and service may go by the headers, so they must say what the body says."""
    wanted = {VERSION_HEADER: meta[VERSION_KEY], METHOD_HEADER: message.method}
    if message.method == "tools/call" and isinstance(message.params.get("name"), str):
        wanted[NAME_HEADER] = message.params["name"]
    for name, value in wanted.items():
        found = headers.getlist(name)
        if len(found) != 1 or _decoded(found[0]) != value:
            detail = f"the header {name} should be sent once and be {value[:100]!r}, as the body says"
            raise RpcRefusal(400, HEADER_MISMATCH, detail, message_id=message.id)


def _decoded(value: str) -> str:
    """A header's value; one that does not fit a header stands in Base64 between two marks."""
    start, end = _ENCODED
    if not (value.startswith(start) and value.endswith(end)):
        return value
    try:
        return base64.b64decode(value[len(start) : -len(end)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return value


def _refuse_version(message: Message, requested: str) -> NoReturn:
    raise RpcRefusal(
        400,
        UNSUPPORTED_VERSION,
        f"the protocol version {requested[:100]!r} is not spoken here; there are: {', '.join(SUPPORTED)}",
        message_id=message.id,
        data={"supported": list(SUPPORTED), "requested": requested},
    )


def _refuse_params(message: Message, detail: str) -> NoReturn:
    raise RpcRefusal(400, INVALID_PARAMS, detail, message_id=message.id)
