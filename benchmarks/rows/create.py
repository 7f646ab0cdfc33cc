"""Creating Pods: durable commit, managed fields, TLS and token; 32 connections."""

from __future__ import annotations

from benchmarks import load
from benchmarks.measure import Bench, Result, percentile, running
from benchmarks.objects import creations, target_of

CONNECTIONS = 32
GOAL = 0.09
P99_GOAL = 40.0


async def measure(bench: Bench) -> list[Result]:
    with running("--nodes", "0", "--no-controllers") as plane:
        target = target_of(plane)
        await load.run(target, creations(target, 200, "warm"), CONNECTIONS, 5)
        report = await load.run(target, creations(target), CONNECTIONS, bench.seconds)
    if report.failures:
        raise RuntimeError(f"{report.failures} creations failed")
    limit = await bench.limit()
    share = report.rate / limit
    p50, p99 = percentile(report.delays, 0.5), percentile(report.delays, 0.99)
    return [
        Result(
            f"create a Pod, {CONNECTIONS} connections",
            f"{report.rate:,.0f}/s",
            f"{share:.3f} of the limit, {limit:,.0f}/s",
            f">= {GOAL:.2f}",
            share >= GOAL,
        ),
        Result("  delay", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "", f"p99 <= {P99_GOAL:g} ms", p99 <= P99_GOAL),
    ]
