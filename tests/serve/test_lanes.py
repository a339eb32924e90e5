from __future__ import annotations

import asyncio
import threading

import pytest
import torch

from tart.engines import Hardware
from tart.engines.share import in_passing_thread, share_of
from tart_serve.lanes import Lanes, lanes_for


def test_work_runs_one_after_the_other_and_the_loop_stays_free() -> None:
    async def run_two() -> tuple[list[str], bool]:
        thread = Lanes()
        release, order = threading.Event(), list[str]()

        def first() -> None:
            release.wait()
            order.append("first")

        one = thread.start(first)
        two = thread.start(lambda: order.append("second"))
        beside = await thread.tokenize(lambda: "tokenised meanwhile")
        order.append(beside)
        waits = not one.done() and not two.done()
        release.set()
        await asyncio.gather(one, two)
        await thread.close()
        return order, waits

    assert asyncio.run(run_two()) == (["tokenised meanwhile", "first", "second"], True)


def test_an_error_reaches_whoever_asked() -> None:
    def fail() -> None:
        raise ValueError("no")

    async def run() -> None:
        thread = Lanes()
        try:
            await thread.start(fail)
        finally:
            await thread.close()

    with pytest.raises(ValueError, match="no"):
        asyncio.run(run())


def test_closing_drops_what_has_not_begun() -> None:
    async def close_early() -> bool:
        thread = Lanes()
        release, started, ran = threading.Event(), threading.Event(), list[int]()

        def first() -> bool:
            started.set()
            return release.wait()

        one = thread.start(first)
        await asyncio.to_thread(started.wait)
        two = thread.start(lambda: ran.append(1))
        closing = asyncio.create_task(thread.close())
        await asyncio.wait([two])
        release.set()
        await closing
        return two.cancelled() and await one and not ran

    assert asyncio.run(close_early())


def test_a_closed_thread_opens_again() -> None:
    async def twice() -> list[int]:
        thread = Lanes()
        found = []
        for number in range(2):
            found.append(await thread.start(lambda number=number: number))  # type: ignore[misc]
            await thread.close()
        return found

    assert asyncio.run(twice()) == [0, 1]


def test_work_in_two_lanes_goes_side_by_side() -> None:
    async def run_two() -> list[str]:
        lanes = Lanes(2)
        barrier = threading.Barrier(2, timeout=30)
        found = await asyncio.gather(*(lanes.start(lambda: (barrier.wait(), "met")[1]) for _ in range(2)))
        await lanes.close()
        return found

    assert asyncio.run(run_two()) == ["met", "met"]


@pytest.mark.parametrize(
    ("count", "threads", "alone", "narrow"), [(1, 2, 2, 2), (2, 2, 2, 1), (2, 4, 3, 2), (4, 16, 7, 4), (4, 2, 2, 1)]
)
def test_work_that_is_alone_has_the_processors_that_no_other_lane_holds(
    count: int, threads: int, alone: int, narrow: int
) -> None:
    async def ask() -> list[int]:
        lanes = Lanes(count, threads)
        found = [await lanes.start(torch.get_num_threads, alone=one) for one in (True, False, True)]
        await lanes.close()
        return found

    assert asyncio.run(ask()) == [alone, narrow, alone]


def test_only_the_first_lane_takes_the_processors_of_others() -> None:
    async def ask() -> list[int]:
        lanes = Lanes(3, 3)
        found = await asyncio.gather(*(lanes.start(torch.get_num_threads) for _ in range(3)))
        await lanes.close()
        return found

    assert asyncio.run(ask()) == [3, 1, 1]


def test_nothing_in_a_lane_uses_more_threads_than_its_share() -> None:
    def ask() -> tuple[int, int]:
        Hardware("cpu", "float32", 8).pin_threads()
        return share_of(8), torch.get_num_threads()

    async def both() -> list[tuple[int, int]]:
        lanes = Lanes(2, 4)
        found = [await lanes.start(ask, alone=False), await lanes.start(ask)]
        await lanes.close()
        return found

    assert asyncio.run(both()) == [(2, 2), (3, 3)]
    assert share_of(8) == 8


def test_work_in_a_passing_thread_gives_what_it_returns_or_raises() -> None:
    before = threading.active_count()
    assert in_passing_thread(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        in_passing_thread(lambda: 1 // 0)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("device", "threads", "lanes"), [("cpu", 1, 1), ("cpu", 2, 2), ("cpu", 16, 4), ("cuda", 16, 1)]
)
def test_lanes_that_suit_a_machine(device: str, threads: int, lanes: int) -> None:
    assert lanes_for(Hardware(device, "float32", threads)) == lanes
