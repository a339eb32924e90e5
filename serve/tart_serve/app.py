"""The service: its parts put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute

from tart import Reranker, __version__
from tart_index import Searcher
from tart_serve.document_writer import DocumentWriter
from tart_serve.door import Door
from tart_serve.engine import Engine
from tart_serve.engine_settings import EngineSettings
from tart_serve.error_handlers import install_error_handlers
from tart_serve.guarded_app import GuardedApp, install_guards
from tart_serve.index_facts import MetadataKeys
from tart_serve.lanes import Lanes
from tart_serve.readiness import Readiness
from tart_serve.reloading import Reloader
from tart_serve.routes import (
    docs,
    documents,
    embeddings,
    health,
    instructions,
    mcp,
    metrics,
    models,
    page,
    rerank,
    search,
    select,
    vector_stores,
)
from tart_serve.routes import indexes as indexes_routes
from tart_serve.served_indexes import CurrentEncoders, ServedIndexes
from tart_serve.served_models import ServedModels
from tart_serve.served_reranker import ServedReranker
from tart_serve.service import Service
from tart_serve.settings import ServiceSettings
from tart_serve.soundness import VerifiedVersions
from tart_serve.telemetry.index_collector import IndexCollector
from tart_serve.telemetry.metrics import ServiceMetrics
from tart_serve.telemetry.tracing import tracing_for

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
ROUTES = (
    search,
    select,
    instructions,
    indexes_routes,
    documents,
    rerank,
    embeddings,
    models,
    page,
    vector_stores,
    mcp,
    health,
    metrics,
    docs,
)
_TAGS = [
    {"name": "Search", "description": "Queries under instructions to ranked documents."},
    {"name": "Rerank", "description": "Texts of the request in order: for clients of Cohere, Jina and TEI."},
    {"name": "Indexes", "description": "What is served, in which version; documents, written and read while it is."},
    {"name": "OpenAI-compatible", "description": "For clients that already speak to OpenAI: change the base URL."},
    {"name": "Agents", "description": "Search as a tool, over the Model Context Protocol."},
    {"name": "Operations", "description": "For whoever runs the service."},
]


def create_app(
    indexes: Mapping[str, Searcher], settings: ServiceSettings | None = None, reranker: Reranker | None = None
) -> FastAPI:
    """A service over open indexes, as an ASGI application.

    Args:
        indexes: By the names that requests will call them by. New versions that are published in their folders are
            switched to.
        settings: Limits, keys, logs and traces.
        reranker: For requests that ask for it.

    Raises:
        IndexFolderError: There is no index.
        KeyFileError: There are to be keys, and there is none, or one cannot be read.
        DependencyError: Traces are to be exported, and OpenTelemetry is not installed.
    """
    app = routed_app()
    app.state.service = _service(indexes, settings or ServiceSettings(), reranker)
    install_guards(app)
    install_error_handlers(app)
    return app


def routed_app() -> GuardedApp:
    """All routes with no service behind them: it can be described, and answers nothing."""
    app = GuardedApp(
        title="tart",
        version=__version__,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=_lifespan,
    )
    for routes in ROUTES:
        app.include_router(routes.router)
    every = (route for routes in ROUTES for route in routes.router.routes)
    app.state.api_routes = [route for route in every if isinstance(route, APIRoute)]
    return app


def _service(indexes: Mapping[str, Searcher], settings: ServiceSettings, reranker: Reranker | None) -> Service:
    served = ServedIndexes(indexes)
    service_metrics = ServiceMetrics()
    service_metrics.register([IndexCollector(served)])
    served_reranker = ServedReranker(reranker)
    engine = Engine(_lanes(indexes, settings.engine), served_reranker, settings.engine, service_metrics)
    verified = VerifiedVersions()
    reloader = Reloader(served, verified, engine, settings.reload, service_metrics.reloaded)
    return Service(
        indexes=served,
        models=ServedModels(CurrentEncoders(served)),
        reranker=served_reranker,
        engine=engine,
        readiness=Readiness(served, verified, engine, settings.ready_deadline),
        door=Door(engine.admission, settings.engine.timeout, service_metrics),
        verified=verified,
        reloader=reloader,
        writer=DocumentWriter(served, engine, reloader, settings.writes),
        metadata_keys=MetadataKeys(),
        settings=settings,
        metrics=service_metrics,
        tracing=tracing_for(settings.telemetry),
    )


def _lanes(indexes: Mapping[str, Searcher], settings: EngineSettings) -> Lanes:
    hardware = [searcher.encoder.hardware for searcher in indexes.values()]
    return Lanes(settings.lanes, max((one.threads for one in hardware), default=1))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Door]]:
    """Verifies the indexes and follows their folders while the service runs; gives the server the door, to close it."""
    service: Service = app.state.service
    service.door.open()
    service.writer.start()
    service.reloader.start()
    service.readiness.start()
    yield {"door": service.door}
    await service.readiness.stop()
    await service.reloader.stop()
    await service.engine.close()
    service.tracing.close()
