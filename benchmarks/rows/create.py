"""Creating Pods, and strategic merge patches of their status: durable commit, managed fields, TLS and token."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

from benchmarks import load
from benchmarks.measure import Bench, Result, percentile, running
from benchmarks.objects import PODS, creations, target_of

CONNECTIONS, PATCHED = 32, 200
GOAL = 0.09
P99_GOAL = 40.0


async def measure(bench: Bench) -> list[Result]:
    with running("--nodes", "0", "--no-controllers") as plane:
        target = target_of(plane)
        await load.run(target, creations(target, PATCHED, "warm"), CONNECTIONS, 5)
        created = await load.run(target, creations(target), CONNECTIONS, bench.seconds)
        patched = await load.run(target, patches(target), CONNECTIONS, bench.seconds)
    limit = await bench.limit()
    return [*_rows("create a Pod", created, limit), *_rows("patch a Pod's status", patched, limit)]


def patches(target: load.Target) -> Callable[[], bytes]:
    """Requests that flip the readiness of one pod after the other."""
    numbers = itertools.count()

    def make() -> bytes:
        number = next(numbers)
        ready = "True" if number // PATCHED % 2 else "False"
        body = json.dumps({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}}).encode()
        path = f"{PODS}/warm-{number % PATCHED:06}/status"
        return target.request("PATCH", path, body, "application/strategic-merge-patch+json")

    return make


def _rows(name: str, report: load.Report, limit: float) -> list[Result]:
    if report.failures:
        raise RuntimeError(f"{name}: {report.failures} failed")
    share = report.rate / limit
    p50, p99 = percentile(report.delays, 0.5), percentile(report.delays, 0.99)
    shown = f"{share:.3f} of the limit, {limit:,.0f}/s"
    return [
        Result(f"{name}, {CONNECTIONS} connections", f"{report.rate:,.0f}/s", shown, f">= {GOAL:.2f}", share >= GOAL),
        Result("  delay", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "", f"p99 <= {P99_GOAL:g} ms", p99 <= P99_GOAL),
    ]
