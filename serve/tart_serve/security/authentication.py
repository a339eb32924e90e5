"""The check of API keys."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from tart_serve.error_handlers import error_response
from tart_serve.refusal import Refusal
from tart_serve.security.access_table import OPEN, needed_access
from tart_serve.security.api_keys import ApiKey, Scope
from tart_serve.security.key_ring import KeyRing
from tart_serve.telemetry.metrics import ServiceMetrics

_HOW = "send the header Authorization: Bearer KEY; keys come from whoever runs this service"


class AuthenticationMiddleware:
    """Lets a request through whose key has the scope that its route needs; notes the key for the log."""

    def __init__(self, app: ASGIApp, keys: KeyRing, metrics: ServiceMetrics) -> None:
        self._app = app
        self._keys = keys
        self._metrics = metrics

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        needed = needed_access(scope["method"], scope["path"]) if scope["type"] == "http" else OPEN
        if needed == OPEN:
            await self._app(scope, receive, send)
            return
        try:
            scope["state"]["api_key"] = self._authorised(scope, Scope(needed))
        except Refusal as refusal:
            self._metrics.rejected("unauthorized" if refusal.status_code == 401 else "forbidden")
            await error_response(Request(scope), refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _authorised(self, scope: AsgiScope, needed: Scope) -> ApiKey:
        """The key of a request.

        Raises:
            Refusal: There is none, or an unknown one (401), or its scope is too small (403).
        """
        presented = presented_key(Headers(scope=scope))
        if presented is None:
            raise Refusal(401, f"no API key; {_HOW}", code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
        key = self._keys.find(presented)
        if key is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Refusal(401, f"this API key is not known here; {_HOW}", code="invalid_api_key", headers=challenge)
        if key.scope < needed:
            scope["state"]["api_key"] = key
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed.word}"'}
            detail = (
                f"the key {key.name} has the scope {key.scope.word}; this needs {needed.word}, as every route does "
                "that is not listed at /docs"
                if needed is Scope.ADMIN
                else f"the key {key.name} has the scope {key.scope.word}; this needs {needed.word}"
            )
            raise Refusal(403, detail, code="insufficient_scope", headers=challenge)
        return key


def presented_key(headers: Headers) -> str | None:
    """The key of a request, if it has one: `Authorization: Bearer KEY`, or else `X-API-Key: KEY`."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return headers.get("x-api-key", "").strip() or None
