"""`GET /healthz` and `GET /readyz`."""

from __future__ import annotations

from fastapi import APIRouter

from tart_serve.routes.errors import problems
from tart_serve.schemas.health import Alive, Ready
from tart_serve.service import ServiceOf

router = APIRouter(tags=["Operations"])


@router.get("/healthz", summary="Is the process alive?", response_model=Alive)
async def healthz() -> Alive:
    """Answers at once, whatever the model does. Restart the process when this fails."""
    return Alive(status="alive")


@router.get("/readyz", summary="Can it answer searches?", response_model=Ready, responses=problems("/readyz", 503))
async def readyz(service: ServiceOf) -> Ready:
    """Answers 200 when every index was verified and a canary search on each was answered within the deadline.

    Send requests elsewhere while this fails.
    """
    seconds = await service.readiness.check()
    return Ready(status="ready", indexes=[index.name for index in service.indexes], took_ms=round(seconds * 1_000, 3))
