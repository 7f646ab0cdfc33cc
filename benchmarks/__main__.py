"""`python -m benchmarks [--pods N] [--only ROW,...]`: start planes, measure, print one table."""

from __future__ import annotations

import argparse
import asyncio
import platform
import shutil
import sys

from benchmarks.measure import Bench, Result, table
from benchmarks.rows import ROWS


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--pods", type=int, default=16_400, metavar="N", help="how many in rows about many (16400)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each load (default: 4)")
    parser.add_argument("--only", default="", help=f"comma-separated: {', '.join(ROWS)}")
    parser.add_argument("--no-wrk", action="store_true", help="use our own load generator where wrk is installed too")
    arguments = parser.parse_args()
    chosen = [name for name in arguments.only.split(",") if name] or list(ROWS)
    unknown = set(chosen) - set(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    wrk = None if arguments.no_wrk else shutil.which("wrk")
    bench = Bench(pods=arguments.pods, seconds=arguments.seconds, wrk=wrk)
    results: list[Result] = []
    for name in chosen:
        print(f"... {name}", file=sys.stderr, flush=True)
        results += asyncio.run(ROWS[name](bench))
    generator = "wrk" if wrk else "our own load generator"
    print(f"Python {platform.python_version()}, {generator}; limit: a bare ASGI callable on uvicorn, no TLS")
    print(table(results))
    short = [result.name for result in results if result.met is False]
    print(f"short of its goal: {', '.join(short)}" if short else "every goal met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
