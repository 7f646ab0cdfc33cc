"""Feeds for those who wait, and what a connection does with one."""

from __future__ import annotations

from collections.abc import Callable

from apiserver.feed import Sink, parts


class Numbers:
    """Counts as far as its sink allows, then ends."""

    ended: Callable[[], None] | None = None

    def __init__(self, last: int) -> None:
        self.next, self.last, self.stopped = 0, last, 0
        self.most = 0

    async def open(self) -> None:
        assert self.next == 0

    def start(self, sink: Sink) -> None:
        self.sink = sink
        self.resume()

    def resume(self) -> None:
        written = 0
        while not self.sink.paused and self.next < self.last:
            self.sink.write(b"%d" % self.next)
            self.next, written = self.next + 1, written + 1
        self.most = max(self.most, written)
        if not self.sink.paused:
            self.sink.end()

    def stop(self) -> None:
        self.stopped += 1


async def test_every_part_arrives_in_order_and_the_end_is_told() -> None:
    feed = Numbers(5)
    assert [part async for part in parts(feed)] == [b"0", b"1", b"2", b"3", b"4"]
    assert feed.stopped == 1
    assert feed.most == 1, "whoever waits between parts is not sent more"


async def test_who_stops_reading_stops_the_feed() -> None:
    feed = Numbers(5)
    stream = parts(feed)
    assert await anext(stream) == b"0"
    await stream.aclose()  # type: ignore[attr-defined]
    assert feed.stopped == 1
