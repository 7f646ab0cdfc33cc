"""Lists of many pods: whole, as a Table, one label in a hundred; and what the pods cost in memory and at a restart."""

from __future__ import annotations

import http.client
import time

from benchmarks.measure import Bench, Result, percentile, resident
from benchmarks.objects import PODS, fill, target_of
from tests.plane import Plane

RUNS = 3
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
RATE_GOAL, TABLE_GOAL, SELECTOR_GOAL, RESTART_GOAL = 400.0, 150.0, 8.0, 2.0
MEMORY_GOAL = 350.0 / 16_400 * 1000
"""MB for each 1,000 pods, the server's own included."""


async def measure(bench: Bench) -> list[Result]:
    import shutil

    plane = Plane.start("--nodes", "0", "--no-controllers")
    try:
        await fill(plane, bench.pods)
        memory = resident(plane.process.pid)
        found = [_memory(bench, memory), *_lists(bench, plane)]
        plane.stop()
        began = time.monotonic()
        plane = Plane.start("--nodes", "0", "--no-controllers", directory=plane.directory)
        taken = time.monotonic() - began
        found.append(Result(f"restart with {bench.pods:,} pods", f"{taken:.2f} s", "", "<= 2 s", taken <= RESTART_GOAL))
        return found
    finally:
        plane.stop()
        shutil.rmtree(plane.directory, ignore_errors=True)


def _memory(bench: Bench, memory: float) -> Result:
    goal = max(90.0, MEMORY_GOAL * bench.pods / 1000)
    return Result(f"API server with {bench.pods:,} pods", f"{memory:.0f} MB", "", f"<= {goal:.0f} MB", memory <= goal)


def _lists(bench: Bench, plane: Plane) -> list[Result]:
    whole = [_timed(plane, PODS) for _ in range(RUNS)]
    shown = [_timed(plane, PODS, TABLE) for _ in range(RUNS)]
    rare = [_timed(plane, PODS + "?labelSelector=rare%3Dyes")[0] * 1000 for _ in range(20)]
    found = []
    for name, runs, goal in (("LIST", whole, RATE_GOAL), ("LIST as a Table", shown, TABLE_GOAL)):
        seconds, size = min(runs)
        rate = size / 1e6 / seconds
        value = f"{seconds:.3f} s for {size / 1e6:.1f} MB"
        found.append(
            Result(f"{name}, {bench.pods:,} pods", value, f"{rate:,.0f} MB/s", f">= {goal:g} MB/s", rate >= goal)
        )
    middle = percentile(rare, 0.5)
    name = "LIST with a label selector, 1 %"
    found.append(Result(name, f"{middle:.1f} ms", "", f"<= {SELECTOR_GOAL:g} ms", middle <= SELECTOR_GOAL))
    return found


def _timed(plane: Plane, path: str, accept: str = "application/json") -> tuple[float, int]:
    """Seconds and bytes of one list over a connection that is open already."""
    target = target_of(plane)
    connection = http.client.HTTPSConnection(target.host, target.port, context=target.context)
    headers = {"Authorization": f"Bearer {target.token}", "Accept": accept}
    try:
        connection.request("GET", "/version", headers=headers)
        connection.getresponse().read()
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        size = 0
        while chunk := answer.read(1 << 20):
            size += len(chunk)
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status}")
        return time.perf_counter() - began, size
    finally:
        connection.close()
