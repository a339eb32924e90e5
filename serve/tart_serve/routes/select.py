"""`POST /v1/select`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from tart.instructions import Instruction
from tart_index.selection import SelectionOptions
from tart_index.selection.folder_selection import FolderSelection, select_from_folder
from tart_serve.json_route import JsonRoute
from tart_serve.routes.errors import problems
from tart_serve.schemas.search import IndexVersion
from tart_serve.schemas.select import EXAMPLE, ChosenDocument, SelectBody, SelectReply
from tart_serve.served_indexes import ServedIndex
from tart_serve.served_models import public_name
from tart_serve.service import ServiceOf

router = APIRouter(route_class=JsonRoute, tags=["Search"])

_EXAMPLES: Any = {
    "deft": {"summary": "The neighbours of two examples together", "value": EXAMPLE},
    "round-robin": {
        "summary": "Examples take turns; with texts",
        "value": {**EXAMPLE, "method": "round-robin", "include": ["text"]},
    },
}


@router.post(
    "/v1/select",
    summary="Choose documents that are like some examples",
    response_model=SelectReply,
    response_description="The chosen documents, best first, each with the example that chose it.",
    responses=problems("/v1/select", 400, 404, 413, 415, 422, 503),
)
async def select(
    body: Annotated[SelectBody, Body(openapi_examples=_EXAMPLES)], request: Request, service: ServiceOf
) -> Response:
    """Data selection for small requests: the pool is an index, the target a few texts.

    Every document of the index is scored with every target, exactly. The command `tart select` does the same for large
    pools and targets, with caps, duplicates, decontamination and controls.
    """
    index = service.indexes.named(body.index)
    service.readiness.refuse_damaged(index)
    options = SelectionOptions(
        method=body.method, neighbours=body.neighbours, budget=body.budget, instruction=body.instruction.strip()
    )
    searcher = index.searcher
    tokens = sum(len(text) for text in body.targets) // 4
    found, _ = await service.engine.run(
        lambda: select_from_folder(searcher.folder, searcher.encoder, body.targets, options), tokens
    )
    reply = _reply(body, index, found, request.state.request_id)
    return Response(reply.model_dump_json(exclude_unset=True), media_type="application/json")


def _reply(body: SelectBody, index: ServedIndex, found: FolderSelection, request_id: str) -> SelectReply:
    applied = index.searcher.encoder.input_format.applied(Instruction(body.instruction.strip()))
    return SelectReply(
        object="select.results",
        request_id=request_id,
        index=IndexVersion(name=index.name, version=index.version, fingerprint=index.fingerprint),
        model=public_name(index.searcher.encoder),
        method=body.method,
        instruction_applied=applied.text,
        candidates=found.considered,
        data=_documents(body, index, found),
    )


def _documents(body: SelectBody, index: ServedIndex, found: FolderSelection) -> list[ChosenDocument]:
    documents = []
    for rank, one in enumerate(found.candidates, start=1):
        document = index.searcher.folder.document(one.row)
        shown: dict[str, Any] = {field: getattr(document, field) for field in body.include}
        documents.append(
            ChosenDocument(rank=rank, id=document.id, score=one.score, count=one.votes, chosen_by=one.target, **shown)
        )
    return documents
