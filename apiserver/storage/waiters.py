"""Everybody who waits for the writer, and an end to it where the database says nothing at all.

A database that is gone says so: the connection breaks. One that is stopped, or behind a network that swallows what
it is sent, leaves the writer's thread waiting, which nothing can interrupt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from apiserver.storage.tasks import Group, Task
from apiserver.storage.types import Unavailable
from apiserver.storage.writer import Writer

SILENT = 10.0
"""Seconds without a word from the database after which it is taken for lost."""
SILENT_AT_THE_END = 1.0
"""The same for a server that is to end."""


class Waiters:
    """Futures of what was handed to the writer. A write that is answered by a loss may still be committed later, as
    with every database that is lost between a commit and its answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, writer: Writer) -> None:
        self._loop, self._writer = loop, writer
        self._waiting: set[asyncio.Future[Any]] = set()
        self._ending = False
        self._gathered: list[Group | Task] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def _limit(self) -> float:
        return SILENT_AT_THE_END if self._ending else SILENT

    def enter(self, item: Callable[[asyncio.Future[Any]], Group | Task]) -> asyncio.Future[Any]:
        """Hand something to the writer; the future raises Unavailable where the database is lost, or was before."""
        done: asyncio.Future[Any] = self._loop.create_future()
        if self._writer.silence > self._limit:
            done.set_exception(_lost())
            return done
        self._waiting.add(done)
        if not self._gathered:
            self._loop.call_soon(self.hand_over)
        self._gathered.append(item(done))
        if self._timer is None:
            self._timer = self._loop.call_later(self._limit, self._look)
        return done

    def hand_over(self) -> None:
        """Give the writer what has gathered in this round of the loop: what comes together is committed together."""
        gathered, self._gathered = self._gathered, []
        for item in gathered:
            self._writer.put(item)

    def answer(self, answers: list[tuple[Any, Any]]) -> None:
        """What the writer has to say."""
        for done, result in answers:
            self._waiting.discard(done)
            if done.done():
                continue
            if isinstance(result, BaseException):
                done.set_exception(result)
            else:
                done.set_result(result)

    def hurry(self) -> None:
        """The server is to end: a database that is silent now is not waited for."""
        self._ending = True
        if self._timer is not None:
            self._timer.cancel()
            self._look()

    def _look(self) -> None:
        self._timer = None
        self._waiting = {done for done in self._waiting if not done.done()}
        left = self._limit - self._writer.silence
        if left < 0:
            for done in self._waiting:
                done.set_exception(_lost())
            self._waiting.clear()
        elif self._waiting:
            self._timer = self._loop.call_later(left + 0.01, self._look)


def _lost() -> Unavailable:
    return Unavailable("the database does not answer")
