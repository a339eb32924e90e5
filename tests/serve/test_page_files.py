from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import tart_serve
from tart_serve.page_assets import page_assets
from tart_serve.routes.page import CONTENT_SECURITY_POLICY

WEB = Path(tart_serve.__file__).parent / "web"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def served_path(name: str) -> str:
    return "/" if name == "index.html" else f"/page/{name}"


def test_every_file_is_served_with_its_type_and_the_policy(client: TestClient) -> None:
    files = [path for path in WEB.rglob("*") if path.is_file()]
    assert {path.relative_to(WEB).as_posix() for path in files} == set(page_assets())
    for path in files:
        response = client.get(served_path(path.relative_to(WEB).as_posix()))
        assert response.status_code == 200
        assert response.content == path.read_bytes()
        assert response.headers["content-type"] == TYPES[path.suffix]
        assert response.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-cache"


def test_a_file_that_the_browser_has_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/")
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get("/", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get("/page/js/main.js").headers["etag"] != tag
    head = client.head("/")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)


@pytest.mark.parametrize("name", ["index.html", "js", "js/", "../app.py", "%2e%2e/app.py", "js/none.js", ""])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    response = client.get(f"/page/{name}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_every_address_in_the_page_is_relative_and_there(client: TestClient) -> None:
    page = page_assets()["index.html"].content.decode()
    addresses = re.findall(r'(?:src|href)="([^"#][^"]*)"', page)
    assert len(addresses) > 8
    for address in addresses:
        assert not re.match(r"/|\w+:", address)
        assert client.get(f"/{address}").status_code == 200
    for name, asset in page_assets().items():
        for imported in re.findall(r'from "(\./[^"]+)"', asset.content.decode()):
            assert f"js/{imported.removeprefix('./')}" in page_assets(), (name, imported)


def test_the_policy_needs_no_exception() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    page = page_assets()["index.html"].content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


def test_no_script_parses_html_or_runs_text() -> None:
    parsing = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
    forbidden = rf"{parsing}|\beval\(|new Function"
    for name, asset in page_assets().items():
        if name.endswith(".js"):
            assert not re.search(forbidden, asset.content.decode()), name
