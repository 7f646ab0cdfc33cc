"""The rows, in the order of the table. Each measures against a plane that it starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from benchmarks.measure import Bench, Result
from benchmarks.rows import create, fanout, get, idle, listing, propagation, replicas, start, workers

ROWS: dict[str, Callable[[Bench], Awaitable[list[Result]]]] = {
    "start": start.measure,
    "get": get.measure,
    "create": create.measure,
    "listing": listing.measure,
    "fanout": fanout.measure,
    "idle": idle.measure,
    "propagation": propagation.measure,
    "workers": workers.measure,
    "replicas": replicas.measure,
}
