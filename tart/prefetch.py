"""Run the producer of a stream one step ahead, in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _End:
    pass


class Prefetch(Generic[T]):
    """Iterates over `items`, computing up to `depth` of them ahead in a background thread.

    Worth it where the producer and the consumer release the interpreter lock (tokenising, matrix products, file
    writes). An error of the producer is raised at its place in the stream. Leaving the ``with`` block stops the
    producer after the item at hand.
    """

    def __init__(self, items: Iterable[T], depth: int = 1) -> None:
        self._items = items
        self._queue: queue.Queue[T | _Failure | _End] = queue.Queue(maxsize=depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="tart-prefetch", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._consume()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            self._take_one_away()
            self._thread.join(timeout=0.01)

    def _take_one_away(self) -> None:
        """Makes room for a producer that waits to put its last item."""
        try:
            self._queue.get_nowait()
        except queue.Empty:
            return

    def _produce(self) -> None:
        try:
            for item in self._items:
                self._queue.put(item)
                if self._stopped.is_set():
                    break
            self._queue.put(_End())
        except BaseException as error:  # noqa: BLE001 (raised again where the stream is consumed)
            self._queue.put(_Failure(error))
        finally:
            if isinstance(self._items, Generator):
                self._items.close()

    def _consume(self) -> Iterator[T]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                return
            if isinstance(item, _Failure):
                raise item.error
            yield item
