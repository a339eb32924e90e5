"""JSON-RPC 2.0 as the Model Context Protocol uses it: one request or notification a body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from tart_serve.json_route import parse_json
from tart_serve.refusal import Refusal

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022

MessageId: TypeAlias = str | int


class RpcRefusal(Refusal):
    """A message that is not answered as asked.

    Args:
        status: Of the HTTP reply; 200 where older revisions of the protocol want an error in a normal reply.
        code: Of JSON-RPC, or of the protocol.
        detail: What was found, what was wanted, what to do.
        message_id: Of the request, where it could be read.
        data: What the protocol asks for beside code and message.
        headers: Of the reply.
    """

    def __init__(
        self,
        status: int,
        code: int,
        detail: str,
        *,
        message_id: MessageId | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers=headers)
        self.rpc_code = code
        self.message_id = message_id
        self.data = data


class Message(NamedTuple):
    """A request, or a notification where there is no id.

    Attributes:
        id: Of a request.
        method: What is asked for.
        params: Its arguments.
    """

    id: MessageId | None
    method: str
    params: Mapping[str, Any]


def read_message(body: bytes) -> Message:
    """Reads a body.

    Raises:
        RpcRefusal: It is not JSON, or no single request or notification (400).
    """
    try:
        value = parse_json(body)
    except Refusal as refusal:
        raise RpcRefusal(400, PARSE_ERROR, refusal.detail) from refusal
    if not isinstance(value, dict):
        raise _malformed("found no object; wanted one JSON-RPC request or notification, not a batch")
    message_id = value.get("id")
    if "id" in value and (isinstance(message_id, bool) or not isinstance(message_id, (str, int))):
        raise _malformed("the id is neither a string nor an integer; a notification has none at all")
    if value.get("jsonrpc") != "2.0" or not isinstance(value.get("method"), str):
        raise _malformed('wanted "jsonrpc": "2.0" and a method; replies are not taken here', message_id)
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise RpcRefusal(400, INVALID_PARAMS, "params is no object; give arguments by name", message_id=message_id)
    return Message(message_id, value["method"], params)


def result_message(message_id: MessageId | None, result: Mapping[str, Any]) -> dict[str, Any]:
    """The reply to a request that was answered."""
    return {"jsonrpc": "2.0", "id": message_id, "result": dict(result)}


def error_message(refusal: Refusal) -> dict[str, Any]:
    """The reply to a request that was refused, here or on its way here."""
    error: dict[str, Any] = {"code": _code(refusal), "message": refusal.detail}
    if isinstance(refusal, RpcRefusal) and refusal.data is not None:
        error["data"] = refusal.data
    message_id = refusal.message_id if isinstance(refusal, RpcRefusal) else None
    return {"jsonrpc": "2.0", "id": message_id, "error": error}


def code_for_status(status: int) -> int:
    """The error code of a refusal that has none of its own.

    One that has no meaning in JSON-RPC, such as an overload, is told by its HTTP status: the codes outside of
    JSON-RPC's range are the application's.
    """
    if status in (500, 501):
        return INTERNAL_ERROR
    return status if status >= 429 or status in (401, 403) else INVALID_REQUEST


def _code(refusal: Refusal) -> int:
    return refusal.rpc_code if isinstance(refusal, RpcRefusal) else code_for_status(refusal.status_code)


def _malformed(detail: str, message_id: MessageId | None = None) -> RpcRefusal:
    return RpcRefusal(400, INVALID_REQUEST, detail, message_id=message_id)
