"""GET of one Service, 16 connections, TLS and token."""

from __future__ import annotations

from benchmarks.measure import CONNECTIONS, Bench, Result, running
from benchmarks.objects import target_of

GOAL = 0.40


async def measure(bench: Bench) -> list[Result]:
    with running("--nodes", "0", "--no-controllers") as plane:
        target = target_of(plane)
        found = await bench.against_limit(lambda _: bench.get(target, "/api/v1/namespaces/default/services/kubernetes"))
    return [
        Result(
            f"GET one Service, {CONNECTIONS} connections",
            f"{found.rate:,.0f}/s",
            f"{found.share:.2f} of the limit, {found.limit:,.0f}/s",
            f">= {GOAL:.2f}",
            found.share >= GOAL,
        )
    ]
