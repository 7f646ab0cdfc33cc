"""GET of one Service, 16 connections, TLS and token."""

from __future__ import annotations

from benchmarks.measure import CONNECTIONS, Bench, Result, running
from benchmarks.objects import target_of

GOAL = 0.40


async def measure(bench: Bench) -> list[Result]:
    with running("--nodes", "0", "--no-controllers") as plane:
        report = await bench.get(target_of(plane), "/api/v1/namespaces/default/services/kubernetes")
    if report.failures:
        raise RuntimeError(f"{report.failures} requests failed")
    limit = await bench.limit()
    share = report.rate / limit
    return [
        Result(
            f"GET one Service, {CONNECTIONS} connections",
            f"{report.rate:,.0f}/s",
            f"{share:.2f} of the limit, {limit:,.0f}/s",
            f">= {GOAL:.2f}",
            share >= GOAL,
        )
    ]
