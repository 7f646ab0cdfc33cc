"""Every recorded conversation, but for those on the list of known failures, which must shrink."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance import conform, replay

KNOWN = replay.known_failures()


@pytest.fixture(scope="module")
def server() -> Iterator[conform.Server]:
    with replay.server() as found:
        yield found


@pytest.mark.parametrize("case", replay.cases(), ids=lambda case: case.name)
def test_answers_as_the_real_server(server: conform.Server, case: replay.Case) -> None:
    faults = replay.faults(server, case)
    if case.name in KNOWN and faults:
        pytest.xfail("known failure")
    if faults:  # some cases wait for what controllers do; once more, in a fresh namespace
        faults = replay.faults(server, case)
    assert not faults, "\n".join(f"{fault.request}: {line}" for fault in faults for line in fault.differences[:10])


def test_known_failures_are_cases() -> None:
    assert {case.name for case in replay.cases()} >= KNOWN
