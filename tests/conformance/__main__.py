"""`python -m tests.conformance [--only GLOB] [-v] [--areas a,b]`: play every recorded conversation against a server of
our own and print a scoreboard by area."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.conformance import replay


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.conformance", description=__doc__)
    parser.add_argument("--only", default="*", help="glob on case names")
    parser.add_argument("--areas", default="", help="core,service,protocol,controller,write (default: all)")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every difference")
    parser.add_argument("--write-known-failures", action="store_true", help="rewrite known_failures.txt from this run")
    arguments = parser.parse_args()
    chosen = replay.cases(arguments.only, [area for area in arguments.areas.split(",") if area])
    areas = sorted({case.area for case in chosen})
    with ThreadPoolExecutor(len(areas) or 1) as pool:  # a server for each area; cases mostly wait
        parts = pool.map(lambda area: _play([case for case in chosen if case.area == area], arguments.verbose), areas)
        results = [result for part in parts for result in part]
    if arguments.write_known_failures:
        replay.write_known_failures([case.name for case, faults in results if faults])
    _scoreboard(results)
    return 0 if results and not any(faults for _, faults in results) else 1


Results = list[tuple[replay.Case, list[replay.Fault]]]


def _play(chosen: list[replay.Case], verbose: bool) -> Results:
    found: Results = []
    with replay.server() as server:
        for case in chosen:
            found.append((case, replay.faults(server, case)))
            _print(*found[-1], verbose)
    return found


def _print(case: replay.Case, faults: list[replay.Fault], verbose: bool) -> None:
    if not faults:
        return
    lines = [f"FAIL {case.area}/{case.name}"]
    for fault in faults[: None if verbose else 2]:
        lines.append(f"  {fault.request}")
        lines += [f"    {line}" for line in fault.differences[: 40 if verbose else 4]]
    print("\n".join(lines), flush=True)


def _scoreboard(results: Results) -> None:
    for area in sorted({case.area for case, _ in results}):
        outcomes = [not faults for case, faults in results if case.area == area]
        share = 100 * sum(outcomes) / len(outcomes)
        print(f"{area:<12} {sum(outcomes):>4} of {len(outcomes):>4}  {share:5.1f} %")
    passed = sum(not faults for _, faults in results)
    print(f"{passed} passed, {len(results) - passed} failed")


if __name__ == "__main__":
    sys.exit(main())
