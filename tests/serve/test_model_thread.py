from __future__ import annotations

import asyncio
import threading

import pytest

from tart_serve.model_thread import ModelThread


def test_work_runs_one_after_the_other_and_the_wait_is_told() -> None:
    async def run_two() -> tuple[list[str], float, float, bool]:
        thread = ModelThread()
        release, started, order = threading.Event(), threading.Event(), list[str]()

        def first() -> None:
            started.set()
            release.wait()
            order.append("first")

        one = asyncio.create_task(thread.run(first))
        await asyncio.to_thread(started.wait)
        two = asyncio.create_task(thread.run(lambda: order.append("second")))
        for _ in range(3):
            await asyncio.sleep(0)
        loop_was_free = not two.done()
        before = asyncio.get_running_loop().time()
        await asyncio.to_thread(lambda: None)
        held = asyncio.get_running_loop().time() - before
        release.set()
        (_, _), (_, waited) = await asyncio.gather(one, two)
        await thread.close()
        return order, waited, held, loop_was_free

    order, waited, held, loop_was_free = asyncio.run(run_two())
    assert order == ["first", "second"]
    assert loop_was_free
    assert waited >= held > 0


def test_an_error_reaches_whoever_asked() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(ModelThread().run(fail))


def test_closing_drops_what_has_not_begun() -> None:
    async def close_early() -> bool:
        thread = ModelThread()
        release, started, ran = threading.Event(), threading.Event(), list[int]()

        def first() -> bool:
            started.set()
            return release.wait()

        one = asyncio.create_task(thread.run(first))
        await asyncio.to_thread(started.wait)
        two = asyncio.create_task(thread.run(lambda: ran.append(1)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(thread.close())
        await asyncio.wait([two])
        release.set()
        await closing
        return two.cancelled() and (await one)[0] and not ran

    assert asyncio.run(close_early())


def test_a_closed_thread_opens_again() -> None:
    async def twice() -> list[int]:
        thread = ModelThread()
        found = []
        for number in range(2):
            found.append((await thread.run(lambda number=number: number))[0])  # type: ignore[misc]
            await thread.close()
        return found

    assert asyncio.run(twice()) == [0, 1]
