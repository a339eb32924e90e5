"""The tools: what an agent is told of them, and what they do."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from tart.errors import QueryError
from tart_index import IndexFolder
from tart_index.columns import SHOWN_TYPES
from tart_index.searcher import Hit
from tart_serve.field_faults import field_faults, summary
from tart_serve.mcp.arguments import (
    SHOWN_CHARACTERS,
    DocumentOutput,
    FoundDocument,
    GetArguments,
    ListedIndex,
    ListOutput,
    NoArguments,
    SearchArguments,
    SearchOutput,
)
from tart_serve.refusal import Refusal
from tart_serve.service import Service

_Arguments = TypeVar("_Arguments", bound=BaseModel)
_Answer: TypeAlias = Callable[[Service, Any], Awaitable[BaseModel]]


class Tool(NamedTuple):
    """A tool.

    Attributes:
        name: That it is called by.
        title: For people.
        description: For agents.
        arguments: What it takes.
        output: What it gives.
        answer: What it does.
    """

    name: str
    title: str
    description: str
    arguments: type[BaseModel]
    output: type[BaseModel]
    answer: _Answer


def described(tool: Tool, indexes: Sequence[str]) -> dict[str, Any]:
    """A tool as `tools/list` gives it.

    Args:
        tool: One of `TOOLS`.
        indexes: Names that its argument `index` may have.
    """
    schema = tool.arguments.model_json_schema()
    if "index" in schema.get("properties", {}):
        schema["properties"]["index"] = {
            "type": "string",
            "enum": list(indexes),
            "description": schema["properties"]["index"]["description"],
        }
        if len(indexes) > 1:
            schema["required"] = [*schema.get("required", []), "index"]
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": schema,
        "outputSchema": tool.output.model_json_schema(mode="serialization"),
        "annotations": {
            "title": tool.title,
            "readOnlyHint": True,
            "destructiveHint": False,
            "idempotentHint": True,
            "openWorldHint": False,
        },
    }


async def call(tool: Tool, service: Service, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a call: what the tool gives, or words from which an agent can do better.

    Raises:
        Refusal: The service cannot answer now (429, 503, 504).
    """
    try:
        output = await tool.answer(service, _read(tool.arguments, arguments))
    except QueryError as error:
        return _failed(str(error))
    except Refusal as refusal:
        if refusal.status_code >= 429:
            raise
        return _failed(refusal.detail)
    content = output.model_dump(mode="json")
    text = json.dumps(content, ensure_ascii=False)
    return {"content": [{"type": "text", "text": text}], "structuredContent": content, "isError": False}


async def _search(service: Service, arguments: SearchArguments) -> SearchOutput:
    index = service.indexes.named(arguments.index)
    service.readiness.refuse_damaged(index)
    answer, _ = await service.engine.search(index, [arguments.request()])
    [outcome] = answer.outcomes
    if isinstance(outcome, QueryError):
        raise outcome
    return SearchOutput(
        index=index.name,
        version=index.version,
        instruction_applied=outcome.instruction_applied,
        hits=[_found(hit) for hit in outcome.hits],
        has_more=outcome.has_more,
    )


async def _list_indexes(service: Service, arguments: NoArguments) -> ListOutput:
    listed: list[ListedIndex] = []
    for index in service.indexes:
        folder = index.searcher.folder
        keys, _ = await service.engine.run(lambda folder=folder: _metadata_keys(folder))  # type: ignore[misc]
        listed.append(
            ListedIndex(
                name=index.name,
                documents=len(folder),
                default_instruction=folder.manifest.default_instruction,
                named_instructions=dict(folder.manifest.prompts),
                metadata_keys=keys,
            )
        )
    return ListOutput(indexes=listed)


async def _get_document(service: Service, arguments: GetArguments) -> DocumentOutput:
    index = service.indexes.named(arguments.index)
    service.readiness.refuse_damaged(index)
    folder = index.searcher.folder
    row, _ = await service.engine.run(lambda: folder.find(arguments.id))
    if row is None:
        raise QueryError(f"index {index.name!r} has no document {arguments.id[:100]!r}; take an id from a search")
    document = folder.document(row)
    return DocumentOutput(
        index=index.name,
        version=index.version,
        id=document.id,
        title=document.title,
        text=document.text,
        metadata=dict(document.metadata),
    )


TOOLS = (
    Tool(
        "search",
        "Search documents under an instruction",
        "Finds the documents of an index that answer a query best, by meaning and not by words alone. Besides the "
        "query it takes an instruction that says what kind of document is wanted; word one for every search, as it "
        "decides what is found. Search again under another instruction to see the same matter from another side.",
        SearchArguments,
        SearchOutput,
        _search,
    ),
    Tool(
        "list_indexes",
        "List what can be searched",
        "Lists the indexes with their sizes, their stored instructions and the metadata keys that filters can use. "
        "Call it before a search that needs a filter, or where it is not clear which index to search.",
        NoArguments,
        ListOutput,
        _list_indexes,
    ),
    Tool(
        "get_document",
        "Read one document whole",
        "Gives the whole text and the metadata of a document that a search found.",
        GetArguments,
        DocumentOutput,
        _get_document,
    ),
)


def _read(kind: type[_Arguments], arguments: Mapping[str, Any]) -> _Arguments:
    """Checks the arguments of a call.

    Raises:
        QueryError: One is not as wanted.
    """
    try:
        return kind.model_validate(arguments)
    except ValidationError as error:
        findings = [{**finding, "loc": ("arguments", *finding["loc"])} for finding in error.errors()]
        raise QueryError(summary(field_faults(findings, dict(arguments)))) from error


def _found(hit: Hit) -> FoundDocument:
    document = hit.document
    return FoundDocument(
        rank=hit.rank,
        id=document.id,
        score=hit.score,
        title=document.title,
        text=document.text[:SHOWN_CHARACTERS],
        text_is_cut=len(document.text) > SHOWN_CHARACTERS,
        metadata=dict(document.metadata),
    )


def _metadata_keys(folder: IndexFolder) -> dict[str, list[str]]:
    types: dict[str, set[str]] = {}
    for part in folder.columns:
        for key, kind, _ in part.groups():
            types.setdefault(key, set()).add(SHOWN_TYPES[kind])
    return {key: sorted(types[key]) for key in sorted(types)}


def _failed(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}], "isError": True}
