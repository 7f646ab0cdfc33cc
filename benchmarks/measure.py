"""What rows share: planes, the calibration, results and their table."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import load, wrk
from tests.plane import Plane, read_until

CONNECTIONS = 16
ROUNDS = 4
"""How often a load and its calibration take turns: machines have faster and slower seconds."""


@dataclass(slots=True, frozen=True)
class Result:
    """One line of the table. `met` None: there is no goal."""

    name: str
    value: str
    calibration: str = ""
    goal: str = ""
    met: bool | None = None


class Measured(NamedTuple):
    """A load and its calibration: requests a second of each and the share, medians of the rounds; all delays in ms."""

    rate: float
    limit: float
    share: float
    delays: list[float]


@dataclass(slots=True)
class Bench:
    """Settings. `seconds` is the length of each load."""

    pods: int
    seconds: float
    wrk: str | None

    async def against_limit(self, send: Callable[[int], Awaitable[load.Report]]) -> Measured:
        """A load by turns with a bare ASGI callable on uvicorn; `send` gets the number of the round. Raises
        RuntimeError for requests that fail."""
        limits, reports = [], []
        with limit() as port:
            for number in range(ROUNDS):
                limits.append((await self.get(load.Target("127.0.0.1", port), "/")).rate)
                reports.append(await send(number))
        failures = sum(report.failures for report in reports)
        if failures:
            raise RuntimeError(f"{failures} requests failed")
        rates = [report.rate for report in reports]
        share = median(rate / limit for rate, limit in zip(rates, limits, strict=True))
        return Measured(median(rates), median(limits), share, [delay for report in reports for delay in report.delays])

    async def get(self, target: load.Target, path: str, connections: int = CONNECTIONS) -> load.Report:
        """GET one path as fast as it goes."""
        if self.wrk:
            return wrk.get(self.wrk, target, path, connections, self.seconds)
        request = target.request("GET", path)
        return await load.run(target, lambda: request, connections, self.seconds)

    async def send(self, target: load.Target, series: load.Series, connections: int) -> load.Report:
        """Send a series as fast as it goes."""
        if self.wrk:
            return wrk.send(self.wrk, target, series, connections, self.seconds)
        return await load.run(target, series.maker(), connections, self.seconds)


@contextlib.contextmanager
def running(*arguments: str, verb: str = "up") -> Iterator[Plane]:
    """A plane with its data on disk, as users have it."""
    plane = Plane.start(*arguments, verb=verb)
    try:
        yield plane
    finally:
        plane.stop()
        shutil.rmtree(plane.directory, ignore_errors=True)


@contextlib.contextmanager
def limit(port: int = 0) -> Iterator[int]:
    """A process of the calibration: the port that it listens on."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.limit", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        yield int(read_until(process, re.compile(r"listening (\d+)"), 10)[1])
    finally:
        process.kill()
        process.wait()


def resident(pid: int) -> float:
    """Resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} has no memory")


def family(pid: int) -> list[int]:
    """A process and its children."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [pid, *map(int, listed.split())]


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def table(results: Sequence[Result]) -> str:
    """Columns as wide as they need to be."""
    rows = [("", "measured", "calibration", "goal", "")]
    marks = {True: "met", False: "SHORT", None: ""}
    rows += [(r.name, r.value, r.calibration, r.goal, marks[r.met]) for r in results]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
