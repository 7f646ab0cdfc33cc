"""Seats and turns, with time and order forced: the rules behind 429 and behind fairness."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver import flowcontrol
from apiserver.flowcontrol import FairQueue, FlowControl, Rounds, Seats, TooManyRequests


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_users_are_served_in_rotation(users: list[str]) -> None:
    """Nobody is served n+2 times while somebody who waits was served n times."""

    async def run() -> None:
        queue, order = FairQueue(), []
        for index, user in enumerate(users):
            queue.push(user).add_done_callback(lambda _, at=(user, index): order.append(at))
        while queue.wake():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sorted(order, key=lambda at: at[1]) == list(zip(users, range(len(users)), strict=True))
        for user in set(users):
            assert [at for at in order if at[0] == user] == sorted(at for at in order if at[0] == user)
        for end in range(len(order)):
            served = {user: sum(at[0] == user for at in order[:end]) for user in set(users)}
            for user, _ in order[end:]:
                assert max(served.values()) - served[user] <= 1

    asyncio.run(run())


async def test_a_flood_waits_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flowcontrol, "ROUND_SECONDS", 0.0)  # every round is full after its first request
    rounds, order = Rounds(), []

    async def request(user: str) -> None:
        if not rounds.free():
            await rounds.wait(user)
        order.append(user)

    flood = [asyncio.create_task(request("flood")) for _ in range(500)]
    await asyncio.sleep(0)
    await asyncio.create_task(request("other"))
    assert order.index("other") <= 2 * flowcontrol.WOKEN
    await asyncio.gather(*flood)
    assert len(order) == 501


async def test_a_seat_that_is_given_up_in_the_queue_is_not_lost() -> None:
    seats = Seats(1)
    await seats.enter("a")
    gone, waiting = (asyncio.create_task(seats.enter("a")) for _ in range(2))
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests):
        await seats.enter("a")
    seats.leave()
    gone.cancel()  # after the seat was handed to it, before it ran
    await waiting
    seats.leave()
    assert (seats.taken, seats.rejected, len(seats.waiting)) == (0, 1, 0)


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flowcontrol, "PATIENCE", 0.01)
    seats = Seats(1)
    await seats.enter("a")
    with pytest.raises(TooManyRequests):
        await seats.enter("b")
    seats.leave()
    await seats.enter("b")
    assert seats.taken == 1


async def test_nobody_goes_before_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = FlowControl(2, 1)
    seats = flow.at_once("readOnly")
    assert seats is flow.seats["readOnly"] and seats.taken == 1
    assert flow.at_once("readOnly") is seats
    assert flow.at_once("readOnly") is None, "no seat is free"
    waiting = asyncio.create_task(flow.enter("readOnly", "a"))
    await asyncio.sleep(0)
    seats.leave()
    assert flow.at_once("readOnly") is None, "the seat is the waiting one's"
    assert await waiting is seats
    for _ in range(2):
        seats.leave()
    assert seats.taken == 0
    monkeypatch.setattr(flowcontrol, "ROUND_SECONDS", 0.0)
    for _ in range(2):
        await asyncio.sleep(0)  # a new round
    assert flow.at_once("mutating") is flow.seats["mutating"]
    assert flow.at_once("readOnly") is None, "the round is full"
    assert seats.taken == 0, "and no seat is kept"
