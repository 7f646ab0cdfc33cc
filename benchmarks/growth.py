"""`python -m benchmarks.growth [--sizes 1000,10000,100000] [--plot FILE.svg]`: how cost grows with what is stored.

One plane is filled up step by step; at each size the same requests are measured. Prints a table; the plot shows every
row relative to its first size on two logarithmic axes: flat lines are what cost per request should be.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import load
from benchmarks.measure import percentile, resident
from benchmarks.objects import PODS, creations, target_of
from benchmarks.rows.create import patches
from benchmarks.rows.listing import TABLE, timed
from benchmarks.rows.propagation import flips, populate
from benchmarks.watchers import PATH, change_at, fill, opened, seen
from miniplane.client.api import Client
from tests.plane import Plane

CONNECTIONS = 32
MEASURED = 400
"""Creations and patches that are measured at each size."""
WATCHERS, CHANGES, PACE = 10, 200, 100
SERVICES, PODS_EACH, FLIPS = 5, 10, 100
ROWS: dict[str, Callable[[float], str]] = {
    "GET a pod, ms p50": "{:.2f}".format,
    "create a pod, ms each": "{:.2f}".format,
    "patch a pod's status, ms each": "{:.2f}".format,
    "LIST with a label of 1 %, limit 100, ms": "{:.1f}".format,
    "LIST, us a pod": "{:.1f}".format,
    "LIST as a Table, us a pod": "{:.1f}".format,
    "change at a watcher, ms p50": "{:.1f}".format,
    "restart, us a pod": "{:.0f}".format,
    "pod ready -> Endpoints at a watcher, ms p50": "{:.1f}".format,
    "memory, KB a pod": "{:.1f}".format,
    "disk, KB a pod": "{:.1f}".format,
}
"""What is measured, and how it is shown."""
COLORS = "#1b6ca8 #c8553d #d81b60 #588157 #7a4e9c #00897b #5e35b1 #8d6e63 #c0ca33 #d19a1d #444444".split()


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000", help="how many pods, comma-separated")
    parser.add_argument("--plot", type=Path, help="where to write the plot (SVG)")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    columns = asyncio.run(measure(sizes))
    print(table(sizes, columns))
    if arguments.plot:
        arguments.plot.write_text(plot(sizes, columns))


async def measure(sizes: Sequence[int]) -> list[list[float]]:
    """A column of figures for each size."""
    columns, stored, empty = list[list[float]](), 0, 0.0
    directory = Path(tempfile.mkdtemp(prefix="miniplane-bench-"))
    try:
        for size in sizes:
            with _serving(directory) as plane:
                empty = empty or resident(plane.process.pid)
                stored += await _create(plane, size - MEASURED - stored, f"fill-{size}")
                began = time.perf_counter()
                stored += await _create(plane, MEASURED, f"measured-{size}")
                creating = (time.perf_counter() - began) / MEASURED * 1000
                column = [await _get(plane, size), creating, await _patch(plane, size)]
                column += [*_lists(plane, size), await _watched(plane)]
                space = _space(plane, size, empty)
            began = time.perf_counter()
            with _serving(directory):
                column.append((time.perf_counter() - began) / size * 1e6)
            with _serving(directory, "--nodes", "0") as plane:
                column.append(await _propagation(plane, first=not columns))
            columns.append([*column, *space])
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return columns


@contextlib.contextmanager
def _serving(directory: Path, *arguments: str) -> Iterator[Plane]:
    """A plane that goes on with what the directory holds; the API server alone where nothing else is asked for."""
    plane = Plane.start(*arguments, directory=directory, verb="up" if arguments else "apiserver")
    try:
        yield plane
    finally:
        plane.stop()


async def _create(plane: Plane, count: int, prefix: str) -> int:
    target = target_of(plane)
    report = await load.run(target, creations(target, prefix).maker(count), CONNECTIONS, 3600)
    if report.failures or len(report.delays) != count:
        raise RuntimeError(f"{report.failures} of {count} pods were not created")
    return count


async def _get(plane: Plane, size: int) -> float:
    target = target_of(plane)
    request = target.request("GET", f"{PODS}/measured-{size}-000000")
    return percentile((await load.run(target, lambda: request, 1, 1.0)).delays, 0.5)


async def _patch(plane: Plane, size: int) -> float:
    target = target_of(plane)
    report = await load.run(target, patches(target, f"measured-{size}").maker(MEASURED), CONNECTIONS, 60)
    return 1000 / report.rate


def _lists(plane: Plane, size: int) -> tuple[float, float, float]:
    page = [timed(plane, f"{PODS}?labelSelector=rare%3Dyes&limit=100")[0] for _ in range(5)]
    whole = [timed(plane, PODS)[0] for _ in range(2)]
    shown = [timed(plane, PODS, TABLE)[0] for _ in range(3)]
    return min(page) * 1000, min(whole) / size * 1e6, min(shown) / size * 1e6


async def _watched(plane: Plane) -> float:
    """How long a change is under way to one of a few watchers, in milliseconds."""
    query, target = fill(plane), target_of(plane)
    watching, delays = await opened(target, query, WATCHERS)
    await change_at(target, CHANGES, PACE)
    await seen(watching, CHANGES)
    for watcher in watching:
        watcher.transport.close()
    plane.request("DELETE", f"{PATH}?labelSelector=bench%3Dwatchers")
    return percentile(delays, 0.5)


async def _propagation(plane: Plane, first: bool) -> float:
    client = Client.from_kubeconfig(plane.kubeconfig)
    try:
        if first:
            await populate(client, SERVICES, PODS_EACH)
        delays = await flips(client, SERVICES, PODS_EACH, FLIPS)
        return percentile(delays[1:], 0.5)  # controllers that have just started read everything first
    finally:
        client.close()


def _space(plane: Plane, size: int, empty: float) -> tuple[float, float]:
    files = sum(path.stat().st_size for path in plane.directory.glob("miniplane.db*"))
    return (resident(plane.process.pid) - empty) * 1024 / size, files / 1024 / size


def table(sizes: Sequence[int], columns: Sequence[Sequence[float]]) -> str:
    """The figures as a Markdown table."""
    lines = ["| pods | " + " | ".join(f"{size:,}" for size in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for number, (name, shown) in enumerate(ROWS.items()):
        lines.append(f"| {name} | " + " | ".join(shown(column[number]) for column in columns) + " |")
    return "\n".join(lines)


def plot(sizes: Sequence[int], columns: Sequence[Sequence[float]]) -> str:
    """The figures relative to the first size, as an SVG document."""
    width, height, left, top = 480, 260, 60, 20
    across = [left + width * math.log(size / sizes[0]) / (math.log(sizes[-1] / sizes[0]) or 1) for size in sizes]

    def down(ratio: float) -> float:
        """Two powers of ten each way from the middle."""
        return top + height / 2 - height / 4 * max(-2.0, min(2.0, math.log10(max(ratio, 1e-9))))

    parts = [f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#999"/>']
    for power in range(-2, 3):
        y = down(10.0**power)
        parts.append(f'<line x1="{left}" y1="{y:.0f}" x2="{left + width}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">x {10.0**power:g}</text>')
    for x, size in zip(across, sizes, strict=True):
        parts.append(f'<text x="{x:.0f}" y="{top + height + 18}" text-anchor="middle">{size:,} pods</text>')
    for number, name in enumerate(ROWS):
        ratios = [column[number] / columns[0][number] if columns[0][number] else 1.0 for column in columns]
        points = " ".join(f"{x:.1f},{down(ratio):.1f}" for x, ratio in zip(across, ratios, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLORS[number]}" stroke-width="2"/>')
        y = top + height + 40 + 16 * number
        parts.append(f'<text x="{left}" y="{y}" fill="{COLORS[number]}">{name}</text>')
    size = f'width="{width + left + 60}" height="{top + height + 50 + 16 * len(ROWS)}"'
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">\n{body}\n</svg>\n'


if __name__ == "__main__":
    main()
