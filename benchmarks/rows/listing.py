"""Lists of many pods: whole, as a Table, one label in a hundred; and what the pods cost in memory and at a restart."""

from __future__ import annotations

import http.client
import multiprocessing
import ssl
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor

from benchmarks import load
from benchmarks.measure import Bench, Result, percentile, resident
from benchmarks.objects import PODS, fill, target_of
from tests.plane import Plane

RUNS = 3
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
FIRST_GOAL, GET_GOAL, BESIDE_SECONDS = 50.0, 20.0, 3.0
RATE_GOAL, TABLE_GOAL, SELECTOR_GOAL, RESTART_GOAL = 400.0, 150.0, 8.0, 2.0
MEMORY_GOAL = 350.0 / 16_400 * 1000
"""MB for each 1,000 pods, the server's own included."""


async def measure(bench: Bench) -> list[Result]:
    import shutil

    plane = Plane.start("--nodes", "0", "--no-controllers")
    try:
        await fill(plane, bench.pods)
        memory = resident(plane.process.pid)
        found = [_memory(bench, memory), *_lists(bench, plane), await _beside(plane)]
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
    fresh = timed(plane, PODS, TABLE)
    whole = [timed(plane, PODS) for _ in range(RUNS)]
    shown = [timed(plane, PODS, TABLE) for _ in range(RUNS)]
    rare = [timed(plane, PODS + "?labelSelector=rare%3Dyes")[0] * 1000 for _ in range(20)]
    found = []
    rows = (("LIST", whole, RATE_GOAL), ("LIST as a Table", shown, TABLE_GOAL), ("the first Table", [fresh], 0.0))
    for name, runs, goal in rows:
        seconds, size, _ = min(runs)
        rate = size / 1e6 / seconds
        value = f"{seconds:.3f} s for {size / 1e6:.1f} MB"
        wanted, met = (f">= {goal:g} MB/s", rate >= goal) if goal else ("", None)
        found.append(Result(f"{name}, {bench.pods:,} pods", value, f"{rate:,.0f} MB/s", wanted, met))
    first = max(run[2] for run in (*whole, *shown, fresh)) * 1000
    found.append(Result("first byte of a list", f"{first:.0f} ms", "", f"<= {FIRST_GOAL:g} ms", first <= FIRST_GOAL))
    middle = percentile(rare, 0.5)
    name = "LIST with a label selector, 1 %"
    found.append(Result(name, f"{middle:.1f} ms", "", f"<= {SELECTOR_GOAL:g} ms", middle <= SELECTOR_GOAL))
    return found


async def _beside(plane: Plane) -> Result:
    """The delay of another client's GET while lists run, one after the other."""
    target = target_of(plane)
    get = target.request("GET", "/api/v1/namespaces/default")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as beside:
        beside.submit(int).result()
        lists = beside.submit(_lists_for, plane.url, plane.token, str(plane.directory), BESIDE_SECONDS)
        report = await load.run(target, lambda: get, 1, BESIDE_SECONDS)
        count = lists.result()
    p50, p99 = percentile(report.delays, 0.5), percentile(report.delays, 0.99)
    value = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    return Result(f"GET while {count} lists run", value, "", f"p99 <= {GET_GOAL:g} ms", p99 <= GET_GOAL)


def _lists_for(url: str, token: str, directory: str, seconds: float) -> int:
    """List in a process of its own for so many seconds; how many lists were read."""
    context = ssl.create_default_context(cafile=f"{directory}/pki/ca.crt")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    until, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        request = urllib.request.Request(url + PODS, headers=headers)
        with urllib.request.urlopen(request, context=context) as answer:
            while answer.read(1 << 20):
                pass
        count += 1
    return count


def timed(plane: Plane, path: str, accept: str = "application/json") -> tuple[float, int, float]:
    """Seconds, bytes and seconds to the first byte of one list over a connection that is open already."""
    target = target_of(plane)
    connection = http.client.HTTPSConnection(target.host, target.port, context=target.context)
    headers = {"Authorization": f"Bearer {target.token}", "Accept": accept}
    try:
        connection.request("GET", "/version", headers=headers)
        connection.getresponse().read()
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        size = len(answer.read(1))
        first = time.perf_counter() - began
        while chunk := answer.read(1 << 20):
            size += len(chunk)
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status}")
        return time.perf_counter() - began, size, first
    finally:
        connection.close()
