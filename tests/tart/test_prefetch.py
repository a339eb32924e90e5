from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tart.prefetch import Prefetch


def test_yields_all_items_in_order() -> None:
    with Prefetch(iter(range(100)), depth=3) as items:
        assert list(items) == list(range(100))


def test_runs_ahead_by_its_depth_and_no_further() -> None:
    made = threading.Semaphore(0)
    count = 0

    def produce() -> Iterator[int]:
        nonlocal count
        for number in range(10):
            count += 1
            made.release()
            yield number

    with Prefetch(produce(), depth=2) as items:
        # Two in the queue and one in the producer's hand.
        for _ in range(3):
            assert made.acquire(timeout=10)
        assert not made.acquire(timeout=0.05)
        assert count == 3
        assert next(items) == 0


def test_raises_the_producers_error_at_its_place() -> None:
    def produce() -> Iterator[int]:
        yield 1
        raise ValueError("broken at 2")

    with Prefetch(produce()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken at 2"):
            next(items)


def test_leaving_early_stops_and_closes_the_producer() -> None:
    closed = threading.Event()

    def produce() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.set()

    with Prefetch(produce()) as items:
        next(items)
    assert closed.wait(timeout=10)
    assert not [thread for thread in threading.enumerate() if thread.name == "tart-prefetch"]
