"""What connections add to uvicorn's: a transport that joins writes, and an end for clients that do not read."""

from __future__ import annotations

import asyncio
from typing import Any

STALL_SECONDS = 60.0
"""How long a client may leave what it is sent unread."""
_HEAD, _INTERIM = b"HTTP/1.1 ", b"HTTP/1.1 1"


class JoiningTransport:
    """Sends the head of an answer together with the first of its body. uvicorn writes them one after the other: over
    TLS that is two records, two system calls, and two reads of the client.

    Everything but `write` and `close` is the transport's own."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes | memoryview) -> None:
        """Send, unless it is the head of an answer: that waits for the next write, or for `flush`."""
        if self._held:
            data = b"".join((self._held, data))
            self._held = b""
        elif data[:9] == _HEAD and data[:10] != _INTERIM:
            self._held = bytes(data)
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send a head that nothing followed (an answer to HEAD)."""
        if self._held:
            self._transport.write(self._held)
            self._held = b""

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class ReaderWatch(asyncio.Protocol):
    """A protocol whose client is cut off when it has not read a byte for STALL_SECONDS."""

    loop: asyncio.AbstractEventLoop
    transport: Any
    _stall: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._forget()
        super().resume_writing()

    def _forget(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _watch_reader(self, unread: int) -> None:
        self._stall = self.loop.call_later(STALL_SECONDS, self._check_reader, unread)

    def _check_reader(self, before: int) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread < before:
            self._watch_reader(unread)
        else:
            self.transport.abort()
