"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias, cast

from fastapi import Depends
from starlette.requests import Request

from tart_serve.document_writer import DocumentWriter
from tart_serve.engine import Engine
from tart_serve.index_facts import MetadataKeys
from tart_serve.readiness import Readiness
from tart_serve.reloading import Reloader
from tart_serve.served_indexes import ServedIndexes
from tart_serve.served_models import ServedModels
from tart_serve.served_reranker import ServedReranker
from tart_serve.soundness import VerifiedVersions


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one running service."""

    indexes: ServedIndexes
    models: ServedModels
    reranker: ServedReranker
    engine: Engine
    readiness: Readiness
    verified: VerifiedVersions
    reloader: Reloader
    writer: DocumentWriter
    metadata_keys: MetadataKeys


def _service_of(request: Request) -> Service:
    return cast("Service", request.app.state.service)


ServiceOf: TypeAlias = Annotated[Service, Depends(_service_of)]
