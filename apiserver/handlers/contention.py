"""Writers of one object that got in each other's way wait in line rather than race again.

The line is a courtesy: what keeps a write from being lost is its precondition in the database. So nobody waits long
(a webhook in whose call a writer waits may itself want the object), and other processes need not take part.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from apiserver.storage.types import Key

PATIENCE = 2.0
"""Seconds in line before a writer tries again whoever is at work."""


@dataclass(slots=True)
class _Queue:
    """First come, first served. `writers` hold a place or wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    writers: int = 0


class Turns:
    """The line of each contended key."""

    def __init__(self) -> None:
        self._queues: dict[Key, _Queue] = {}

    def line(self) -> Line:
        """One writer's places in line, for a `with` block that gives them up at its end."""
        return Line(self._queues)


class Line:
    """See `Turns.line`."""

    __slots__ = ("_held", "_queues")

    def __init__(self, queues: dict[Key, _Queue]) -> None:
        self._queues = queues
        self._held: tuple[Key, ...] = ()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        for key in self._held:
            self._queues[key].lock.release()
            self._leave(key)

    async def join(self, key: Key) -> None:
        """Wait until it is this writer's turn at a key; at once where it is already."""
        if key in self._held:
            return
        queue = self._queues.setdefault(key, _Queue())
        queue.writers += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await queue.lock.acquire()
        except BaseException as error:
            self._leave(key)
            if not isinstance(error, TimeoutError):
                raise
        else:
            self._held = (*self._held, key)

    def _leave(self, key: Key) -> None:
        queue = self._queues[key]
        queue.writers -= 1
        if not queue.writers:
            del self._queues[key]
