"""The recorded conversations, played one at a time against a server that we start (`conform.py` does the playing)."""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conformance import conform
from tests.plane import KUBECTL, Plane

HERE = Path(__file__).parent
KNOWN_FAILURES = HERE / "known_failures.txt"
TOKENS = 'admintoken,admin,admin-uid,"system:masters"\nusertoken,alice,alice-uid,"dev"\n'


@dataclass(slots=True, frozen=True)
class Case:
    """One conversation and what the real server answered."""

    area: str
    name: str
    steps: dict[str, Any]
    recorded: list[Any]


@dataclass(slots=True, frozen=True)
class Fault:
    """An answer that differs."""

    request: str
    differences: list[str]


@functools.cache
def _all() -> tuple[Case, ...]:
    found = []
    for path in sorted((HERE / "cases").glob("*.yaml")):
        book = json.loads((HERE / "golden" / f"{path.stem}.json").read_text())
        for steps in yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["cases"]:
            if steps["name"] in book:
                found.append(Case(path.stem, steps["name"], steps, book[steps["name"]]))
    return tuple(found)


def cases(only: str = "*", areas: Sequence[str] = ()) -> list[Case]:
    """The cases whose name matches the glob."""
    return [case for case in _all() if fnmatch.fnmatch(case.name, only) and (not areas or case.area in areas)]


def known_failures() -> set[str]:
    """Names of the cases that do not pass yet. The list must shrink: a test fails when one of them passes."""
    lines = KNOWN_FAILURES.read_text().splitlines() if KNOWN_FAILURES.exists() else []
    return {line for line in lines if line and not line.startswith("#")}


def write_known_failures(names: Sequence[str]) -> None:
    """Replace the list."""
    head = "# Cases that do not pass yet, one a line. Passing one of them fails the tests: take it off the list.\n"
    KNOWN_FAILURES.write_text(head + "".join(f"{name}\n" for name in sorted(names)))


@contextlib.contextmanager
def server() -> Iterator[conform.Server]:
    """A plane as the recordings had it: controllers, no nodes, two users."""
    os.environ["KUBECTL"] = KUBECTL
    directory = Path(tempfile.mkdtemp(prefix="miniplane-conformance-"))
    tokens = directory / "tokens.csv"
    tokens.write_text(TOKENS)
    plane = Plane.start("--nodes", "0", "--token-auth-file", str(tokens), directory=directory / "data")
    try:
        yield conform.Server(plane.url, "admintoken", str(plane.directory / "pki" / "ca.crt"), False)
    finally:
        plane.stop()
        shutil.rmtree(directory, ignore_errors=True)


def faults(server: conform.Server, case: Case) -> list[Fault]:
    """Play a case; the answers that differ from the recorded ones."""
    try:
        got = conform.play(server, case.steps)
    except Exception as error:
        got = [{"error": f"{type(error).__name__}: {error}"}]
    found = []
    for index, wanted in enumerate(case.recorded):
        answer = got[index] if index < len(got) else {"error": (got[-1:] or [{}])[0].get("error", "no answer")}
        differences = conform.differences(wanted, answer)
        if differences:
            found.append(Fault(str(wanted.get("request")), differences))
    return found
