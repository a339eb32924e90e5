"""The canary: a search that tells whether a version of an index answers at all."""

from __future__ import annotations

import logging
import math

from tart.errors import QueryError
from tart_index import SearchRequest
from tart_serve.engine import Engine
from tart_serve.refusal import Refusal
from tart_serve.served_indexes import ServedIndex

_LOG = logging.getLogger("tart_serve")
_CANARY = SearchRequest("canary", instruction="", top_k=1)


class CanaryError(Exception):
    """A canary came to harm; the message says how."""


async def send_canary(engine: Engine, index: ServedIndex) -> None:
    """Searches a version through the engine, as a request would.

    Raises:
        CanaryError: The search failed, or found nothing in an index that has documents.
        Refusal: The engine takes no more work now.
    """
    try:
        answered = await engine.search(index, [_CANARY])
    except Refusal:
        raise
    except Exception as error:
        _LOG.exception("the canary search on index %s failed", index.name)
        raise CanaryError(f"a canary search on index {index.name!r} failed") from error
    [outcome] = answered.answer.outcomes
    if isinstance(outcome, QueryError) or len(outcome.hits) < min(1, index.vectors):
        raise CanaryError(f"a canary search on index {index.name!r} found nothing")
    if outcome.hits and not math.isfinite(outcome.hits[0].score):
        raise CanaryError(f"a canary search on index {index.name!r} found no finite score")
