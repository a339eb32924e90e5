"""Which scope each route needs. A route that is not listed needs admin, so that a forgotten one is closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from starlette.routing import compile_path

from tart_serve.security.api_keys import Scope

Access: TypeAlias = Scope | Literal["open"]
OPEN: Final = "open"

# Path templates are those of the routes, and are matched by the same patterns.
ACCESS_TABLE: Final[Mapping[str, Mapping[str, Access]]] = {
    "/": {"GET": OPEN},
    "/page/{path:path}": {"GET": OPEN},
    "/docs": {"GET": OPEN},
    "/docs/{asset}": {"GET": OPEN},
    "/openapi.json": {"GET": OPEN},
    "/healthz": {"GET": OPEN},
    "/readyz": {"GET": OPEN},
    # Open to nobody, not even on this machine: behind a proxy that runs here, every caller seems to be here.
    "/metrics": {"GET": Scope.READ},
    "/v1/search": {"POST": Scope.READ},
    "/v1/embeddings": {"POST": Scope.READ},
    "/v1/models": {"GET": Scope.READ},
    "/v1/models/{model_id:path}": {"GET": Scope.READ},
    "/v1/vector_stores": {"GET": Scope.READ},
    "/v1/vector_stores/{vector_store_id}": {"GET": Scope.READ},
    "/v1/vector_stores/{vector_store_id}/search": {"POST": Scope.READ},
    "/v1/rerank": {"POST": Scope.READ},
    "/v2/rerank": {"POST": Scope.READ},
    "/rerank": {"POST": Scope.READ},
    "/v1/instructions": {"GET": Scope.READ},
    "/v1/select": {"POST": Scope.READ},
    "/mcp": {"POST": Scope.READ, "GET": Scope.READ, "DELETE": Scope.READ},
    "/v1/indexes": {"GET": Scope.READ},
    "/v1/indexes/{name}:reload": {"POST": Scope.ADMIN},
    "/v1/indexes/{name}/documents": {"POST": Scope.WRITE},
    "/v1/indexes/{name}/documents/{id:path}": {"GET": Scope.READ, "DELETE": Scope.WRITE},
    "/v1/indexes/{name}": {"GET": Scope.READ},
}

_PATTERNS = [(compile_path(template)[0], template) for template in ACCESS_TABLE]


def needed_access(method: str, path: str) -> Access:
    """What a request needs: a scope, or nothing."""
    asked = "GET" if method == "HEAD" else method
    for pattern, template in _PATTERNS:
        if asked in ACCESS_TABLE[template] and pattern.match(path):
            return ACCESS_TABLE[template][asked]
    return Scope.ADMIN


def listed_template(path: str) -> str | None:
    """The first template that a path fits, for requests that are refused before they are routed."""
    return next((template for pattern, template in _PATTERNS if pattern.match(path)), None)
