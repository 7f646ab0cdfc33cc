"""Creating Pods, and strategic merge patches of their status: durable commit, managed fields, TLS and token."""

from __future__ import annotations

import json

from benchmarks import load
from benchmarks.measure import Bench, Measured, Result, percentile, running
from benchmarks.objects import PODS, creations, target_of

CONNECTIONS, PATCHED = 32, 200
GOAL = 0.09
P99_GOAL = 40.0


async def measure(bench: Bench) -> list[Result]:
    with running("--nodes", "0", "--no-controllers") as plane:
        target = target_of(plane)
        await load.run(target, creations(target, "warm").maker(PATCHED), CONNECTIONS, 30)
        created = await bench.against_limit(
            lambda number: bench.send(target, creations(target, f"bench-{number}"), CONNECTIONS)
        )
        patched = await bench.against_limit(lambda _: bench.send(target, patches(target), CONNECTIONS))
    return [*_rows("create a Pod", created), *_rows("patch a Pod's status", patched)]


def patches(target: load.Target, prefix: str = "warm") -> load.Series:
    """Requests that flip the readiness of one pod after the other."""
    names = [f"{prefix}-{number:06}" for number in range(PATCHED)]
    return load.Series([(_patch(target, name, ready),) for ready in ("False", "True") for name in names])


def _patch(target: load.Target, name: str, ready: str) -> bytes:
    body = json.dumps({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}}).encode()
    path = f"{PODS}/{name}/status"
    return target.request("PATCH", path, body, "application/strategic-merge-patch+json")


def _rows(name: str, found: Measured) -> list[Result]:
    p50, p99 = percentile(found.delays, 0.5), percentile(found.delays, 0.99)
    shown = f"{found.share:.3f} of the limit, {found.limit:,.0f}/s"
    return [
        Result(
            f"{name}, {CONNECTIONS} connections", f"{found.rate:,.0f}/s", shown, f">= {GOAL:.2f}", found.share >= GOAL
        ),
        Result("  delay", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "", f"p99 <= {P99_GOAL:g} ms", p99 <= P99_GOAL),
    ]
