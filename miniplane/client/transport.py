"""HTTP/1.1 to one server over asyncio: a pool of kept connections, parsed by httptools.

General HTTP libraries spend more time on one small request than the API server does; this speaks just what a
Kubernetes client needs: JSON bodies, streams of lines, TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import httptools


class ConnectionBroken(ConnectionError):
    """The connection ended inside an exchange. `answered` is False where no byte of the answer had come."""

    def __init__(self, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.answered = answered


@dataclass(slots=True)
class Head:
    """Status and headers (names in lower case) of an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.broken = False
        self.used = False
        self._parser: httptools.HttpResponseParser | None = None
        self._head = Head(0)
        self._chunks: deque[bytes] = deque()
        self._complete = False
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.broken = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
        self._wake()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._parser is not None:
            self._head.status = self._parser.get_status_code()

    def on_body(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        if self._parser is not None and not self._parser.should_keep_alive():
            self.broken = True
        self._complete = True

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, until: Callable[[], bool]) -> None:
        """Wait for `until`. Raises ConnectionBroken where the connection ends first."""
        while not until():
            if self.broken:
                raise ConnectionBroken("the server closed the connection", answered=self._head.status != 0)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def send(self, request: bytes) -> Head:
        """Start an exchange; returns when the head of the answer is here."""
        self._parser = httptools.HttpResponseParser(self)
        self._head, self._complete, self.used = Head(0), False, True
        self._chunks.clear()
        if self.transport is None or self.transport.is_closing():
            self.broken = True
            raise ConnectionBroken("the connection is closed", answered=False)
        self.transport.write(request)
        await self._wait(lambda: self._head.status != 0)
        return self._head

    async def body(self) -> bytes:
        """The whole rest of the answer."""
        await self._wait(lambda: self._complete)
        return b"".join(self._chunks)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The answer as it comes, until it is complete."""
        while True:
            await self._wait(lambda: bool(self._chunks) or self._complete)
            while self._chunks:
                yield self._chunks.popleft()
            if self._complete:
                return

    def close(self) -> None:
        self.broken = True
        if self.transport is not None:
            self.transport.abort()
        self._wake()


class Pool:
    """Connections to one server; at most `limit` exchanges at a time, streams (watches) not counted."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, *, limit: int = 32) -> None:
        self.host, self.port, self.context = host, port, context
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(limit)
        self._streams: set[Connection] = set()
        self.closed = False

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        name = self.host if self.context else None
        connecting = loop.create_connection(Connection, self.host, self.port, ssl=self.context, server_hostname=name)
        try:
            return (await asyncio.wait_for(connecting, 10))[1]
        except TimeoutError as error:
            raise ConnectionError(f"no connection to {self.host}:{self.port} in 10 s") from error

    async def _acquire(self) -> Connection:
        while self._idle:
            found = self._idle.pop()
            if not found.broken:
                return found
        return await self._connect()

    async def exchange(self, request: bytes, timeout: float) -> tuple[Head, bytes]:
        """One request, its whole answer. Raises OSError (ConnectionBroken if the server hung up), TimeoutError."""
        async with self._slots:
            connection = await self._acquire()
            finished = False
            try:
                async with asyncio.timeout(timeout):
                    head = await connection.send(request)
                    body = await connection.body()
                finished = True
                return head, body
            finally:
                self._release(connection, finished=finished)

    def _release(self, connection: Connection, *, finished: bool) -> None:
        if finished and not connection.broken and not self.closed:
            self._idle.append(connection)
        else:
            connection.close()

    @contextlib.asynccontextmanager
    async def stream(self, request: bytes) -> AsyncIterator[tuple[Head, Connection]]:
        """One request whose answer is read in pieces, on a connection of its own."""
        connection = await self._connect()
        self._streams.add(connection)
        try:
            head = await connection.send(request)
            yield head, connection
        finally:
            self._streams.discard(connection)
            connection.close()

    def close(self) -> None:
        """End every connection; exchanges in flight fail."""
        self.closed = True
        for connection in [*self._idle, *self._streams]:
            connection.close()
        self._idle.clear()


def encode(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """The bytes of a request. `target` is already quoted."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")
