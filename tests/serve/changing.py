"""Indexes that change while a service answers from them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from starlette.testclient import TestClient

from tart import Document, Encoder
from tart_index import BuildOptions, Corpus, IndexFolder, Searcher, build_index
from tart_index.manifest import Manifest
from tart_serve import ServiceSettings, create_app
from tart_serve.document_writer import WriteSettings
from tart_serve.reloading import ReloadSettings
from tart_serve.service import Service

# Nothing happens unasked, so that a test decides when.
BY_HAND = ServiceSettings(reload=ReloadSettings(interval=0), writes=WriteSettings(allowed=True, lock_patience=0))


def telling(version: int, count: int = 4) -> list[Document]:
    """Documents whose ids and metadata tell the version that they stand in."""
    texts = ("merge two lists", "sort a list", "read bytes", "parse dates")
    return [
        Document(f"v{version}-{n}", f"{texts[n % 4]} {version} {n}", "", {"version": version}) for n in range(count)
    ]


def publish(folder: Path, documents: Iterable[Document], encoder: Encoder, part_size: int = 3) -> Manifest:
    """Builds a version of exactly these documents."""
    held = list(documents)
    corpus = Corpus.from_documents("test", lambda: held)
    return build_index(corpus, folder, encoder, BuildOptions(part_size=part_size, replace=True)).manifest


def service_over(folder: Path, encoder: Encoder, settings: ServiceSettings = BY_HAND) -> FastAPI:
    """A service of one index, called "live"."""
    return create_app({"live": Searcher(IndexFolder.open(folder), encoder)}, settings)


def service_of(client: TestClient) -> Service:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    return service


def verified(client: TestClient) -> TestClient:
    """The same client, once the indexes of its service are verified."""
    assert client.portal is not None
    client.portal.call(service_of(client).readiness.verify)
    return client


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[AsyncClient]:
    """A client for many requests at once."""
    async with app.router.lifespan_context(app):
        transport = ASGITransport(app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client
