"""Who leads, and when the next one does."""

from __future__ import annotations

import asyncio
import copy

from miniplane.apimachinery.status import StatusError
from miniplane.client.leaderelection import Election, LeaderElector


class Leases:
    """The one lease, with optimistic concurrency."""

    def __init__(self) -> None:
        self.lease = None
        self.broken: set[str] = set()

    async def get(self, resource, name, namespace=None):  # type: ignore[no-untyped-def]
        if self.lease is None:
            raise StatusError(404, "NotFound", "no lease")
        return copy.deepcopy(self.lease)

    async def create(self, resource, obj):  # type: ignore[no-untyped-def]
        self.lease = {**copy.deepcopy(obj), "metadata": {**obj["metadata"], "resourceVersion": 1}}
        return copy.deepcopy(self.lease)

    async def update(self, resource, obj):  # type: ignore[no-untyped-def]
        if obj["spec"]["holderIdentity"] in self.broken:
            raise ConnectionError("cut off")
        if obj["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise StatusError(409, "Conflict", "modified")
        version = obj["metadata"]["resourceVersion"] + 1
        self.lease = {**copy.deepcopy(obj), "metadata": {**obj["metadata"], "resourceVersion": version}}
        return copy.deepcopy(self.lease)


def elector(leases: Leases, identity: str) -> LeaderElector:
    election = Election("l", identity, lease_duration=0.3, renew_deadline=0.2, retry_period=0.02)
    return LeaderElector(leases, election)  # type: ignore[arg-type]


async def leading(one: LeaderElector) -> tuple[asyncio.Event, asyncio.Task[None]]:
    started = asyncio.Event()

    async def lead() -> None:
        started.set()
        await asyncio.Event().wait()

    return started, asyncio.create_task(one.run(lead))


async def test_one_leads_and_hands_over_when_stopped() -> None:
    leases = Leases()
    first, first_task = await leading(elector(leases, "one"))
    await asyncio.wait_for(first.wait(), 5)
    second, second_task = await leading(elector(leases, "two"))
    await asyncio.sleep(0.1)
    assert not second.is_set()
    first_task.cancel()
    await asyncio.gather(first_task, return_exceptions=True)
    await asyncio.wait_for(second.wait(), 5)
    assert leases.lease["spec"]["leaseTransitions"] >= 1
    second_task.cancel()
    await asyncio.gather(second_task, return_exceptions=True)
    assert leases.lease["spec"]["holderIdentity"] == ""


async def test_who_cannot_renew_stops_before_another_starts() -> None:
    leases = Leases()
    one = elector(leases, "one")
    first, first_task = await leading(one)
    await asyncio.wait_for(first.wait(), 5)
    leases.broken.add("one")
    second, second_task = await leading(elector(leases, "two"))
    await asyncio.wait_for(second.wait(), 5)
    assert not one.leading
    await asyncio.wait_for(asyncio.gather(first_task, return_exceptions=True), 5)
    second_task.cancel()
    await asyncio.gather(second_task, return_exceptions=True)
