"""`GET /docs` and `GET /openapi.json`: the page works without a network, all it loads comes from this service."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse, JSONResponse
from swagger_ui_bundle import swagger_ui_path

from tart_serve.openapi import openapi_document
from tart_serve.refusal import Refusal
from tart_serve.security.reply_headers import policy_for_inline_script

router = APIRouter(include_in_schema=False)

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """What every route takes and answers, for programs."""
    return JSONResponse(openapi_document(request.app))


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The same for people. Its addresses are relative, so that it also works behind a path prefix."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=f"{request.app.title} API",
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="docs/favicon-32x32.png",
        swagger_ui_parameters={"validatorUrl": None, "defaultModelsExpandDepth": 0},
    )
    [script] = _INLINE_SCRIPT.findall(bytes(page.body).decode())
    page.headers["Content-Security-Policy"] = policy_for_inline_script(script)
    return page


@router.get("/docs/{asset}")
async def asset(asset: str) -> FileResponse:
    """One of the three files that the page loads."""
    if asset not in _ASSETS:
        raise Refusal(404, "no such file; the page is at /docs")
    return FileResponse(swagger_ui_path / asset, headers={"Cache-Control": "public, max-age=86400"})
