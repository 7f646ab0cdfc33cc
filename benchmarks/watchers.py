"""Watchers of ConfigMaps that count frames and tell how long the change was under way, and who changes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from benchmarks import load
from tests.plane import Plane

PATH = "/api/v1/namespaces/default/configmaps"
WRITERS, OBJECTS = 16, 64
FRAME, STAMP = b'{"type":"MODIFIED"', b'"at":"'


class Watcher(asyncio.Protocol):
    """Counts frames; the first of a chunk tells how many milliseconds ago its change was sent."""

    def __init__(self, request: bytes, delays: list[float]) -> None:
        self.request, self.delays = request, delays
        self.frames = 0
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        found = (self.tail + data).count(FRAME)
        self.tail = data[1 - len(FRAME) :]  # a frame's beginning may be cut in two
        self.frames += found
        at = data.find(STAMP)
        if found and at >= 0:
            end = data.find(b'"', at + len(STAMP))
            if end > 0:
                self.delays.append((time.perf_counter() - float(data[at + len(STAMP) : end])) * 1000)


def fill(plane: Plane) -> str:
    """Create the objects; the query of a watch that sees every change after that."""
    for number in range(OBJECTS):
        meta = {"name": f"beat-{number}", "labels": {"bench": "watchers"}}
        status, made = plane.request("POST", PATH, {"metadata": meta, "data": {"at": "0"}})
        if status != 201:
            raise RuntimeError(f"not created: {made}")
    return f"?watch=1&labelSelector=bench%3Dwatchers&resourceVersion={made['metadata']['resourceVersion']}"


async def opened(target: load.Target, query: str, count: int) -> tuple[list[Watcher], list[float]]:
    """So many watchers, and the delays that they will see."""
    loop, delays, request = asyncio.get_running_loop(), list[float](), target.request("GET", PATH + query)
    made = [
        await loop.create_connection(lambda: Watcher(request, delays), target.host, target.port, ssl=target.context)
        for _ in range(count)
    ]
    return [protocol for _, protocol in made], delays


def changes(target: load.Target, count: int) -> Callable[[], bytes | None]:
    """Requests that stamp one object after the other with the time."""
    numbers = iter(range(count))

    def make() -> bytes | None:
        number = next(numbers, None)
        if number is None:
            return None
        body = b'{"data":{"at":"%.6f"}}' % time.perf_counter()
        return target.request("PATCH", f"{PATH}/beat-{number % OBJECTS}", body, "application/merge-patch+json")

    return make


async def change(target: load.Target, count: int) -> None:
    """As fast as it goes."""
    await load.run(target, changes(target, count), WRITERS, 120)


async def change_at(target: load.Target, count: int, pace: int) -> None:
    """So many a second, over one connection."""
    make = changes(target, count)
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.context)
    began, number = time.perf_counter(), 0
    while True:
        await asyncio.sleep(max(0.0, began + number / pace - time.perf_counter()))
        request = make()
        if request is None:
            break
        writer.write(request)
        found = load.LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
        await reader.readexactly(int(found[1]) if found else 0)
        number += 1
    writer.transport.abort()


async def seen(watchers: list[Watcher], count: int) -> None:
    """Wait until each has seen so many frames."""
    async with asyncio.timeout(60):
        while min(watcher.frames for watcher in watchers) < count:
            await asyncio.sleep(0.002)
