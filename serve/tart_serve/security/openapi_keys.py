"""API keys in the OpenAPI document: how they are sent, which routes need which scope, how a refusal looks."""

from __future__ import annotations

from typing import Any

from tart_serve.error_shapes import shape_of
from tart_serve.refusal import Refusal
from tart_serve.security.access_table import OPEN, needed_access
from tart_serve.security.api_keys import Scope

_REQUEST_ID = "5f0c6bd8a9e94a4f9f0e8d5f1f6f2a77"
_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "Needed where the service was started with keys. The scopes are read, write and admin; each holds "
    "those before it. `X-API-Key` is taken too.",
}


def declare_keys(document: dict[str, Any]) -> None:
    """Adds the scheme to a document, and to each operation what it needs."""
    document.setdefault("components", {})["securitySchemes"] = {"key": _SCHEME}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            access = needed_access(method.upper(), path)
            if access == OPEN:
                operation["security"] = []
            else:
                # Either nothing or a key: the document is the same for a service without keys.
                operation["security"] = [{}, {"key": []}]
                operation["responses"] |= _refusals(path, Scope(access))


def _refusals(path: str, scope: Scope) -> dict[str, Any]:
    unknown = Refusal(401, "this API key is not known here", code="invalid_api_key")
    too_small = Refusal(403, f"the key laptop lacks the scope {scope.word}", code="insufficient_scope")
    return {
        "401": _response(path, unknown, "There is no API key, or an unknown one."),
        "403": _response(path, too_small, f"The API key has not the scope `{scope.word}`."),
    }


def _response(path: str, refusal: Refusal, description: str) -> dict[str, Any]:
    shape = shape_of(path)
    schema = {"$ref": f"#/components/schemas/{shape.model.__name__}"}
    content = {"schema": schema, "example": shape.body(refusal, path, _REQUEST_ID)}
    return {"description": description, "content": {shape.media_type: content}}
