"""Answers that go on by themselves: whoever makes one writes when there is something to say, and no task waits.

Thousands of idle watches cost little that way, and a change reaches all of them without waking a task each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

FEED = "http.response.feed"
"""The message that hands a feed over, after the head of the answer and in the place of its body; the application
returns, the answer goes on. An extension of ASGI that a server offers in the scope under this name."""


class Sink(Protocol):
    """What a feed is written to."""

    @property
    def paused(self) -> bool:
        """Whether enough waits to be read: write no more until `Feed.resume`."""
        ...

    def write(self, part: bytes) -> None: ...

    def end(self) -> None:
        """The answer is whole."""

    def abort(self) -> None:
        """It never will be."""


class Feed(Protocol):
    """One answer. `ended` is called once, whoever ends it."""

    ended: Callable[[], None] | None

    async def open(self) -> None:
        """Get ready."""

    def start(self, sink: Sink) -> None:
        """Write from now on, what there is at once."""

    def resume(self) -> None:
        """The sink takes more."""

    def stop(self) -> None:
        """The client is gone; harmless once it has ended."""


class _Parts:
    """A sink that holds one round of parts."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.ended = False
        self.news = asyncio.Event()

    @property
    def paused(self) -> bool:
        return bool(self.parts)

    def write(self, part: bytes) -> None:
        self.parts.append(part)
        self.news.set()

    def end(self) -> None:
        self.ended = True
        self.news.set()

    abort = end


async def parts(feed: Feed) -> AsyncIterator[bytes]:
    """A feed for those who wait between its parts: websockets, conversion webhooks."""
    sink = _Parts()
    try:
        await feed.open()
        feed.start(sink)
        while sink.parts or not sink.ended:
            sink.news.clear()
            taken, sink.parts = sink.parts, []
            for part in taken:
                yield part
            if taken:
                feed.resume()
            elif not sink.ended:
                await sink.news.wait()
    finally:
        feed.stop()
