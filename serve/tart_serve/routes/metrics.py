"""`GET /metrics`."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response

from tart_serve.service import ServiceOf
from tart_serve.telemetry.metrics import CONTENT_TYPE

router = APIRouter(tags=["Operations"])


class MetricsText(Response):
    """Text in Prometheus's form."""

    media_type = CONTENT_TYPE


@router.get(
    "/metrics",
    summary="What is counted and timed",
    response_class=MetricsText,
    response_description="Prometheus's text format.",
)
async def metrics(service: ServiceOf) -> Response:
    """For Prometheus. Durations are in seconds; with several workers, every one of them tells the numbers of all.

    Where the service asks for keys, so does this route: the scope `read` is enough.
    """
    return MetricsText(await asyncio.to_thread(service.metrics.exposition))
