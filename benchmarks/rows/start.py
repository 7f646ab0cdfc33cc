"""Cold start to `miniplane ready` with a new data directory, and resident memory when nothing happens."""

from __future__ import annotations

import time

from benchmarks.measure import Bench, Result, family, resident, running

RUNS = 3
APISERVER_START, PLANE_START = 1.0, 1.8
APISERVER_MB, PLANE_MB = 90.0, 200.0


async def measure(bench: Bench) -> list[Result]:
    """The best of three starts of each: the machine may be doing other things."""
    found = []
    kinds = (("apiserver", "API server", APISERVER_START, APISERVER_MB), ("up", "whole plane", PLANE_START, PLANE_MB))
    for verb, name, seconds_goal, memory_goal in kinds:
        taken, memory = [], []
        for _ in range(RUNS):
            began = time.monotonic()
            with running(verb=verb) as plane:
                taken.append(time.monotonic() - began)
                memory.append(sum(map(resident, family(plane.process.pid))))
        found.append(_result(f"cold start, {name}", min(taken), "s", seconds_goal))
        found.append(_result(f"resident memory idle, {name}", min(memory), "MB", memory_goal))
    return found


def _result(name: str, value: float, unit: str, goal: float) -> Result:
    return Result(name, f"{value:.3g} {unit}", "", f"<= {goal:g} {unit}", value <= goal)
