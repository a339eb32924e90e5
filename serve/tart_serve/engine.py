"""The engine: all work of a model or an index for requests goes through here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from tart_index import SearchRequest
from tart_serve.batch_search import BatchAnswer, answer_batch
from tart_serve.model_thread import ModelThread
from tart_serve.schemas.search import RerankBody
from tart_serve.served_indexes import ServedIndex
from tart_serve.served_reranker import ServedReranker

T = TypeVar("T")


class Answered(NamedTuple):
    """What came of the requests of one caller.

    Attributes:
        answer: Results or faults, in the order of the requests.
        waited: Seconds in the queue.
    """

    answer: BatchAnswer
    waited: float


class Engine:
    """Answers searches, and runs other work that needs a model, each in its turn."""

    def __init__(self, thread: ModelThread, reranker: ServedReranker) -> None:
        self._thread = thread
        self._reranker = reranker

    async def search(
        self, index: ServedIndex, requests: Sequence[SearchRequest], rerank: RerankBody | None = None
    ) -> Answered:
        """Answers the requests of one caller, all from the same version of an index.

        Raises:
            Refusal: A reranker was asked for that is not served (404, 422).
        """
        searcher = self._reranker.over(index.searcher, rerank)
        answer, waited = await self._thread.run(lambda: answer_batch(searcher, requests))
        return Answered(answer, waited)

    async def run(self, work: Callable[[], T], tokens: int = 0) -> tuple[T, float]:
        """Runs work that is no search: embedding inputs, scoring pairs, writing documents.

        Args:
            work: Blocking; called in the model's thread.
            tokens: About how many a model will read, where that is known.

        Returns:
            What the work returned, and the seconds that it waited.
        """
        return await self._thread.run(work)

    async def close(self) -> None:
        """Drops what has not begun and waits for the rest."""
        await self._thread.close()
