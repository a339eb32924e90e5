"""The files of the web page, read once: they are small, and every one is known by its name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).parent / "web"
# Not asked of the machine, whose own table may call JavaScript something that browsers refuse to run.
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class PageAsset(NamedTuple):
    """One file as it is sent.

    Attributes:
        content: Its bytes.
        media_type: Of the content.
        etag: Changes with the content.
    """

    content: bytes
    media_type: str
    etag: str


@cache
def page_assets() -> Mapping[str, PageAsset]:
    """All files of the page by their paths, such as "index.html" and "js/main.js"."""
    return {
        path.relative_to(_FOLDER).as_posix(): _read(path, media_type)
        for path in sorted(_FOLDER.rglob("*"))
        if (media_type := _MEDIA_TYPES.get(path.suffix)) is not None
    }


def _read(path: Path, media_type: str) -> PageAsset:
    content = path.read_bytes()
    return PageAsset(content, media_type, f'"{sha256(content).hexdigest()[:32]}"')
