"""A model whose batches wait in the service's queue, one by one, so that searches come in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tart.engines import Engine as ModelEngine
from tart.engines.around import EngineAround
from tart_serve.engine import Engine


class QueuedEngine(EngineAround):
    """Runs each batch of an encoder as a piece of work of its own; called in a thread that is not the event loop's.

    Args:
        own: Runs the batches.
        queue: Where each waits its turn.
        loop: The event loop of the service.
    """

    def __init__(self, own: ModelEngine, queue: Engine, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(own)
        self._queue = queue
        self._loop = loop

    def embed(self, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        """Embeds one batch; see `tart.engines.Engine.embed`.

        Raises:
            Refusal: The queue is full, or the batch waited too long in it.
        """
        tokens = sum(len(text) for text in texts)
        work = self._queue.run(lambda: self._own.embed(texts, skip), tokens)
        vectors, _ = asyncio.run_coroutine_threadsafe(work, self._loop).result()
        return vectors
