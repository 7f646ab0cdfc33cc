"""A pod's readiness flips -> the change of its Endpoints reaches a watcher; many pods each, and many services."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from benchmarks.measure import Bench, Result, percentile, running
from miniplane.client.api import Client
from miniplane.client.resources import ENDPOINTS, PODS, SERVICES

FLIPS = 300
PATIENCE = 60.0
"""Seconds for a change to come, controllers that have yet to start included."""
SIZES = ((50, 20, 5.0, 15.0), (1000, 10, 30.0, 30.0))
"""(services, pods of each, goal of p50, goal of p99); the second only with enough `--pods`."""
Object = dict[str, Any]


async def measure(bench: Bench) -> list[Result]:
    sizes = [size for size in SIZES if size[0] * size[1] <= bench.pods]
    return [await _measured(*size) for size in sizes]


async def _measured(services: int, each: int, p50_goal: float, p99_goal: float) -> Result:
    with running("--nodes", "0") as plane:
        client = Client.from_kubeconfig(plane.kubeconfig)
        try:
            await populate(client, services, each)
            delays = await flips(client, services, each, FLIPS)
        finally:
            client.close()
    p50, p99 = percentile(delays, 0.5), percentile(delays, 0.99)
    return Result(
        f"pod ready -> Endpoints at a watcher, {services} x {each}",
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        "",
        f"p50 <= {p50_goal:g}, p99 <= {p99_goal:g} ms",
        p50 <= p50_goal and p99 <= p99_goal,
    )


def _status(number: int, index: int, ready: bool) -> Object:
    return {
        "phase": "Running",
        "podIP": f"10.{number // 256}.{number % 256}.{index + 2}",
        "podIPs": [{"ip": f"10.{number // 256}.{number % 256}.{index + 2}"}],
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }


async def populate(client: Client, services: int, each: int) -> None:
    """Create services with their pods, and wait for the Endpoints."""
    for number in range(services):
        label = {"app": f"s{number}"}
        spec = {"selector": label, "ports": [{"port": 80}]}
        await client.create(SERVICES, {"metadata": {"name": f"s{number}", "namespace": "default"}, "spec": spec})
        await asyncio.gather(*(_pod(client, number, index) for index in range(each)))
    async with asyncio.timeout(60):
        while True:
            items, _ = await client.list(ENDPOINTS, "default")
            if sum(map(_addresses, items)) >= services * each:
                return
            await asyncio.sleep(0.1)


def _addresses(endpoints: Object) -> int:
    return sum(len(subset.get("addresses") or ()) for subset in endpoints.get("subsets") or ())


async def _pod(client: Client, number: int, index: int) -> None:
    name = f"s{number}-{index}"
    meta = {"name": name, "namespace": "default", "labels": {"app": f"s{number}"}}
    spec = {"nodeName": "bench-node", "containers": [{"name": "c", "image": "nginx"}]}
    await client.create(PODS, {"metadata": meta, "spec": spec})
    await _report(client, number, index, True)


async def _report(client: Client, number: int, index: int, ready: bool) -> None:
    patch = {"status": _status(number, index, ready)}
    await client.patch(PODS, f"s{number}-{index}", "default", patch, patch_type="strategic", subresource="status")


async def flips(client: Client, services: int, each: int, count: int) -> list[float]:
    """Flip one pod at a time and wait for its service's Endpoints to say so; the delays in milliseconds."""
    _, version = await client.list(ENDPOINTS, "default")
    changed: asyncio.Queue[tuple[str, int, float]] = asyncio.Queue()
    watching = asyncio.create_task(_watch(client, version, changed))
    delays, unready = [], set[tuple[int, int]]()
    chooser = random.Random(1)
    try:
        for _ in range(count):
            pod = (chooser.randrange(services), chooser.randrange(each))
            ready = pod in unready
            (unready.discard if ready else unready.add)(pod)
            wanted = each - sum(number == pod[0] for number, _ in unready)
            began = time.perf_counter()
            await _report(client, *pod, ready)
            async with asyncio.timeout(PATIENCE):
                while True:
                    service, addresses, when = await changed.get()
                    if service == f"s{pod[0]}" and addresses == wanted:
                        break
            delays.append((when - began) * 1000)
            await asyncio.sleep(0.005)
        for pod in unready:
            await _report(client, *pod, True)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return delays


async def _watch(client: Client, version: str, changed: asyncio.Queue[tuple[str, int, float]]) -> None:
    async with client.watch(ENDPOINTS, "default", query={"resourceVersion": version}) as events:
        async for event in events:
            obj = event["object"]
            changed.put_nowait((obj["metadata"]["name"], _addresses(obj), time.perf_counter()))
