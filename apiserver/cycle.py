"""One request and its answer, between uvicorn's connection and the ASGI application.

uvicorn's own does the same with more steps: what is sent here leaves in as few writes as its parts allow. Over TLS each
write is a record, a system call, and a read of the client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from apiserver.request import Message

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


class Cycle(RequestResponseCycle):
    """uvicorn's cycle (running the application, receiving a body) with a sender of our own."""

    body = cast(bytearray, b"")  # what has come and is not received yet; most often in one piece
    more_body = True
    disconnected = response_started = response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    _head = b""

    def __init__(
        self,
        scope: dict[str, Any],
        transport: asyncio.Transport,
        flow: FlowControl,
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
        if self.disconnected:
            return
        if not self.response_started:
            if message["type"] != "http.response.start":
                raise RuntimeError(f"an answer began with {message['type']}")
            self.response_started, self.waiting_for_100_continue = True, False
            self._head = self._head_of(message["status"], message.get("headers", ()))
        elif self.response_complete or message["type"] != "http.response.body":
            raise RuntimeError(f"{message['type']} in the place of a body's part")
        else:
            self._send_part(message.get("body", b""), message.get("more_body", False))

    def _head_of(self, status: int, headers: Headers) -> bytes:
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
        return b"".join((STATUS_LINE[status], b"\r\n".join(lines), b"\r\n\r\n"))

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


def _chunk(part: bytes | memoryview, more: bool) -> bytes:
    """A part of a body of unknown length (RFC 9112, 7.1)."""
    end = b"" if more else b"0\r\n\r\n"
    return b"".join((b"%x\r\n" % len(part), part, b"\r\n", end)) if part else end
