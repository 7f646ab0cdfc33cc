"""`miniplane kubelet`: registers nodes, keeps them alive, schedules pods and runs them until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from miniplane.agents.kubelet import MOST_NODES
from miniplane.agents.kubelet.agent import Agent
from miniplane.agents.kubelet.binding import Scheduler
from miniplane.agents.kubelet.nodes import LEASE_NAMESPACE, LEASE_SECONDS, VERSION, SimulatedNode
from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Client
from miniplane.client.events import EventRecorder
from miniplane.client.informer import Informers, key_of
from miniplane.client.resources import LEASES, NODES, PODS
from miniplane.client.workqueue import WorkQueue

Object = dict[str, Any]
logger = logging.getLogger("kubelet")
WORKERS = 16
LONGEST_RETRY = 10.0
STATUS_EVERY = 300.0
"""Seconds between reports of an unchanged node status (kubelet's nodeStatusReportFrequency)."""
AGENT = f"{{}}/{VERSION} (linux/amd64) miniplane"
NOT_READY = "node.kubernetes.io/not-ready"


class Kubelet:
    """Every simulated node and the scheduler, in one process over two API clients."""

    def __init__(self, kubelet: Client, scheduler: Client, nodes: Sequence[SimulatedNode]) -> None:
        self.client, self.nodes = kubelet, nodes
        self.recorders = [EventRecorder(kubelet), EventRecorder(scheduler)]
        self.agent = Agent(kubelet, self.recorders[0], nodes)
        self.scheduler = Scheduler(scheduler, self.recorders[1])
        self.informers = Informers(kubelet)
        self.pods, self.node_cache = self.informers[PODS], self.informers[NODES]
        self.queue = WorkQueue()
        self.missing: asyncio.Queue[str] = asyncio.Queue()

    async def run(self, ready: Callable[[], None]) -> None:
        """Until cancelled."""
        self.node_cache.add_handler(self._node_changed)
        self.pods.add_handler(self._pod_changed)
        async with asyncio.TaskGroup() as group:
            self.informers.start()
            for recorder in self.recorders:
                group.create_task(recorder.run())
            for node in self.nodes:
                await _persist(lambda node=node: self._register(node))  # type: ignore[misc]
            await self.informers.wait_synced()
            for _ in range(WORKERS):
                group.create_task(self._work())
            for node in self.nodes:
                group.create_task(self._keep_alive(node))
            group.create_task(self._register_again())
            ready()

    # nodes

    async def _register(self, node: SimulatedNode) -> None:
        """Create the Node; one that is there already is told that we are back."""
        now = clock.text(clock.now())
        wanted = node.object(now)
        try:
            found = await self.client.create(NODES, wanted)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            found = await self._report(node)
        await self._untaint(found)
        await self._renew(node, found["metadata"]["uid"])

    async def _untaint(self, node: Object) -> None:
        """Admission keeps pods off a new node until it is ready, and ours are ready from the start. In a real cluster
        the node lifecycle controller takes this taint away."""
        taints = (node.get("spec") or {}).get("taints") or []
        kept = [taint for taint in taints if taint.get("key") != NOT_READY]
        if len(kept) != len(taints):
            patch = {"spec": {"taints": kept or None}}
            await self.client.patch(NODES, node["metadata"]["name"], None, patch)

    async def _report(self, node: SimulatedNode) -> Object:
        """Write the node's status; its conditions keep their transition times."""
        current = self.node_cache.get(node.name) or await self.client.get(NODES, node.name)
        now = clock.text(clock.now())
        status = node.status(now, now)
        old = {c["type"]: c for c in (current.get("status") or {}).get("conditions") or ()}
        for condition in status["conditions"]:
            before = old.get(condition["type"], {})
            if before.get("status") == condition["status"]:
                condition["lastTransitionTime"] = before["lastTransitionTime"]
        patch = {"status": status}
        return await self.client.patch(NODES, node.name, None, patch, patch_type="strategic", subresource="status")

    async def _renew(self, node: SimulatedNode, uid: str) -> None:
        lease = node.lease(uid, clock.micro_text(clock.now()))
        try:
            patch = {"spec": lease["spec"]}
            await self.client.patch(LEASES, node.name, LEASE_NAMESPACE, patch)
        except StatusError as error:
            if error.code != 404:
                raise
            await self.client.create(LEASES, lease)

    async def _keep_alive(self, node: SimulatedNode) -> None:
        loop = asyncio.get_running_loop()
        reported = loop.time()
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            current = self.node_cache.get(node.name)
            if current is None:
                continue
            await _persist(lambda: self._renew(node, current["metadata"]["uid"]), attempts=3)  # noqa: B023
            if loop.time() - reported > STATUS_EVERY:
                await _persist(lambda: self._report(node), attempts=3)
                reported = loop.time()

    async def _register_again(self) -> None:
        """A node of ours that somebody deletes comes back, as when its kubelet starts anew."""
        by_name = {node.name: node for node in self.nodes}
        while True:
            name = await self.missing.get()
            await _persist(lambda: self._register(by_name[name]))  # noqa: B023

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            assert old is not None
            name = old["metadata"]["name"]
            self.scheduler.nodes.pop(name, None)
            if name in self.agent.nodes:
                self.missing.put_nowait(name)
            return
        self.scheduler.nodes[new["metadata"]["name"]] = new
        if old is None or _room(old) != _room(new):
            self._retry_unplaced()

    def _retry_unplaced(self) -> None:
        for key in self.scheduler.unplaced:
            self.queue.add(key)

    # pods

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            assert old is not None
            self.scheduler.remove(old["metadata"]["uid"])
            self.scheduler.unplaced.discard(key_of(old))
            self.agent.forget(old)
            self._retry_unplaced()
            return
        self.scheduler.place(new)
        self.agent.adopt(new)
        self.queue.add(key_of(new))

    async def _work(self) -> None:
        while (key := await self.queue.get()) is not None:
            try:
                pod = self.pods.get(key)
                again = await self._sync(pod) if pod is not None else None
                self.queue.forget(key)
                if again is not None:
                    self.queue.add_after(key, again)
            except (StatusError, OSError, TimeoutError) as error:
                logger.debug("%s: %r", key, error)
                self.queue.add_rate_limited(key, LONGEST_RETRY)
            finally:
                self.queue.done(key)

    async def _sync(self, pod: Object) -> float | None:
        if self.agent.owns(pod):
            return await self.agent.sync(pod)
        if self.scheduler.wants(pod):
            return await self.scheduler.sync(pod)
        return None


def _room(node: Object) -> tuple[Any, ...]:
    """What of a node decides where pods go."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    labels = node["metadata"].get("labels")
    return (spec.get("unschedulable"), spec.get("taints"), status.get("allocatable"), labels)


async def _persist(attempt: Callable[[], Awaitable[Any]], attempts: int = 0) -> None:
    """Try until it works, or so many times; the pause grows to a second."""
    pause, tried = 0.05, 0
    while True:
        try:
            await attempt()
            return
        except (StatusError, OSError, TimeoutError) as error:
            tried += 1
            if attempts and tried >= attempts:
                logger.warning("%s", error)
                return
            logger.debug("%r", error)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)


async def serve(kubeconfig: str, nodes: Sequence[SimulatedNode]) -> None:
    """Run until SIGTERM or SIGINT; says `kubelet ready` once the nodes are registered."""
    kubelet = Client.from_kubeconfig(kubeconfig, user_agent=AGENT.format("kubelet"))
    scheduler = Client.from_kubeconfig(kubeconfig, user_agent=AGENT.format("kube-scheduler"))
    program = Kubelet(kubelet, scheduler, nodes)
    running = asyncio.create_task(program.run(lambda: print("kubelet ready", flush=True)))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        pass
    finally:
        await program.informers.stop()
        kubelet.close()
        scheduler.close()


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 2 for arguments that do not work."""
    parser = argparse.ArgumentParser(
        "miniplane kubelet",
        description="Simulated nodes: registers them, schedules pods and walks pods through their lives. "
        "Annotations kubelet.miniplane.dev/... steer each pod (docs/kubelet.md).",
    )
    parser.add_argument("--kubeconfig", required=True, metavar="FILE", help="how to reach the API server")
    parser.add_argument("--nodes", type=int, default=2, metavar="N", help="how many (default: 2), at most 254")
    parser.add_argument("--max-pods", type=int, default=110, metavar="N", help="pods on each node (default: 110)")
    families = {"IPv4": ("IPv4",), "IPv6": ("IPv6",), "IPv4,IPv6": ("IPv4", "IPv6"), "IPv6,IPv4": ("IPv6", "IPv4")}
    parser.add_argument(
        "--ip-families",
        choices=list(families),
        default="IPv4",
        metavar="FAMILY[,FAMILY]",
        help="of nodes and pods, in this order: IPv4 (the default), IPv6, or both",
    )
    parser.add_argument("--verbose", action="store_true", help="log what goes wrong and is tried again")
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.nodes <= MOST_NODES:
        parser.error(f"--nodes: want 0 to {MOST_NODES}")
    logging.basicConfig(level=logging.DEBUG if arguments.verbose else logging.WARNING, format="%(name)s: %(message)s")
    chosen = families[arguments.ip_families]
    nodes = [SimulatedNode(number, arguments.max_pods, chosen) for number in range(1, arguments.nodes + 1)]
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(arguments.kubeconfig, nodes))
    except (OSError, ValueError) as error:
        print(f"miniplane kubelet: {error}", file=sys.stderr)
        return 2
    return 0
