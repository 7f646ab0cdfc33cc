"""The queue's promises, one by one."""

from __future__ import annotations

import asyncio

from miniplane.client.workqueue import WorkQueue


async def test_a_key_waits_once() -> None:
    queue = WorkQueue()
    queue.add("a")
    queue.add("a")
    assert (await queue.get(), len(queue)) == ("a", 0)


async def test_a_key_added_while_worked_on_comes_back_after_done() -> None:
    queue = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"


async def test_failures_double_the_delay_until_forgotten() -> None:
    queue, delays = WorkQueue(base_delay=1), []
    queue.add_after = lambda key, delay: delays.append(delay)  # type: ignore[method-assign]
    for _ in range(3):
        queue.add_rate_limited("a")
    queue.forget("a")
    queue.add_rate_limited("a")
    queue.add_rate_limited("a", cap=0.5)
    assert delays == [1, 2, 4, 1, 0.5]


async def test_of_two_delays_the_earlier_counts() -> None:
    queue = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    assert await asyncio.wait_for(queue.get(), 5) == "a"


async def test_closing_frees_those_who_wait() -> None:
    queue = WorkQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.close()
    assert await waiting is None
