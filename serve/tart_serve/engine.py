"""The engine: all work of a model or an index for requests goes through here."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tart.encoder import Encoder
from tart.tokens import Tokens
from tart_index import SearchRequest
from tart_serve.admission import Admission
from tart_serve.batch_run import BatchReport, observe, run_batch
from tart_serve.batch_search import BatchAnswer
from tart_serve.caller import current_caller
from tart_serve.engine_settings import EngineSettings
from tart_serve.jobs import CallJob, EmbedJob, Job, SearchJob
from tart_serve.lanes import Lanes
from tart_serve.observer import NullObserver, Observer
from tart_serve.schemas.search import RerankBody
from tart_serve.served_indexes import ServedIndex
from tart_serve.served_reranker import ServedReranker
from tart_serve.vector_cache import VectorCache
from tart_serve.waiting import Ticket, WaitingJobs

T = TypeVar("T")
_MAKE_ROOM_SECONDS = 0.02


class Answered(NamedTuple):
    """What came of the requests of one caller.

    Attributes:
        answer: Results or faults, in the order of the requests.
        waited: Seconds in the queue.
    """

    answer: BatchAnswer
    waited: float


class Embedded(NamedTuple):
    """The vectors of one caller's texts.

    Attributes:
        vectors: Shape: (n_texts, dim), float32, unit rows.
        tokens: That they have.
    """

    vectors: NDArray[np.float32]
    tokens: int


class Engine:
    """Answers searches, embeds texts, and runs other work that needs a model.

    Work begins at once where a lane is free. What arrives while all work forms the next batch, so that a lone request
    never waits for company, and many share every pass of the model.

    Args:
        lanes: Where the work is done.
        reranker: For searches that ask for it.
        settings: Batches, bounds and deadlines.
        observer: Is told what happens.
    """

    def __init__(
        self,
        lanes: Lanes,
        reranker: ServedReranker,
        settings: EngineSettings | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._lanes = lanes
        self._reranker = reranker
        self._settings = settings or EngineSettings()
        self._observer = observer or NullObserver()
        self._cache = VectorCache(self._settings.cached_vectors)
        self._waiting = WaitingJobs()
        self._running = 0
        self.admission = Admission(self._settings, self._observer, self._make_room)
        self._made_room = -math.inf

    async def search(
        self, index: ServedIndex, requests: Sequence[SearchRequest], rerank: RerankBody | None = None
    ) -> Answered:
        """Answers the requests of one caller, all from the same version of an index.

        Raises:
            Refusal: A reranker was asked for that is not served (404, 422), there is no place (429), or the deadline
                has passed (504).
        """
        searcher = self._reranker.over(index.searcher, rerank)
        job = SearchJob(searcher, requests)
        with self._place(job.tokens):
            return Answered(*await self._turn(job))

    async def embed(
        self, encoder: Encoder, tokenize: Callable[[], Tokens], tokens: int, *, keep: bool = False
    ) -> tuple[Embedded, float]:
        """Embeds the texts of one caller; a large request goes in slices, and others have their turn between them.

        Args:
            encoder: A model.
            tokenize: Blocking; called in a thread.
            tokens: That the texts have, about.
            keep: Whether to remember the vectors, as those of queries that may come again.

        Returns:
            The vectors, and the seconds that they waited.

        Raises:
            Refusal: There is no place (429), or the deadline has passed (504).
        """
        budget = self._settings.batch_tokens or encoder.token_budget
        with self._place(min(tokens, budget)):
            if tokens > budget:
                return await self._embed_slices(encoder, await self._lanes.tokenize(tokenize), budget)
            (vectors, made), waited = await self._turn(EmbedJob(encoder, tokenize, tokens, keep=keep))
            return Embedded(vectors, len(made.ids)), waited

    async def run(self, work: Callable[[], T], tokens: int = 0) -> tuple[T, float]:
        """Runs work that is neither: scoring pairs, writing documents. It takes a turn of its own.

        Args:
            work: Blocking; called in a lane.
            tokens: About how many a model will read, where that is known.

        Returns:
            What the work returned, and the seconds that it waited.

        Raises:
            Refusal: There is no place (429), or the deadline has passed (504). Work that has begun goes on then.
        """
        with self._place(tokens):
            outcome, waited = await self._turn(CallJob(work, tokens))
        return cast("T", outcome), waited

    async def close(self) -> None:
        """Drops what has not begun and waits for the rest."""
        self._waiting.drop_all()
        await self._lanes.close()
        self._running = 0

    async def _embed_slices(self, encoder: Encoder, tokens: Tokens, budget: int) -> tuple[Embedded, float]:
        vectors = np.empty((len(tokens), encoder.dim), dtype=np.float32)
        slices = iter(tokens.batches(budget))

        async def embed_one_by_one() -> float:
            waited = 0.0
            for rows in slices:
                part = tokens.select(rows.tolist())
                job = EmbedJob(encoder, partial(_itself, part), len(part.ids), keep=False)
                (vectors[rows], _), seconds = await self._turn(job)
                waited += seconds
            return waited

        waits = await asyncio.gather(*(embed_one_by_one() for _ in range(self._lanes.count)))
        return Embedded(vectors, len(tokens.ids)), max(waits)

    def _place(self, tokens: int) -> AbstractContextManager[None]:
        return self.admission.place(tokens, bounded=current_caller() is not None)

    async def _turn(self, job: Job) -> tuple[Any, float]:
        """Waits until a job has had its turn.

        Returns:
            What came of it, and the seconds that it waited.
        """
        loop = asyncio.get_running_loop()
        caller = current_caller()
        ticket = Ticket(job, caller)
        self._waiting.append(ticket)
        self._observer.queue_depth(len(self._waiting))
        if self._running == self._lanes.count:
            job.prepare_ahead(self._lanes.beside)
        else:
            # Not now but next: requests that were read from their sockets together also go together.
            loop.call_soon(self._begin)
        deadline = loop.call_at(caller.deadline, self._expire, ticket) if caller is not None else None
        try:
            return await ticket.outcome
        finally:
            if deadline is not None:
                deadline.cancel()

    def _begin(self) -> None:
        """Sends the next batches to the lanes that are free: what waits is divided among them."""
        self._drop_unwanted()
        while free := self._lanes.count - self._running:
            batch = self._waiting.next_batch(self._settings.batch_tokens, free)
            if not batch:
                return
            alone = not self._running and not len(self._waiting)
            self._running += 1
            self._observer.queue_depth(len(self._waiting))
            jobs = [ticket.job for ticket in batch]
            running = self._lanes.start(partial(run_batch, jobs, self._cache), alone=alone)
            running.add_done_callback(partial(self._end, batch))

    def _end(self, batch: Sequence[Ticket], running: asyncio.Future[BatchReport]) -> None:
        """Sends the next batch before any reply is written: the model should not wait for that."""
        working, self._running = self._running, self._running - 1
        ended = time.perf_counter()
        self._begin()
        report = running.result()
        waits = [report.started - ticket.asked for ticket in batch]
        for ticket, outcome, waited in zip(batch, report.outcomes, waits, strict=True):
            ticket.settle(outcome, waited)
        seconds = (ended - report.started) / working
        self.admission.finished(sum(ticket.job.tokens for ticket in batch), seconds)
        observe(self._observer, waits, report)

    def _make_room(self) -> None:
        """Looks for callers that have gone; under overload not for every request that is refused."""
        now = time.monotonic()
        if now - self._made_room >= _MAKE_ROOM_SECONDS:
            self._made_room = now
            self._drop_unwanted()

    def _drop_unwanted(self) -> None:
        for _ in range(self._waiting.drop_unwanted()):
            self._observer.rejected("cancelled")

    def _expire(self, ticket: Ticket) -> None:
        if ticket.expire():
            self._observer.rejected("deadline")


def _itself(tokens: Tokens) -> Tokens:
    return tokens
