"""200 watchers of ConfigMaps that change: the delay at 100 changes a second, and frames a second at full speed."""

from __future__ import annotations

import asyncio
import time

from benchmarks import load
from benchmarks.measure import Bench, Result, percentile, running
from benchmarks.objects import target_of

WATCHERS, EVENTS, PACE, WRITERS, OBJECTS = 200, 500, 100, 16, 64
PATH = "/api/v1/namespaces/default/configmaps"
FRAME, STAMP = b'{"type":"MODIFIED"', b'"at":"'
P99_GOAL, RATE_GOAL = 15.0, 60_000.0


class _Watcher(asyncio.Protocol):
    """Counts frames; the first of a chunk tells how long it was under way."""

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


async def measure(bench: Bench) -> list[Result]:
    with running("--nodes", "0", "--no-controllers") as plane:
        for number in range(OBJECTS):
            meta = {"name": f"beat-{number}", "labels": {"bench": "fanout"}}
            status, made = plane.request("POST", PATH, {"metadata": meta, "data": {"at": "0"}})
            assert status == 201, made
        target = target_of(plane)
        delays: list[float] = []
        query = f"?watch=1&labelSelector=bench%3Dfanout&resourceVersion={made['metadata']['resourceVersion']}"
        watchers = await _open(target, target.request("GET", PATH + query), delays)
        await _change(target, PACE)
        await _seen(watchers, EVENTS)
        paced = delays[:]
        began = time.perf_counter()
        await _change(target, 0)
        await _seen(watchers, 2 * EVENTS)
        rate = WATCHERS * EVENTS / (time.perf_counter() - began)
        for watcher in watchers:
            watcher.transport.close()
    p50, p99 = percentile(paced, 0.5), percentile(paced, 0.99)
    name = f"watch fan-out, {WATCHERS} watchers"
    return [
        Result(
            f"{name}, {PACE} changes/s",
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            "client in Python",
            f"p99 <= {P99_GOAL:g} ms",
            p99 <= P99_GOAL,
        ),
        Result(
            f"{name} x {EVENTS} changes",
            f"{rate:,.0f} frames/s",
            "client in Python",
            f">= {RATE_GOAL:,.0f}/s",
            rate >= RATE_GOAL,
        ),
    ]


async def _open(target: load.Target, request: bytes, delays: list[float]) -> list[_Watcher]:
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: _Watcher(request, delays), target.host, target.port, ssl=target.context)
        for _ in range(WATCHERS)
    ]
    return [protocol for _, protocol in opened]


async def _change(target: load.Target, pace: int) -> None:
    """Patch EVENTS times, so many a second (0: as fast as it goes)."""
    began, sent = time.perf_counter(), 0

    def patch() -> bytes | None:
        nonlocal sent
        sent += 1
        if sent > EVENTS:
            return None
        body = b'{"data":{"at":"%.6f"}}' % time.perf_counter()
        return target.request("PATCH", f"{PATH}/beat-{sent % OBJECTS}", body, "application/merge-patch+json")

    if not pace:
        await load.run(target, patch, WRITERS, 120)
        return
    for number in range(EVENTS):
        await asyncio.sleep(max(0.0, began + number / pace - time.perf_counter()))
        one = patch()
        once = iter([one])
        await load.run(target, lambda once=once: next(once, None), 1, 10)  # type: ignore[misc]


async def _seen(watchers: list[_Watcher], count: int) -> None:
    async with asyncio.timeout(60):
        while min(watcher.frames for watcher in watchers) < count:
            await asyncio.sleep(0.002)
