"""Creating Pods, and strategic merge patches of their status: durable commit, managed fields, TLS and token."""

from __future__ import annotations

import json

from benchmarks import load
from benchmarks.measure import Bench, Result, percentile, running
from benchmarks.objects import PODS, creations, target_of

CONNECTIONS, PATCHED = 32, 200
GOAL = 0.09
P99_GOAL = 40.0


async def measure(bench: Bench) -> list[Result]:
    with running("--nodes", "0", "--no-controllers") as plane:
        target = target_of(plane)
        await load.run(target, creations(target, "warm").maker(PATCHED), CONNECTIONS, 30)
        created = await bench.send(target, creations(target), CONNECTIONS)
        patched = await bench.send(target, patches(target), CONNECTIONS)
    limit = await bench.limit()
    return [*_rows("create a Pod", created, limit), *_rows("patch a Pod's status", patched, limit)]


def patches(target: load.Target, prefix: str = "warm") -> load.Series:
    """Requests that flip the readiness of one pod after the other."""
    names = [f"{prefix}-{number:06}" for number in range(PATCHED)]
    return load.Series([(_patch(target, name, ready),) for ready in ("False", "True") for name in names])


def _patch(target: load.Target, name: str, ready: str) -> bytes:
    body = json.dumps({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}}).encode()
    path = f"{PODS}/{name}/status"
    return target.request("PATCH", path, body, "application/strategic-merge-patch+json")


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
