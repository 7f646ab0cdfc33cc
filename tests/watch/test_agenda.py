"""Many appointments, one timer."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.agenda import Agenda, Appointment

FAR = 1000.0


class Noted(Appointment):
    """Says when it is kept."""

    def __init__(self, kept: list[Noted], due: float) -> None:
        super().__init__()
        self.kept, self.due = kept, due

    def keep(self) -> None:
        self.kept.append(self)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=200))
def test_what_is_due_is_kept_in_order_and_what_was_cancelled_is_not(planned: list[tuple[int, bool]]) -> None:
    async def run() -> None:
        agenda, kept = Agenda(), list[Noted]()
        begin = asyncio.get_running_loop().time()
        made = [(Noted(kept, begin + due / 1000), cancelled) for due, cancelled in planned]
        for one, _ in made:
            agenda.add(one)
        for one, cancelled in made:
            if cancelled:
                agenda.cancel(one)
        wanted = [one for one, cancelled in made if not cancelled]
        assert len(agenda) == len(wanted)
        last = Noted(kept, begin + 0.006)
        agenda.add(last)
        async with asyncio.timeout(10):
            while last not in kept:
                await asyncio.sleep(0)
        assert sorted(kept[:-1], key=id) == sorted(wanted, key=id)
        assert [one.due for one in kept] == sorted(one.due for one in kept)
        assert len(agenda) == 0

    asyncio.run(run())


async def test_cancelled_appointments_are_forgotten_long_before_their_time() -> None:
    agenda, kept = Agenda(), list[Noted]()
    due = asyncio.get_running_loop().time() + FAR
    for _ in range(1000):
        one = Noted(kept, due)
        agenda.add(one)
        agenda.cancel(one)
    assert len(agenda._heap) < 100


async def test_one_can_wait_until_nothing_is_due() -> None:
    agenda = Agenda()
    one = Noted([], asyncio.get_running_loop().time() + FAR)
    agenda.add(one)
    waiting = asyncio.create_task(agenda.emptied())
    await asyncio.sleep(0)
    assert not waiting.done()
    agenda.cancel(one)
    async with asyncio.timeout(10):
        await waiting
