"""`/v1/indexes/{name}/documents`: written, deleted and read one by one while the index is searched."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request

from tart_serve.document_writer import Written
from tart_serve.index_facts import index_version
from tart_serve.json_route import JsonRoute
from tart_serve.refusal import Refusal
from tart_serve.routes.errors import problems
from tart_serve.routes.indexes import Name
from tart_serve.schemas.documents import EXAMPLE, ChangeReply, DocumentReply, DocumentsBody
from tart_serve.service import ServiceOf

router = APIRouter(route_class=JsonRoute, tags=["Indexes"])

_PATH = "/v1/indexes/demo/documents"
_EXAMPLES: Any = {"upsert": {"summary": "Add a document, or replace it", "value": EXAMPLE}}
Id = Annotated[str, Path(description="Of a document; slashes may stand as they are.", examples=["functools.reduce"])]


@router.post(
    "/v1/indexes/{name}/documents",
    summary="Add or replace documents",
    response_model=ChangeReply,
    response_description="What changed; a search that follows finds it.",
    responses=problems(_PATH, 400, 403, 404, 409, 413, 415, 422, 503),
)
async def upsert_documents(
    name: Name,
    body: Annotated[DocumentsBody, Body(openapi_examples=_EXAMPLES)],
    request: Request,
    service: ServiceOf,
) -> ChangeReply:
    """Publishes a new version of the index with the documents in it, all of them or none, and switches to it.

    A document whose title and text are stored already is not read by the model again. Searches come in between the
    batches that embed the others. Only where the operator allows writes.
    """
    written = await service.writer.upsert(name, [document.document() for document in body.documents])
    return _change_reply(written, request)


@router.get(
    "/v1/indexes/{name}/documents/{id:path}",
    summary="Read a document",
    response_model=DocumentReply,
    response_description="The document as it is stored.",
    responses=problems(f"{_PATH}/functools.reduce", 404, 503),
)
async def get_document(name: Name, id: Id, request: Request, service: ServiceOf) -> DocumentReply:  # noqa: A002
    """Answers from the version in service, and says which one that is."""
    index = service.indexes.at(name)
    service.readiness.refuse_damaged(index)
    folder = index.searcher.folder
    row = await asyncio.to_thread(folder.find, id)
    if row is None:
        raise Refusal(404, f"there is no document {id[:100]!r} in index {name!r}")
    document = folder.document(row)
    return DocumentReply(
        object="document",
        request_id=request.state.request_id,
        index=index_version(index),
        id=document.id,
        title=document.title,
        text=document.text,
        metadata=dict(document.metadata),
        truncated=folder.truncated(row),
    )


@router.delete(
    "/v1/indexes/{name}/documents/{id:path}",
    summary="Delete a document",
    response_model=ChangeReply,
    response_description="What changed; a search that follows does not find the document.",
    responses=problems(f"{_PATH}/functools.reduce", 403, 404, 409, 503),
)
async def delete_document(name: Name, id: Id, request: Request, service: ServiceOf) -> ChangeReply:  # noqa: A002
    """Publishes a new version of the index without the document, and switches to it. Only where writes are allowed."""
    return _change_reply(await service.writer.delete(name, id), request)


def _change_reply(written: Written, request: Request) -> ChangeReply:
    change = written.change
    return ChangeReply(
        object="index.change",
        request_id=request.state.request_id,
        index=index_version(written.served),
        added=change.added,
        updated=change.replaced,
        unchanged=change.unchanged,
        deleted=change.deleted,
        embedded=change.embedded,
    )
