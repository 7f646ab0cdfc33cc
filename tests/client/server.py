"""A tiny API server for faults: answers are scripted, connections can be cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from miniplane.client.api import Client
from miniplane.client.config import Config

Answer = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One request, and the means to answer it."""

    def __init__(
        self, method: str, target: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        self.method, self.target, self.headers, self.body, self.writer = method, target, headers, body, writer

    async def answer(self, body: Any, status: int = 200, **headers: str) -> None:
        content = json.dumps(body).encode()
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n{extra}\r\n"
        self.writer.write(head.encode() + content)
        await self.writer.drain()

    async def stream(self, *events: Any) -> None:
        """Start a watch, or go on with it."""
        if not getattr(self, "_started", False):
            self._started = True
            self.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in events:
            line = json.dumps(event).encode() + b"\n"
            self.writer.write(b"%x\r\n%s\r\n" % (len(line), line))
        await self.writer.drain()

    async def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    def cut(self) -> None:
        self.writer.transport.abort()


class Server:
    """`async with Server(handler) as server`; `handler` is called with each Exchange."""

    def __init__(self, handler: Answer) -> None:
        self.handler = handler
        self.requests: list[str] = []

    async def __aenter__(self) -> Server:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    def client(self, **options: Any) -> Client:
        return Client(Config(f"http://127.0.0.1:{self.port}", token="t"), **options)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                method, target, _ = first.split(" ")
                headers = dict(line.lower().split(": ", 1) for line in lines)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append(f"{method} {target}")
                await self.handler(Exchange(method, target, headers, body, writer))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()
