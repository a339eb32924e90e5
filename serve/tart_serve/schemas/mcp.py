"""Bodies of `POST /mcp`: JSON-RPC 2.0."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

INITIALIZE_EXAMPLE: JsonDict = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "curl", "version": "8"},
    },
}
LIST_EXAMPLE: JsonDict = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
CALL_EXAMPLE: JsonDict = {
    "jsonrpc": "2.0",
    "id": 3,
    "method": "tools/call",
    "params": {
        "name": "search",
        "arguments": {
            "query": "how do I merge two dicts",
            "instruction": "Find the Python function that implements this",
            "top_k": 3,
        },
    },
}


class RpcMessage(BaseModel):
    """A request, or without an id a notification."""

    jsonrpc: Literal["2.0"]
    method: str = Field(description="`tools/call`, for example.")
    id: str | int = Field(default=0, description="Comes back in the reply; a notification has none.")
    params: dict[str, Any] = Field(default={}, description="Arguments of the method.")


class RpcErrorBody(BaseModel):
    """What went wrong."""

    code: int = Field(description="Of JSON-RPC or of the protocol; else the HTTP status.", examples=[-32602])
    message: str
    data: Any = None


class RpcReply(BaseModel):
    """A result or an error."""

    jsonrpc: Literal["2.0"]
    id: str | int
    result: dict[str, Any] | None = Field(default=None, description="Where the request was answered.")
    error: RpcErrorBody | None = Field(default=None, description="Where it was not.")


class RpcError(BaseModel):
    """A request that was refused."""

    jsonrpc: Literal["2.0"]
    id: str | int | None = Field(description="Null where the body could not be read so far.")
    error: RpcErrorBody
