"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias, cast

from fastapi import Depends
from starlette.requests import Request

from tart_serve.door import Door
from tart_serve.engine import Engine
from tart_serve.readiness import Readiness
from tart_serve.served_indexes import ServedIndexes
from tart_serve.served_models import ServedModels
from tart_serve.served_reranker import ServedReranker


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one running service."""

    indexes: ServedIndexes
    models: ServedModels
    reranker: ServedReranker
    engine: Engine
    readiness: Readiness
    door: Door


def _service_of(request: Request) -> Service:
    return cast("Service", request.app.state.service)


ServiceOf: TypeAlias = Annotated[Service, Depends(_service_of)]
