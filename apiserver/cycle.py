"""One request and its answer, between uvicorn's connection and the ASGI application.

uvicorn's own does the same with more steps: what is sent here leaves in as few writes as its parts allow. Over TLS each
write is a record, a system call, and a read of the client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from apiserver.feed import FEED, Feed
from apiserver.request import WHOLE, Message

Headers = Iterable[tuple[bytes, bytes]]
_CONTROL = bytes({*range(32), 127} - {*b"\t"})
"""What no header may hold: a line break would begin another one."""
_log = logging.getLogger("uvicorn.error")


class News:
    """An asyncio.Event that is made only where somebody waits for it: most requests never do."""

    __slots__ = ("_event", "_known")

    def __init__(self) -> None:
        self._known, self._event = False, cast(asyncio.Event | None, None)

    def set(self) -> None:
        """Wake whoever waits, or the next who would."""
        self._known = True
        if self._event is not None:
            self._event.set()

    def clear(self) -> None:
        """Wait for the next `set`."""
        self._known, self._event = False, None

    async def wait(self) -> None:
        """Wait for `set`."""
        if not self._known:
            if self._event is None:
                self._event = asyncio.Event()
            await self._event.wait()


class Flow(FlowControl):
    """uvicorn's, and the feed that a connection's answer goes on with."""

    __slots__ = ("_is_writable_event", "_transport", "feed", "read_paused", "write_paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = self.write_paused = False
        self._is_writable_event = News()  # type: ignore[assignment]
        self.feed: Feed | None = None

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.feed is not None:
            self.feed.resume()


class Cycle(RequestResponseCycle):
    """uvicorn's cycle (running the application, receiving a body) with a sender of our own."""

    __slots__ = (
        "_head", "body", "chunked_encoding", "default_headers", "disconnected", "expected_content_length", "fed",
        "flow", "keep_alive", "logger", "message_event", "more_body", "on_response", "response_complete",
        "response_started", "scope", "transport", "waiting_for_100_continue",
    )  # fmt: skip
    flow: Flow

    def __init__(
        self,
        scope: dict[str, Any],
        transport: asyncio.Transport,
        flow: Flow,
        default_headers: Sequence[tuple[bytes, bytes]],
        on_response: Callable[[], None],
        *,
        keep_alive: bool,
        expect_100_continue: bool,
    ) -> None:
        self.scope, self.transport, self.flow = scope, transport, flow  # type: ignore[assignment]
        self.logger = _log
        self.default_headers = default_headers  # type: ignore[assignment]
        self.on_response = on_response
        self.keep_alive, self.waiting_for_100_continue = keep_alive, expect_100_continue
        self.message_event = News()  # type: ignore[assignment]
        self.body = cast(bytearray, b"")  # what has come and is not received yet; most often in one piece
        self.more_body = True
        self.disconnected = self.response_started = self.response_complete = False
        self.chunked_encoding: bool | None = None
        self.expected_content_length = 0
        self._head = b""
        self.fed = False

    async def run_asgi(self, app: Any) -> None:
        """Run the application. A feed that it has handed over goes on after it has returned."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:
            _log.error("the application failed", exc_info=error)
            await self._give_up()
        else:
            if self.fed:
                self.scope = _NO_SCOPE  # type: ignore[assignment]
                return
            if not self.response_complete and not self.disconnected:
                _log.error("the application returned without an answer")
                await self._give_up()
        self.on_response = _nothing

    async def _give_up(self) -> None:
        if self.response_started:
            self.transport.close()
        else:
            await self.send_500_response()

    # what a feed is written to

    @property
    def paused(self) -> bool:
        return self.flow.write_paused

    def write(self, part: bytes) -> None:
        if self.chunked_encoding:  # else it was asked for with HEAD
            self.transport.write(_chunk(part, True))

    def end(self) -> None:
        if self.chunked_encoding:
            self.transport.write(_chunk(b"", False))
        self._complete()
        self.let_go()

    def abort(self) -> None:
        self.let_go()
        self.transport.abort()

    def let_go(self) -> None:
        """The feed is over: what refers to its connection in a circle would stay until the garbage collector comes."""
        self.flow.feed = None
        self.on_response = _nothing

    def arrived(self, part: bytes) -> None:
        """More of the request's body is here."""
        if not self.body:
            self.body = cast(bytearray, part)
        elif isinstance(self.body, bytearray):
            self.body += part
        else:
            self.body = bytearray(self.body) + part
        self.message_event.set()

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """ASGI's send. The head of an answer waits for the first part of its body.

        Raises RuntimeError for what is no answer: the connection is closed then.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        kind = message["type"]
        if kind == FEED:
            self._follow(message["feed"])
            return
        if self.disconnected:
            return
        if not self.response_started:
            if kind not in ("http.response.start", WHOLE):
                raise RuntimeError(f"an answer began with {kind}")
            self.response_started, self.waiting_for_100_continue = True, False
            self._head = self._head_of(message["status"], message.get("headers", ()), message.get("lines", b""))
            if kind == WHOLE:
                self._send_part(message["body"], False)
        elif self.response_complete or kind != "http.response.body":
            raise RuntimeError(f"{kind} in the place of a body's part")
        else:
            self._send_part(message.get("body", b""), message.get("more_body", False))

    def _follow(self, feed: Feed) -> None:
        if self.disconnected:
            feed.stop()
            return
        self.flow.feed, self.fed = feed, True
        feed.start(self)

    def _head_of(self, status: int, headers: Headers, ready: bytes) -> bytes:
        """The head of an answer. `ready`: lines of it as they are sent. Raises RuntimeError."""
        lines = []
        for name, value in [*self.default_headers, *headers]:
            if name == b"content-length":
                self.expected_content_length, self.chunked_encoding = int(value), False
            elif name == b"connection" and value == b"close":
                self.keep_alive = False
                continue
            lines.append(name + b": " + value)
        if not self.keep_alive:
            lines.append(b"connection: close")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked")
        text = b"".join(lines)
        if text.translate(None, _CONTROL) != text:
            raise RuntimeError("a control character in a header")
        return b"".join((STATUS_LINE[status], _sound(ready), b"\r\n".join(lines), b"\r\n\r\n"))

    def _send_part(self, part: bytes | memoryview, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            part, self.expected_content_length = b"", 0
        elif self.chunked_encoding:
            part = _chunk(part, more)
        elif len(part) > self.expected_content_length:
            raise RuntimeError("an answer is longer than its content-length")
        else:
            self.expected_content_length -= len(part)
        if self._head:
            part = b"".join((self._head, part))
            self._head = b""
        if part:
            self.transport.write(part)
        if not more:
            self._complete()

    def _complete(self) -> None:
        if self.expected_content_length:
            raise RuntimeError("an answer is shorter than its content-length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


_NO_SCOPE: dict[str, Any] = {}


@lru_cache(maxsize=256)
def _sound(lines: bytes) -> bytes:
    """Lines of a head, each with its end, looked at once. Raises RuntimeError."""
    text = lines.replace(b"\r\n", b"")
    if text.translate(None, _CONTROL) != text:
        raise RuntimeError("a control character in a header")
    return lines


def _nothing() -> None:
    """Stands for what has been called and will not be again."""


def _chunk(part: bytes | memoryview, more: bool) -> bytes:
    """A part of a body of unknown length (RFC 9112, 7.1)."""
    end = b"" if more else b"0\r\n\r\n"
    return b"".join((b"%x\r\n" % len(part), part, b"\r\n", end)) if part else end
