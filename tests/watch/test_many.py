"""Many watchers that come and go: what they had is given back."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.plane import Plane, wait_until

WATCHERS, TOGETHER, ROUNDS = 500, 50, 4
SLACK_MB = 16
"""A first round leaves as much: code that was not used before, and free memory too little to be worth giving back."""
PATIENCE = 30.0
PATH = "/api/v1/namespaces/default/configmaps?watch=1&labelSelector=nothing%3Dmatches"


def megabytes(plane: Plane) -> int:
    return int(Path(f"/proc/{plane.process.pid}/statm").read_text().split()[1]) * mmap.PAGESIZE >> 20


def descriptors(plane: Plane) -> int:
    return len(list(Path(f"/proc/{plane.process.pid}/fd").iterdir()))


async def opened(plane: Plane) -> asyncio.StreamWriter:
    at = urlsplit(plane.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port, ssl=plane.tls, ssl_handshake_timeout=60)
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {plane.token}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    return writer


async def rounds(plane: Plane) -> int:
    """Open and close them all some times; the memory that they had, in MB."""
    most = 0
    for _ in range(ROUNDS):
        writers: list[asyncio.StreamWriter] = []
        while len(writers) < WATCHERS:
            writers += await asyncio.gather(*(opened(plane) for _ in range(TOGETHER)))
        most = max(most, megabytes(plane))
        for writer in writers:
            writer.transport.abort()
    return most


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory and descriptors from /proc")
def test_watchers_that_came_and_went_leave_neither_memory_nor_descriptors() -> None:
    plane = Plane.start(verb="apiserver")
    try:
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            before, files = megabytes(plane), descriptors(plane)
            most = loop.run_until_complete(rounds(plane))
        assert most > before + SLACK_MB  # else they were too few to tell
        wait_until(lambda: descriptors(plane) <= files, PATIENCE)
        wait_until(lambda: megabytes(plane) < before + SLACK_MB, PATIENCE)
    finally:
        plane.stop()
