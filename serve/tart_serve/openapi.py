"""The OpenAPI document, in version 3.0: the newest one that the bundled Swagger UI (4.15) can show."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tart_serve.problem import MEDIA_TYPE
from tart_serve.security.openapi_keys import declare_keys

_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Describes every route of the service; made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.0.3",
            summary=None,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"] = _responses(operation["responses"])
        for name in _FASTAPIS_OWN:
            document["components"]["schemas"].pop(name, None)
        declare_keys(document)
        app.openapi_schema = _as_3_0(document)
    return app.openapi_schema


def _responses(responses: dict[str, Any]) -> dict[str, Any]:
    """Drops the errors that FastAPI promises and this service does not send; gives problems their media type."""
    kept: dict[str, Any] = {}
    for status, response in responses.items():
        content = response.get("content", {}).get("application/json", {})
        schema = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
        if schema not in _FASTAPIS_OWN:
            kept[status] = {**response, "content": {MEDIA_TYPE: content}} if schema == "Problem" else response
    return kept


def _as_3_0(node: Any) -> Any:
    """Rewrites what JSON Schema 2020-12 (OpenAPI 3.1) says in another way than OpenAPI 3.0."""
    if isinstance(node, list):
        return [_as_3_0(item) for item in node]
    if not isinstance(node, dict):
        return node
    schema = {key: _as_3_0(value) for key, value in node.items()}
    if isinstance(schema.get("anyOf"), list):
        schema = _nullable(schema)
    if isinstance(schema.get("examples"), list):
        schema["example"] = schema.pop("examples")[0]
    if isinstance(schema.get("const"), (str, bool)):
        schema["enum"] = [schema.pop("const")]
    return schema


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """``anyOf: [X, null]`` becomes ``X, nullable``."""
    others = [branch for branch in schema["anyOf"] if branch != {"type": "null"}]
    if len(others) == len(schema["anyOf"]):
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if len(others) == 1 and "$ref" not in others[0]:
        # In OpenAPI 3.0 an enumeration that does not list null has none, nullable or not.
        values = {"enum": [*others[0]["enum"], None]} if "enum" in others[0] else {}
        return {**others[0], **values, **rest, "nullable": True}
    return {"anyOf": others, **rest, "nullable": True}
