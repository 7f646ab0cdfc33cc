"""One connection without a network: what is written, in how many pieces, and when it is closed."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from apiserver.cycle import News
from apiserver.feed import FEED
from apiserver.protocol import HEAD_SECONDS, Protocol
from apiserver.request import WHOLE

IDLE = 300
GET = b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\n\r\n"
DATE = (b"date", b"today")


class Transport:
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = self.paused = False

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str) -> Any:
        return None


class Timer:
    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class Task:
    """What asyncio makes of a request, one step at a time."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.coroutine, self.done = coroutine, lambda _: None
        self.ended = False

    def add_done_callback(self, callback: Any) -> None:
        self.done = callback

    def step(self) -> None:
        try:
            self.coroutine.send(None)
        except StopIteration:
            self.ended = True
            self.done(self)


class Loop:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now, self.timers, self.tasks = 0.0, list[Timer](), list[Task]()

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + seconds, callback))
        return self.timers[-1]

    def create_task(self, coroutine: Coroutine[Any, Any, None]) -> Task:
        self.tasks.append(Task(coroutine))
        return self.tasks[-1]

    def pending(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.cancelled]

    def forward(self, seconds: float) -> None:
        """Let time pass: due timers fire in order."""
        end = self.now + seconds
        while due := [timer for timer in self.pending() if timer.when <= end]:
            first = min(due, key=lambda timer: timer.when)
            self.timers.remove(first)
            self.now = max(self.now, first.when)
            first.callback()
        self.now = end


class Connection:
    """A client's connection to an application."""

    def __init__(self, application: Any) -> None:
        self.loop, self.transport, state = Loop(), Transport(), ServerState()
        state.default_headers = [DATE]
        settings = uvicorn.Config(application, http=Protocol, timeout_keep_alive=IDLE, lifespan="off", log_config=None)
        self.protocol = Protocol(settings, state, {}, self.loop)  # type: ignore[arg-type]
        self.protocol.connection_made(self.transport)  # type: ignore[arg-type]

    def say(self, data: bytes) -> list[bytes]:
        """Send, let every request take a step, and see what was written meanwhile."""
        self.protocol.data_received(data)
        return self.step()

    def step(self) -> list[bytes]:
        seen = len(self.transport.writes)
        for task in self.loop.tasks:
            if not task.ended:
                task.step()
        return self.transport.writes[seen:]


def answering(*messages: dict[str, Any]) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return application


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def part(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


SMALL = (start((b"content-length", b"2")), part(b"{}"))
HEAD = b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\n\r\n"


WHOLE_SMALL = ({**SMALL[0], "type": WHOLE, "body": b"{}"},)


@pytest.mark.parametrize("messages", [SMALL, WHOLE_SMALL], ids=["parts", "whole"])
def test_an_answer_is_one_write(messages: tuple[dict[str, Any], ...]) -> None:
    connection = Connection(answering(*messages))
    assert connection.say(GET) == [HEAD + b"{}"]
    assert connection.say(GET) == [HEAD + b"{}"]  # the connection is kept


@pytest.mark.parametrize("messages", [SMALL, WHOLE_SMALL], ids=["parts", "whole"])
def test_an_answer_to_head_is_its_head(messages: tuple[dict[str, Any], ...]) -> None:
    assert Connection(answering(*messages)).say(GET.replace(b"GET", b"HEAD")) == [HEAD]


@pytest.mark.parametrize("body", [b"", b"{}{}"], ids=["shorter", "longer"])
def test_a_whole_answer_is_as_long_as_it_says(body: bytes) -> None:
    connection = Connection(answering({**WHOLE_SMALL[0], "body": body}))
    assert connection.say(GET) == ([HEAD] if not body else [])
    assert connection.transport.closed


def test_a_stream_begins_with_its_head_and_ends_with_an_empty_chunk() -> None:
    streamed = Connection(answering(start(), part(b"", True), part(b"ab", True), part(b"", False)))
    assert streamed.say(GET) == [
        b"HTTP/1.1 200 OK\r\ndate: today\r\ntransfer-encoding: chunked\r\n\r\n",
        b"2\r\nab\r\n",
        b"0\r\n\r\n",
    ]


def test_a_last_part_brings_the_end_with_it() -> None:
    (whole,) = Connection(answering(start(), part(b"ab"))).say(GET)
    assert whole.endswith(b"\r\n\r\n2\r\nab\r\n0\r\n\r\n")


@pytest.mark.parametrize("head", [b"GET / HTTP/1.0", b"GET / HTTP/1.1\r\nConnection: close"])
def test_who_wants_one_answer_gets_one(head: bytes) -> None:
    connection = Connection(answering(*SMALL))
    (whole,) = connection.say(head + b"\r\nHost: x\r\n\r\n")
    assert b"\r\nconnection: close\r\n\r\n{}" in whole
    assert connection.transport.closed


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\x00b", b"a\x7fb"])
def test_a_header_cannot_become_another(value: bytes) -> None:
    connection = Connection(answering(start((b"warning", value), (b"content-length", b"2")), part(b"{}")))
    assert connection.say(GET) == []
    assert connection.transport.closed


@pytest.mark.parametrize("body", [b"{", b"{}}"])
def test_an_answer_of_another_length_than_was_told_ends_the_connection(body: bytes) -> None:
    connection = Connection(answering(start((b"content-length", b"2")), part(body)))
    connection.say(GET)
    assert connection.transport.closed


def test_the_scope_says_what_was_asked() -> None:
    scopes: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        for message in SMALL:
            await send(message)

    connection = Connection(application)
    connection.say(GET)
    connection.say(b"GET http://x/e#f HTTP/1.1\r\nHost: y\r\nX-Two: 2\r\n\r\n")
    names = ("method", "path", "raw_path", "query_string", "headers")
    assert [tuple(scope[name] for name in names) for scope in scopes] == [
        ("GET", "/a b", b"/a%20b", b"c=d", [(b"host", b"x")]),
        ("GET", "/e", b"/e", b"", [(b"host", b"y"), (b"x-two", b"2")]),
    ]


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.integers(0, 7))
def test_a_body_comes_whole_in_whatever_pieces(pieces: list[bytes], early: int) -> None:
    """`early`: how many pieces are there before the application first looks."""
    got: list[bytes] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            got.append(message["body"])
            more = message["more_body"]
        for message in SMALL:
            await send(message)

    async def run() -> list[bytes]:
        connection = Connection(application)
        body = b"".join(pieces)
        connection.protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        connection.loop.tasks[0].step = lambda: None  # type: ignore[method-assign]
        task = asyncio.ensure_future(connection.loop.tasks[0].coroutine)
        for number, piece in enumerate(pieces):
            if number >= early:
                await asyncio.sleep(0)
            connection.protocol.data_received(piece)
        await task
        return connection.transport.writes

    assert asyncio.run(run()) == [HEAD + b"{}"]
    assert b"".join(got) == b"".join(pieces)


