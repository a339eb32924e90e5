"""`POST /mcp`: the Model Context Protocol over streamable HTTP, without sessions and without streams."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from tart_serve.json_route import check_media_type
from tart_serve.mcp.messages import INVALID_REQUEST, RpcRefusal, read_message, result_message
from tart_serve.mcp.methods import answer
from tart_serve.mcp.revisions import era_of
from tart_serve.routes.errors import rpc_errors
from tart_serve.schemas.mcp import CALL_EXAMPLE, INITIALIZE_EXAMPLE, LIST_EXAMPLE, RpcMessage, RpcReply
from tart_serve.service import ServiceOf

router = APIRouter(tags=["Agents"])

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": RpcMessage.model_json_schema(),
            "examples": {
                "initialize": {"summary": "Shake hands", "value": INITIALIZE_EXAMPLE},
                "tools/list": {"summary": "Which tools are there?", "value": LIST_EXAMPLE},
                "tools/call": {"summary": "Search", "value": CALL_EXAMPLE},
            },
        }
    },
}


@router.post(
    "/mcp",
    summary="Talk to an agent (Model Context Protocol)",
    response_model=RpcReply,
    response_description="The result of a request; before revision 2026-07-28 an error of a method too.",
    responses={202: {"description": "A notification was taken.", "model": None}, **rpc_errors()},
    openapi_extra={"requestBody": _BODY},
)
async def mcp(request: Request, service: ServiceOf) -> Response:
    """Gives agents the tools `search`, `list_indexes` and `get_document`: put this address into an agent's settings.

    One JSON-RPC request or notification a body, one JSON reply; there are no sessions and no streams.
    """
    _check_accept(request.headers.get("accept"))
    check_media_type(request.headers.get("content-type", ""))
    message = read_message(await request.body())
    era = era_of(message, request.headers)
    if message.id is None:
        return Response(status_code=202)
    return JSONResponse(result_message(message.id, await answer(message, era, service)))


def _check_accept(accept: str | None) -> None:
    kinds = [kind.partition(";")[0].strip().lower() for kind in (accept or "*/*").split(",")]
    if not {"application/json", "application/*", "*/*"}.intersection(kinds):
        detail = "replies are JSON; send the header Accept: application/json, text/event-stream"
        raise RpcRefusal(406, INVALID_REQUEST, detail)
