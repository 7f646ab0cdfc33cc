"""200 watchers of ConfigMaps that change: the delay at 100 changes a second, and frames a second at full speed."""

from __future__ import annotations

import time

from benchmarks.measure import Bench, Result, percentile, running
from benchmarks.objects import target_of
from benchmarks.watchers import change, change_at, fill, opened, seen

WATCHERS, EVENTS, PACE = 200, 500, 100
P99_GOAL, RATE_GOAL = 15.0, 60_000.0


async def measure(bench: Bench) -> list[Result]:
    with running("--nodes", "0", "--no-controllers") as plane:
        query, target = fill(plane), target_of(plane)
        watchers, delays = await opened(target, query, WATCHERS)
        await change_at(target, EVENTS, PACE)
        await seen(watchers, EVENTS)
        paced = delays[:]
        began = time.perf_counter()
        await change(target, EVENTS)
        await seen(watchers, 2 * EVENTS)
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
