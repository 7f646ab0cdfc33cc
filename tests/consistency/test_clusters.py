"""A minute of what `make soak` does for longer: several servers, some of them killed, stopped or cut off."""

from __future__ import annotations

import secrets

import pytest

from tests.consistency.clusters import CLUSTERS
from tests.consistency.run import examine

SECONDS = 12.0


@pytest.mark.timeout(150)
@pytest.mark.parametrize("mode", CLUSTERS)
async def test_the_history_is_one_that_a_single_server_could_have_given(mode: str) -> None:
    seed = secrets.token_hex(4)
    outcome = await examine(mode, SECONDS, seed)
    assert outcome.faults == [], f"--only {mode} --seed {seed}; {outcome}; {outcome.blows}"
    assert outcome.blows
    assert sum(operation.done for operation in outcome.operations) > 20
