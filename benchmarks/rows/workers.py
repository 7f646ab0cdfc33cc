"""`--workers 2` against one process: GET of one Service and LIST of the ClusterRoles, plain HTTP.

The client runs on the same cores. With two cores it takes what it needs from the second worker; over TLS that would be
half as much again as the server does, and the row would measure the client. What the machine has for a second process
is told by the limit: two of it on one port against one. Three busy processes share the cores, so that each stands still
now and then; there are as many connections as keep the others busy meanwhile.
"""

from __future__ import annotations

import socket
from collections import defaultdict
from statistics import median

from benchmarks import load
from benchmarks.measure import ROUNDS, Bench, Result, limit, running

CONNECTIONS = 64
GOAL = 1.6
PATHS = {
    "GET": "/api/v1/namespaces/default/services/kubernetes",
    "LIST": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
}
LIMIT = "limit"


async def measure(bench: Bench) -> list[Result]:
    found: dict[tuple[str, int], list[load.Report]] = defaultdict(list)
    ports, limits = {1: _free_port(), 2: _free_port()}, {1: _free_port(), 2: _free_port()}
    with (
        limit(limits[1]),
        limit(limits[2]),
        limit(limits[2]),
        running("--insecure-port", str(ports[1]), verb="apiserver"),
        running("--insecure-port", str(ports[2]), "--workers", "2", verb="apiserver"),
    ):
        for _ in range(ROUNDS):  # by turns: machines have faster and slower minutes
            for count, port in ports.items():
                for name, path in PATHS.items():
                    found[name, count].append(await bench.get(load.Target("127.0.0.1", port), path, CONNECTIONS))
                bare = load.Target("127.0.0.1", limits[count])
                found[LIMIT, count].append(await bench.get(bare, "/", CONNECTIONS))
    second = _times(found[LIMIT, 1], found[LIMIT, 2])
    return [_row(name, found[name, 1], found[name, 2], second) for name in PATHS]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        number: int = found.getsockname()[1]
        return number


def _times(one: list[load.Report], two: list[load.Report]) -> float:
    return median(both.rate / alone.rate for alone, both in zip(one, two, strict=True))


def _row(name: str, one: list[load.Report], two: list[load.Report], second: float) -> Result:
    times = _times(one, two)
    rates = [median(report.rate for report in reports) for reports in (two, one)]
    client = median(report.cores for report in two)
    shown = f"{rates[0]:,.0f}/s, one process {rates[1]:,.0f}/s, client {client:.2f} cores; the limit {second:.2f} times"
    name = f"{name} with two workers, {CONNECTIONS} connections"
    return Result(name, f"{times:.2f} times one", shown, f">= {GOAL}", times >= GOAL)
