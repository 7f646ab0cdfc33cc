"""What connections add to uvicorn's: an end for clients that do not read."""

from __future__ import annotations

import asyncio
from typing import Any

STALL_SECONDS = 60.0
"""How long a client may leave what it is sent unread."""


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
