"""What is sent, what was seen, and a lean asyncio client that does nothing but send and count."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True, frozen=True)
class Target:
    """Where to, and as whom."""

    host: str
    port: int
    token: str = ""
    context: ssl.SSLContext | None = None

    def request(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> bytes:
        """The bytes of one HTTP/1.1 request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Accept: application/json"]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        if body:
            lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(slots=True, frozen=True)
class Series:
    """Requests that repeat: (whole,) or (before, after) the place of the request's number."""

    DIGITS: ClassVar[int] = 6
    templates: Sequence[tuple[bytes, ...]]

    def maker(self, count: int | None = None) -> Callable[[], bytes | None]:
        """One request after the other, so many of them."""
        number = -1

        def make() -> bytes | None:
            nonlocal number
            number += 1
            if count is not None and number >= count:
                return None
            return (b"%0*d" % (self.DIGITS, number)).join(self.templates[number % len(self.templates)])

        return make


@dataclass(slots=True)
class Report:
    """What a load saw; delays in milliseconds. `cores`: how much of the machine the client took for itself, where it is
    another process."""

    rate: float
    delays: list[float] = field(default_factory=list)
    failures: int = 0
    cores: float = 0.0


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, make: Callable[[], bytes | None], report: Report) -> None:
        self.make, self.report = make, report
        self.done = asyncio.get_running_loop().create_future()
        self.buffer = bytearray()
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send()

    def _send(self) -> None:
        request = self.make()
        if request is None:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self.began = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        found = LENGTH.search(self.buffer, 0, end + 2)
        size = end + 4 + (int(found[1]) if found else 0)
        if len(self.buffer) < size:
            return
        self.report.delays.append((time.perf_counter() - self.began) * 1000)
        if self.buffer[9:10] != b"2":
            self.report.failures += 1
        del self.buffer[:size]
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.report.failures += 1
            self.done.set_result(None)


async def run(target: Target, make: Callable[[], bytes | None], connections: int, seconds: float) -> Report:
    """Send what `make` gives over so many connections until it gives None or the time is up."""
    report = Report(0.0)
    began = time.perf_counter()
    until = began + seconds

    def next_request() -> bytes | None:
        return make() if time.perf_counter() < until else None

    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(
            lambda: _Connection(next_request, report), target.host, target.port, ssl=target.context
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in opened))
    report.rate = len(report.delays) / (time.perf_counter() - began)
    return report
