"""What rows share: planes, the calibration, results and their table."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import load, wrk
from tests.plane import Plane, read_until

CONNECTIONS = 16


@dataclass(slots=True, frozen=True)
class Result:
    """One line of the table. `met` None: there is no goal."""

    name: str
    value: str
    calibration: str = ""
    goal: str = ""
    met: bool | None = None


@dataclass(slots=True)
class Bench:
    """Settings, and the calibration of this run."""

    pods: int
    seconds: float
    wrk: str | None
    limits: list[float] = field(default_factory=list)

    async def limit(self) -> float:
        """Requests per second of a bare ASGI callable on uvicorn, measured now."""
        import re

        process = subprocess.Popen([sys.executable, "-m", "benchmarks.limit"], stdout=subprocess.PIPE, text=True)
        try:
            port = int(read_until(process, re.compile(r"listening (\d+)"), 10)[1])
            target = load.Target("127.0.0.1", port)
            rate = (await self.get(target, "/")).rate
        finally:
            process.kill()
            process.wait()
        self.limits.append(rate)
        return rate

    async def get(self, target: load.Target, path: str) -> load.Report:
        """GET one path as fast as it goes."""
        if self.wrk:
            return wrk.get(self.wrk, target, path, CONNECTIONS, self.seconds)
        request = target.request("GET", path)
        return await load.run(target, lambda: request, CONNECTIONS, self.seconds)

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
