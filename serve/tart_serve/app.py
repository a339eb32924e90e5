"""The service: its parts put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tart import Reranker, __version__
from tart_index import Searcher
from tart_serve.body_limit import BodyLimitMiddleware
from tart_serve.door import Door, DoorMiddleware
from tart_serve.engine import Engine
from tart_serve.error_handlers import install_error_handlers
from tart_serve.model_thread import ModelThread
from tart_serve.observer import NullObserver
from tart_serve.readiness import Readiness
from tart_serve.request_id import RequestIdMiddleware
from tart_serve.routes import docs, embeddings, health, search, select
from tart_serve.served_indexes import ServedIndexes
from tart_serve.served_models import ServedModels
from tart_serve.served_reranker import ServedReranker
from tart_serve.service import Service
from tart_serve.settings import ServiceSettings

_DESCRIPTION = """\
Instruction-aware retrieval: a query, and an instruction in plain words that says what kind of document should answer
it. The same query finds a function under one instruction and its documentation under another.

```
curl -s localhost:8080/v1/search -H 'Content-Type: application/json' \\
  -d '{"query": "how do I merge two dicts", "instruction": "Find the Python function that implements this"}'
```

Errors are problem documents (RFC 9457), in OpenAI's shape on OpenAI's routes. A field that is not listed here is
refused by name. Every reply carries `X-Request-ID`: yours if you sent one.
"""
_TAGS = [
    {"name": "Search", "description": "Queries under instructions to ranked documents."},
    {"name": "OpenAI-compatible", "description": "For clients that already speak to OpenAI: change the base URL."},
    {"name": "Operations", "description": "For whoever runs the service."},
]


def create_app(
    indexes: Mapping[str, Searcher], settings: ServiceSettings | None = None, reranker: Reranker | None = None
) -> FastAPI:
    """A service over open indexes, as an ASGI application.

    Args:
        indexes: By the names that requests will call them by.
        settings: Limits.
        reranker: For requests that ask for it.

    Raises:
        IndexFolderError: There is no index.
    """
    settings = settings or ServiceSettings()
    app = FastAPI(
        title="tart",
        version=__version__,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=_lifespan,
    )
    service = _service(indexes, settings, reranker)
    app.state.service = service
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_body_bytes)
    app.add_middleware(DoorMiddleware, door=service.door)
    app.add_middleware(RequestIdMiddleware)
    install_error_handlers(app)
    for routes in (search, select, embeddings, health, docs):
        app.include_router(routes.router)
    return app


def _service(indexes: Mapping[str, Searcher], settings: ServiceSettings, reranker: Reranker | None) -> Service:
    served = ServedIndexes(indexes)
    served_reranker = ServedReranker(reranker)
    observer = NullObserver()
    engine = Engine(ModelThread(), served_reranker, settings.engine, observer)
    return Service(
        indexes=served,
        models=ServedModels(searcher.encoder for searcher in indexes.values()),
        reranker=served_reranker,
        engine=engine,
        readiness=Readiness(served, engine, settings.ready_deadline),
        door=Door(engine.admission, settings.engine.timeout, observer),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Door]]:
    """Verifies the indexes in the background while the service runs; gives the server the door, to close it."""
    service: Service = app.state.service
    service.door.open()
    service.readiness.start()
    yield {"door": service.door}
    await service.readiness.stop()
    await service.engine.close()
