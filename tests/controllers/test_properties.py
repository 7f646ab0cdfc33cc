"""Any interleaving of changes ends where the specification says; then nothing more is written."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controllers import endpoints, endpointslice, specification
from miniplane.client.resources import ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES
from tests.controllers.world import World, node, pod, service

NAMES = ("a", "b", "c", "d")
changes = st.one_of(
    st.tuples(st.just("pod"), st.sampled_from(NAMES), st.booleans(), st.integers(1, 3), st.sampled_from(("web", "db"))),
    st.tuples(st.just("terminating"), st.sampled_from(NAMES)),
    st.tuples(st.just("finish"), st.sampled_from(NAMES)),
    st.tuples(st.just("unnamed"), st.sampled_from(NAMES)),
    st.tuples(st.just("gone"), st.sampled_from(NAMES)),
    st.tuples(st.just("service"), st.sampled_from(("http", 8080, 9090)), st.booleans(), st.sampled_from(("web", "db"))),
    st.tuples(st.just("no service")),
    st.tuples(st.just("deliver"), st.integers(1, 4)),
    st.tuples(st.just("work")),
)


def apply(world: World, change: tuple[Any, ...]) -> None:
    kind, name = change[0], f"ns/{change[1]}" if len(change) > 1 else "ns/web"
    found = copy.deepcopy(world.objects.get(PODS, {}).get(name))
    if kind == "pod" and (found is None or "deletionTimestamp" not in found["metadata"]):
        world.put(PODS, pod(change[1], f"10.1.0.{change[3]}", ready=change[2], labels={"app": change[4]}))
    elif kind == "service":
        port = {"name": "p", "port": 80, "targetPort": change[1], "protocol": "TCP"}
        world.put(SERVICES, service(ports=[port], publishNotReadyAddresses=change[2], selector={"app": change[3]}))
    elif kind == "no service" and name in world.objects.get(SERVICES, {}):
        world.remove(SERVICES, name)
    elif found is not None and kind == "gone":
        world.remove(PODS, name)
    elif found is not None and kind in ("terminating", "finish", "unnamed"):
        if kind == "terminating":
            found["metadata"]["deletionTimestamp"] = "2030-01-02T03:04:07Z"
        elif kind == "finish":
            found["status"].update(phase="Failed")
        else:
            found["metadata"]["labels"] = {}
        world.put(PODS, found)


async def play(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    loops = [world.loop(endpoints.CONTROLLER), world.loop(endpointslice.CONTROLLER)]
    world.put(NODES, node())
    for change in steps:
        if change[0] == "deliver":
            world.deliver(change[1])
        elif change[0] == "work":
            await world.work(loops)
        else:
            apply(world, change)
    await world.settle(loops)
    check(world)
    world.writes.clear()
    for loop in loops:
        loop.queue.add("ns/web")
    await world.settle(loops)
    assert world.writes == []


def check(world: World) -> None:
    found = world.objects.get(SERVICES, {}).get("ns/web")
    written = world.objects.get(ENDPOINTS, {}).get("ns/web")
    if found is None:
        assert written is None
        return
    pods = list(world.objects.get(PODS, {}).values())
    assert written is not None
    assert specification.listed_by_endpoints(written) == specification.endpoints(found, pods)
    uid = found["metadata"]["uid"]
    slices = [
        one
        for one in world.objects.get(ENDPOINT_SLICES, {}).values()
        if one["metadata"]["ownerReferences"][0]["uid"] == uid
    ]
    assert slices
    assert specification.listed_by_slices(slices) == specification.endpoint_slices(found, pods, ["n1"])


@settings(max_examples=150, deadline=None)
@given(st.lists(changes, max_size=30))
def test_every_interleaving_ends_as_specified(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(play(steps))
