"""What is due at some time: one timer of the event loop for any number of appointments."""

from __future__ import annotations

import asyncio
from heapq import heapify, heappop, heappush

MOST_CANCELLED = 64
"""Cancelled appointments that are kept until their time, where they are not the greater part."""


class Appointment:
    """Something to do once the loop's clock has reached `due`."""

    __slots__ = ("cancelled", "due")

    def __init__(self) -> None:
        self.due, self.cancelled = 0.0, False

    def __lt__(self, other: Appointment) -> bool:
        return self.due < other.due

    def keep(self) -> None:
        """It is time. Must not raise."""
        raise NotImplementedError


class Agenda:
    """Appointments in the order of their times."""

    def __init__(self) -> None:
        self._heap: list[Appointment] = []
        self._cancelled = 0
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def add(self, one: Appointment) -> None:
        """`keep` is called when it is due."""
        heappush(self._heap, one)
        if self._heap[0] is one:
            self._set_timer()

    def cancel(self, one: Appointment) -> None:
        """One that was added and is not kept yet."""
        one.cancelled = True
        self._cancelled += 1
        if self._cancelled > max(MOST_CANCELLED, len(self._heap) // 2):
            self._heap = [other for other in self._heap if not other.cancelled]
            heapify(self._heap)
            self._cancelled = 0
        if self._emptied is not None and not len(self):
            self._emptied.set()

    async def emptied(self) -> None:
        """Wait until nothing is due any more."""
        while len(self):
            self._emptied = asyncio.Event()
            await self._emptied.wait()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer = asyncio.get_running_loop().call_at(self._heap[0].due, self._ring)

    def _ring(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._heap and self._heap[0].due <= now:
            one = heappop(self._heap)
            if one.cancelled:
                self._cancelled -= 1
            else:
                one.keep()
        self._set_timer()
