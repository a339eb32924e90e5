"""The methods that a client can call, by era."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from tart import __version__
from tart_serve.mcp.messages import INVALID_PARAMS, METHOD_NOT_FOUND, Message, RpcRefusal, code_for_status
from tart_serve.mcp.revisions import SERVER_KEY, SUPPORTED, Era, negotiated
from tart_serve.mcp.tools import TOOLS, call, described
from tart_serve.refusal import Refusal
from tart_serve.service import Service

_SERVER = {"name": "tart", "title": "TART: instruction-aware search", "version": __version__}
_CAPABILITIES: dict[str, Any] = {"tools": {"listChanged": False}}
_GUIDE = (
    "Search over document indexes where every query takes an instruction in plain words. Write the instruction as you "
    "would tell a librarian what kind of document you want, and try another one when the hits are of the wrong kind."
)
# Indexes may come and go; within a minute a client learns of it.
_FRESH: dict[str, Any] = {"ttlMs": 60_000, "cacheScope": "private"}

_Method: TypeAlias = Callable[[Message, Era, Service], Awaitable[dict[str, Any]]]


async def answer(message: Message, era: Era, service: Service) -> dict[str, Any]:
    """The result of a request.

    Raises:
        RpcRefusal: There is no such method or tool, or an argument is missing, or the service cannot answer now.
    """
    method = _METHODS[era].get(message.method)
    if method is None:
        known = ", ".join(_METHODS[era])
        detail = f"there is no method {message.method[:100]!r}; there are: {known}"
        raise RpcRefusal(_status(era, 404), METHOD_NOT_FOUND, detail, message_id=message.id)
    try:
        result = await method(message, era, service)
    except RpcRefusal:
        raise
    except Refusal as refusal:
        status, code = refusal.status_code, code_for_status(refusal.status_code)
        raise RpcRefusal(status, code, refusal.detail, message_id=message.id, headers=refusal.headers) from refusal
    return {**result, "resultType": "complete", "_meta": {SERVER_KEY: _SERVER}} if era is Era.MODERN else result


async def _initialize(message: Message, era: Era, service: Service) -> dict[str, Any]:
    return {
        "protocolVersion": negotiated(message),
        "capabilities": _CAPABILITIES,
        "serverInfo": _SERVER,
        "instructions": _GUIDE,
    }


async def _ping(message: Message, era: Era, service: Service) -> dict[str, Any]:
    return {}


async def _discover(message: Message, era: Era, service: Service) -> dict[str, Any]:
    return {"supportedVersions": list(SUPPORTED), "capabilities": _CAPABILITIES, "instructions": _GUIDE, **_FRESH}


async def _list_tools(message: Message, era: Era, service: Service) -> dict[str, Any]:
    indexes = [index.name for index in service.indexes]
    tools = {"tools": [described(tool, indexes) for tool in TOOLS]}
    return {**tools, **_FRESH} if era is Era.MODERN else tools


async def _call_tool(message: Message, era: Era, service: Service) -> dict[str, Any]:
    name, arguments = message.params.get("name"), message.params.get("arguments", {})
    tool = next((tool for tool in TOOLS if tool.name == name), None)
    if tool is None:
        known = ", ".join(tool.name for tool in TOOLS)
        detail = f"there is no tool {str(name)[:100]!r}; there are: {known}"
        raise RpcRefusal(_status(era, 400), INVALID_PARAMS, detail, message_id=message.id)
    if not isinstance(arguments, dict):
        detail = "params.arguments is no object; give arguments by name"
        raise RpcRefusal(_status(era, 400), INVALID_PARAMS, detail, message_id=message.id)
    return await call(tool, service, arguments)


_METHODS: dict[Era, dict[str, _Method]] = {
    Era.LEGACY: {"initialize": _initialize, "ping": _ping, "tools/list": _list_tools, "tools/call": _call_tool},
    Era.MODERN: {"server/discover": _discover, "tools/list": _list_tools, "tools/call": _call_tool},
}


def _status(era: Era, status: int) -> int:
    """Older revisions carry the errors of a method in a normal reply; a 404 would end the client's session."""
    return status if era is Era.MODERN else 200