def test_pipelined_requests_wait_for_each_other() -> None:
    connection = Connection(answering(*SMALL))
    connection.protocol.data_received(GET * 3)
    assert (len(connection.loop.tasks), connection.transport.paused) == (1, True)
    assert [len(connection.step()) for _ in range(3)] in ([1, 1, 1], [3, 0, 0])
    assert (len(connection.loop.tasks), connection.transport.paused) == (3, False)


def test_an_idle_connection_is_closed_so_long_after_its_last_answer() -> None:
    connection = Connection(answering(*SMALL))
    for _ in range(5):
        connection.say(GET)
        assert len(connection.loop.pending()) == 1, "one timer, however many answers"
        connection.loop.forward(IDLE - 1)
        assert not connection.transport.closed
    connection.loop.forward(1)
    assert connection.transport.closed


def test_a_connection_that_waits_for_its_answer_is_not_idle() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await asyncio.sleep(0)
        for message in SMALL:
            await send(message)

    connection = Connection(application)
    connection.say(GET)
    connection.loop.forward(IDLE - 1)
    connection.say(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.loop.forward(10 * IDLE)
    assert not connection.transport.closed
    assert len(connection.step()) == 1
    connection.loop.forward(IDLE - 1)
    assert not connection.transport.closed
    connection.loop.forward(1)
    assert connection.transport.closed


def test_half_a_head_has_its_own_time_on_a_connection_that_is_kept() -> None:
    connection = Connection(answering(*SMALL))
    connection.say(GET)
    connection.say(GET[:10])
    connection.loop.forward(HEAD_SECONDS)
    assert connection.transport.closed


def test_a_head_that_is_coming_is_not_idleness() -> None:
    connection = Connection(answering(*SMALL))
    connection.say(GET)
    connection.loop.forward(IDLE - 1)
    connection.say(GET[:10])
    connection.loop.forward(HEAD_SECONDS - 1)
    assert connection.say(GET[10:]) == [HEAD + b"{}"]
    connection.loop.forward(IDLE - 1)
    assert not connection.transport.closed


def test_a_connection_that_is_lost_leaves_no_timer() -> None:
    connection = Connection(answering(*SMALL))
    connection.say(GET)
    connection.protocol.connection_lost(ConnectionResetError())
    assert connection.loop.pending() == []


async def test_news_that_came_before_anybody_waited_are_not_lost() -> None:
    news = News()
    news.set()
    await news.wait()
    news.clear()
    waiting = [asyncio.create_task(news.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    news.set()
    await asyncio.gather(*waiting)


class Endless:
    """A feed with nothing to say."""

    ended: Any = None
    stopped = False

    async def open(self) -> None:
        pass

    def start(self, sink: Any) -> None:
        self.sink = sink

    def resume(self) -> None:
        pass

    def stop(self) -> None:
        self.stopped = True
        del self.sink


def test_a_lost_connection_of_a_feed_is_no_garbage() -> None:
    feed = Endless()
    connection = Connection(answering(start(), part(b"", True), {"type": FEED, "feed": feed}))
    connection.say(GET)
    connection.protocol.connection_lost(None)
    assert feed.stopped
    gone = weakref.ref(connection.protocol)
    gc.disable()
    try:
        del connection
        assert gone() is None  # no circle holds it until the garbage collector comes: it comes late to many old objects
    finally:
        gc.enable()
