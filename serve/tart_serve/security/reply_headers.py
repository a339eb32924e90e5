"""The headers that tell browsers and caches to be careful, on every reply."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Of replies that are no page: nothing is loaded, nothing may frame them.
DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
_PAGE_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {styles}; connect-src 'self'; img-src 'self' data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
# Of pages whose scripts and styles are files of this service.
PAGE_POLICY: Final = _PAGE_POLICY.format(scripts="'self'", styles="'self'")
ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
}

# Of a reply that no route and no middleware writes: one by the protocol itself.
EARLY: Final = {**ALWAYS, "Content-Security-Policy": DATA_POLICY, "Cache-Control": "no-store"}


class ReplyHeadersMiddleware:
    """Adds what a route has not set by itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def policy_for_inline_script(script: str) -> str:
    """The policy of a page with one script inside, told by its hash.

    Such a page is the bundled Swagger UI, which also puts style attributes into what it draws.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _PAGE_POLICY.format(scripts=f"'self' 'sha256-{digest}'", styles="'self' 'unsafe-inline'")


def _complete(headers: MutableHeaders) -> None:
    for name, value in ALWAYS.items():
        headers.setdefault(name, value)
    is_page = headers.get("content-type", "").startswith("text/html")
    headers.setdefault("Content-Security-Policy", PAGE_POLICY if is_page else DATA_POLICY)
    headers.setdefault("Cache-Control", "no-store")
