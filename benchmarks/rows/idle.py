"""Watchers of a collection in which nothing happens: what each costs in memory, and all of them in CPU."""

from __future__ import annotations

import asyncio
import os
import resource
from pathlib import Path

from benchmarks import load
from benchmarks.measure import Bench, Result, resident, running
from benchmarks.objects import target_of

WATCHERS, QUIET = 5000, 3.0
PATH = "/api/v1/namespaces/default/configmaps?watch=1&labelSelector=nothing%3Dmatches"
MEMORY_GOAL = 30.0
"""KB for each watcher."""
SPARE_FILES = 200
TOGETHER = 50
"""Connections that are opened at a time: TLS handshakes are work for both sides."""


class _Idle(asyncio.Protocol):
    """Sends one request and waits until the head of the answer is here."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.answered = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not self.answered.done():
            self.answered.set_result(None)


async def measure(bench: Bench) -> list[Result]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(WATCHERS, hard - SPARE_FILES) if hard > 0 else WATCHERS
    with running("--nodes", "0", "--no-controllers") as plane:
        target, pid = target_of(plane), plane.process.pid
        before = resident(pid)
        request = target.request("GET", PATH)
        opened: list[_Idle] = []
        while len(opened) < count:
            opened += await asyncio.gather(*(_open(target, request) for _ in range(min(TOGETHER, count - len(opened)))))
        each = (resident(pid) - before) * 1024 / count
        busy = _seconds(pid)
        await asyncio.sleep(QUIET)
        share = (_seconds(pid) - busy) / QUIET
        for one in opened:
            one.transport.abort()
    value = f"{each:.0f} KB each, {share:.1%} of a core"
    return [Result(f"{count:,} idle watchers", value, "", f"<= {MEMORY_GOAL:g} KB each", each <= MEMORY_GOAL)]


async def _open(target: load.Target, request: bytes) -> _Idle:
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(
        lambda: _Idle(request), target.host, target.port, ssl=target.context, ssl_handshake_timeout=60
    )
    await protocol.answered
    return protocol


def _seconds(pid: int) -> float:
    """CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
