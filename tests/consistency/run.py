"""Clients, watchers and a nemesis for a while; then the history is examined.

python -m tests.consistency --seconds 1200 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field

from tests.consistency import history
from tests.consistency.clients import CONFIGMAPS, SERVICES, Client, Endpoints, Observer
from tests.consistency.clusters import CLUSTERS, TOKEN, Cluster
from tests.consistency.history import Operation, Watched

CLIENTS, OBSERVERS = 8, 2
CALM = 0.7
"""Seconds between two blows, at the most."""
SETTLE = 30.0
"""Seconds in which everybody must see everything once nobody is hurt any more."""


@dataclass
class Outcome:
    """What a run found."""

    operations: list[Operation]
    watches: dict[str, list[Watched]]
    blows: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        watched = [one for some in self.watches.values() for one in some]
        return json.dumps(history.summary(self.operations, watched) | {"blows": len(self.blows)})


async def examine(mode: str, seconds: float, seed: str) -> Outcome:
    """Run one mode of CLUSTERS and look at what the clients saw."""
    cluster = CLUSTERS[mode]()
    try:
        if hasattr(cluster, "open"):
            await cluster.open()
        async with Endpoints(cluster.urls, TOKEN) as endpoints:
            return await _examine(cluster, endpoints, seconds, seed)
    finally:
        await cluster.close()


async def _examine(cluster: Cluster, endpoints: Endpoints, seconds: float, seed: str) -> Outcome:
    outcome = Outcome([], {})
    since = await _revision(endpoints)
    stopping = asyncio.Event()
    clients = [Client(endpoints, f"{seed}.{number}", outcome.operations) for number in range(CLIENTS)]
    observers = [
        Observer(endpoints, f"{seed}.{path}.{number}", path, since)
        for path in (CONFIGMAPS, SERVICES)
        for number in range(OBSERVERS)
    ]
    watching = [asyncio.create_task(observer.run()) for observer in observers]
    working = [asyncio.create_task(client.run(stopping)) for client in clients]
    chance, until = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(0.1, CALM))
        outcome.blows.append(await cluster.hurt(chance))
    stopping.set()
    await cluster.heal()
    await asyncio.gather(*working)
    await _settle(endpoints, observers, outcome)
    await _hear(endpoints, outcome)
    for task in watching:
        task.cancel()
    for path in (CONFIGMAPS, SERVICES):
        watched = outcome.watches[path] = [one.watched for one in observers if one.path == path]
        outcome.faults += history.faults(_of(outcome.operations, path), watched)
    return outcome


def _of(operations: list[Operation], path: str) -> list[Operation]:
    prefix = path.rpartition("/")[2]
    return [operation for operation in operations if operation.key.startswith(prefix)]


async def _settle(endpoints: Endpoints, observers: list[Observer], outcome: Outcome) -> None:
    """A last write to each collection, which every watch must come to see."""
    deadline = time.monotonic() + SETTLE
    for path in (CONFIGMAPS, SERVICES):
        last = Client(endpoints, f"last{path}", outcome.operations)
        name = f"{path.rpartition('/')[2]}-last"
        while name not in last.known and time.monotonic() < deadline:
            await last.create(path, name)
            await last.get(path, name)
        version = int(last.known[name]["metadata"]["resourceVersion"])
        for observer in observers:
            if observer.path == path:
                await observer.reach(version, lambda: time.monotonic() > deadline)
                if observer.watched.until < version:
                    outcome.faults.append(f"a watch of {path} stopped at {observer.watched.until}, before {version}")
    if any(observer.gone for observer in observers):
        outcome.faults.append("a watch was told that its past is gone, though the log reaches back that far")


async def _hear(endpoints: Endpoints, outcome: Outcome) -> None:
    """Once all is well, a watch that is quiet at any server hears of a write to any other, by itself."""
    since = await _revision(endpoints)
    quiet = [Observer(endpoints.only(url), "", CONFIGMAPS, since, lifetime=int(SETTLE)) for url in endpoints.urls]
    watching = [asyncio.create_task(observer.run()) for observer in quiet]
    try:
        async with asyncio.timeout(SETTLE):
            await asyncio.gather(*(observer.following.wait() for observer in quiet))
            for url in endpoints.urls:
                writer = Client(endpoints.only(url), f"hear{url}", outcome.operations)
                await writer.patch(CONFIGMAPS, "configmaps-last")
                version = outcome.operations[-1].version
                await asyncio.gather(*(observer.reach(version, lambda: False) for observer in quiet))
    except TimeoutError:
        deaf = [url for url, observer in zip(endpoints.urls, quiet, strict=True) if not observer.watched.events]
        outcome.faults.append(f"watches at {deaf} do not hear of other servers' writes")
    finally:
        for task in watching:
            task.cancel()


async def _revision(endpoints: Endpoints) -> int:
    async with endpoints.request(random.Random(0), "GET", CONFIGMAPS) as answer:
        return int((await answer.json())["metadata"]["resourceVersion"])


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.consistency", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200, help="altogether (default: 1200)")
    parser.add_argument("--round", type=float, default=30, metavar="SECONDS", help="of one cluster (default: 30)")
    parser.add_argument("--seed", default=str(time.time_ns()), help="default: another one each time; it is printed")
    parser.add_argument("--only", choices=CLUSTERS, help="one kind of cluster (default: all in turn)")
    arguments = parser.parse_args()
    until, number, found = time.monotonic() + arguments.seconds, 0, 0
    modes = [arguments.only] if arguments.only else list(CLUSTERS)
    while time.monotonic() < until:
        mode, seed = modes[number % len(modes)], f"{arguments.seed}.{number}" if number else arguments.seed
        outcome = asyncio.run(examine(mode, min(arguments.round, until - time.monotonic()), seed))
        number += 1
        found += len(outcome.faults)
        print(f"{mode} --seed {seed}: {outcome}", *outcome.faults[:10], sep="\n  ", flush=True)
    print(f"{number} rounds, {found} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
