"""A connection's transport that sends the head of an answer together with the first of its body.

uvicorn writes them one after the other: over TLS that is two records, two system calls, and two reads of the client.
"""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD, _INTERIM = b"HTTP/1.1 ", b"HTTP/1.1 1"


class JoiningTransport:
    """Everything but `write` and `close` is the transport's own."""

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
