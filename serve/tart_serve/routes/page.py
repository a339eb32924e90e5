"""`GET /`: the page for people who search. It works without a network, all it loads comes from this service."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from tart_serve.page_assets import PageAsset, page_assets
from tart_serve.refusal import Refusal

router = APIRouter(include_in_schema=False)

# The page shows documents that anybody may have written: nothing but its own files may run, style or be sent to.
CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
))  # fmt: skip
_HEADERS = {
    # Kept, but asked for anew each time: after an update no old module meets a new one.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """The page itself. Its addresses are relative, so that it also works behind a path prefix."""
    return _sent(request, page_assets()["index.html"])


@router.get("/page/{path:path}")
async def page_file(path: str, request: Request) -> Response:
    """One of the files that the page loads."""
    asset = page_assets().get(path)
    if asset is None or path == "index.html":
        raise Refusal(404, "no such file; the page is at /")
    return _sent(request, asset)


def _sent(request: Request, asset: PageAsset) -> Response:
    headers = {**_HEADERS, "ETag": asset.etag}
    if _is_known(request.headers.get("if-none-match", ""), asset.etag):
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _is_known(if_none_match: str, etag: str) -> bool:
    """RFC 9110, section 13.1.2: weak comparison with any of a list, or any at all."""
    known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in known or known == ["*"]
