"""`GET /v1/indexes`, `GET /v1/indexes/{name}` and `POST /v1/indexes/{name}:reload`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request

from tart_serve.index_facts import index_summary, index_version
from tart_serve.json_route import JsonRoute
from tart_serve.refusal import Refusal
from tart_serve.reloading import Reload
from tart_serve.routes.errors import problems
from tart_serve.schemas.indexes import IndexDescription, IndexList, IndexSummary, ReloadBody, ReloadReply
from tart_serve.served_indexes import ServedIndex
from tart_serve.service import Service, ServiceOf

router = APIRouter(route_class=JsonRoute, tags=["Indexes"])

Name = Annotated[str, Path(description="Of an index that is served.", examples=["demo"])]
_RELOADS: Any = {
    "new": {"summary": "Switch to what is published, if it is new", "value": {}},
    "verify": {"summary": "Read every file again", "value": {"verify": True}},
}


@router.get(
    "/v1/indexes",
    summary="List the indexes",
    response_model=IndexList,
    response_description="All indexes that are served, each in its version in service.",
)
async def list_indexes(service: ServiceOf) -> IndexList:
    """Tells which indexes there are, which version of each answers, and what came of its last reload."""
    return IndexList(object="list", data=[_summary(service, index) for index in service.indexes])


@router.get(
    "/v1/indexes/{name}",
    summary="Describe an index",
    response_model=IndexDescription,
    response_description="The index, and what can be asked of it.",
    responses=problems("/v1/indexes/demo", 404, 503),
)
async def describe_index(name: Name, service: ServiceOf) -> IndexDescription:
    """Tells the version in service, the instructions that are stored with it, and the metadata that filters may use."""
    index = service.indexes.at(name)
    service.readiness.refuse_damaged(index)
    return await service.metadata_keys.describe(index, _summary(service, index))


@router.post(
    "/v1/indexes/{name}:reload",
    summary="Switch to the newest version of an index",
    response_model=ReloadReply,
    response_description="The version in service now.",
    responses=problems("/v1/indexes/demo:reload", 400, 404, 409, 413, 415, 422, 503),
)
async def reload_index(
    name: Name,
    request: Request,
    service: ServiceOf,
    body: Annotated[ReloadBody, Body(openapi_examples=_RELOADS)] = ReloadBody(),  # noqa: B008 (frozen)
) -> ReloadReply:
    """Looks at once for a version that was published into the index's folder; a service also looks by itself.

    A new version is read whole and tried out first. One that is damaged, or whose model is not here, is refused with
    409, and the version before it stays in service. Searches go on meanwhile, each in one version.
    """
    before = service.indexes.at(name)
    done = await service.reloader.reload(name, again=body.verify)
    if done.result == "refused":
        raise _refused(name, done)
    return ReloadReply(
        object="index.reload",
        request_id=request.state.request_id,
        result=done.result,
        index=index_version(service.indexes.at(name)),
        previous=index_version(before),
        took_ms=round(done.seconds * 1_000, 3),
    )


def _summary(service: Service, index: ServedIndex) -> IndexSummary:
    return index_summary(index, service.verified.of(index), service.reloader.last(index.name))


def _refused(name: str, done: Reload) -> Refusal:
    detail = f"the published version of index {name!r} {done.reason}; version {done.version} stays in service"
    return Refusal(409, detail) if done.lasting else Refusal(503, detail, headers={"Retry-After": "1"})
