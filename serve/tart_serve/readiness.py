"""Readiness: an index is ready when every byte was verified and a canary finds something in it."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from enum import Enum

from tart.errors import QueryError
from tart_index import SearchRequest
from tart_serve.engine import Engine
from tart_serve.refusal import Refusal
from tart_serve.served_indexes import ServedIndex, ServedIndexes

_LOG = logging.getLogger("tart_serve")
_CANARY = SearchRequest("canary", instruction="", top_k=1)


class Soundness(Enum):
    """What is known of an index's files, in words that follow its name."""

    UNKNOWN = "is still being verified"
    SOUND = "is sound"
    DAMAGED = "is damaged: the operator should run tart index verify"


class Readiness:
    """Verifies indexes in the background and sends canaries through them.

    Args:
        indexes: All that are served.
        engine: Where canaries wait their turn behind real requests.
        deadline: Seconds that all canaries together may take.
    """

    def __init__(self, indexes: ServedIndexes, engine: Engine, deadline: float) -> None:
        self._indexes = indexes
        self._engine = engine
        self._deadline = deadline
        self._stopped = threading.Event()
        self._soundness = {index.name: Soundness.UNKNOWN for index in indexes}
        self._verification: asyncio.Task[None] | None = None
        self._canaries: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to verify in the background."""
        self._stopped.clear()
        self._verification = asyncio.create_task(self.verify())

    async def stop(self) -> None:
        """Ends the verification after the part that it reads now."""
        self._stopped.set()
        if self._verification is not None:
            await self._verification

    async def verify(self) -> None:
        """Reads every index whole; the service answers meanwhile."""
        for index in self._indexes:
            self._soundness[index.name] = await asyncio.to_thread(self._read_whole, index)

    def refuse_damaged(self, index: ServedIndex) -> None:
        """Refuses to answer from files that were found damaged.

        Raises:
            Refusal: They were (503).
        """
        if self._soundness[index.name] is Soundness.DAMAGED:
            raise Refusal(503, f"index {index.name!r} {Soundness.DAMAGED.value}")

    async def check(self) -> float:
        """Whether every index is sound and answers.

        Returns:
            The seconds that the canaries took, their wait included.

        Raises:
            Refusal: Something is not ready (503).
        """
        faulty = [
            f"index {name!r} {found.value}" for name, found in self._soundness.items() if found is not Soundness.SOUND
        ]
        if faulty:
            raise Refusal(503, "; ".join(faulty))
        started = time.perf_counter()
        # A probe that comes while the last one's canaries still wait joins them, so that probes never pile up.
        if self._canaries is None or self._canaries.done():
            self._canaries = asyncio.create_task(self._send_canaries())
            self._canaries.add_done_callback(_note_outcome)
        try:
            await asyncio.wait_for(asyncio.shield(self._canaries), self._deadline)
        except asyncio.TimeoutError as error:
            detail = f"a canary search got no answer within {self._deadline:g} s; the service is busy or stuck"
            raise Refusal(503, detail) from error
        return time.perf_counter() - started

    def _read_whole(self, index: ServedIndex) -> Soundness:
        try:
            for _ in index.searcher.folder.verify():
                if self._stopped.is_set():
                    return Soundness.UNKNOWN
        except Exception as error:  # noqa: BLE001 (whatever bytes a damaged file holds, it must not end the service)
            _LOG.error("index %s is damaged: %s", index.name, error)
            return Soundness.DAMAGED
        return Soundness.SOUND

    async def _send_canaries(self) -> None:
        for index in self._indexes:
            try:
                outcomes = (await self._engine.search(index, [_CANARY])).answer.outcomes
            except Exception as error:
                _LOG.exception("the canary search on index %s failed", index.name)
                raise Refusal(503, f"a canary search on index {index.name!r} failed") from error
            [outcome] = outcomes
            if isinstance(outcome, QueryError) or not outcome.hits or not math.isfinite(outcome.hits[0].score):
                raise Refusal(503, f"a canary search on index {index.name!r} found nothing")


def _note_outcome(canaries: asyncio.Task[None]) -> None:
    """Takes the error of canaries that no probe waits for any more, which asyncio would else complain about."""
    if not canaries.cancelled():
        canaries.exception()
