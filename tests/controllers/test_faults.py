"""Whatever fails in the middle of a rollout, the end is the same: processes die, connections are cut, leaders change.

Nothing here looks at how long it takes; `eventually` gives up after a while.
"""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.plane import Plane, command

REPLICAS = 30
PATIENCE = 60.0
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
ELECTION = [f"--leader-elect-{name}" for name in ("lease-duration=2", "renew-deadline=1.5", "retry-period=0.3")]


class Cutter:
    """A TCP proxy that cuts every connection once a second."""

    def __init__(self, host: str, port: int) -> None:
        self._target, self.port, self.cuts = (host, port), 0, 0
        self._ready = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=asyncio.run, args=[self._run()])
        self._thread.start()
        assert self._ready.wait(10)

    async def _run(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._stopping, self._loop = asyncio.Event(), asyncio.get_running_loop()
        self._ready.set()
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(1):
                    await self._stopping.wait()
            except TimeoutError:
                self.cuts += 1
                for writer in self._writers:
                    writer.transport.abort()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer), return_exceptions=True)
        self._writers -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()


class Cluster:
    """API server, controllers and nodes, each a process that a test may kill."""

    def __init__(self, directory: Path) -> None:
        self.server = Plane.start("--port", "0", directory=directory, verb="apiserver")
        self.port = urlsplit(self.server.url).port or 0
        self.kubeconfig = directory / "components.kubeconfig"
        self.kubeconfig.write_text(self.server.kubeconfig.read_text())
        self.processes: list[subprocess.Popen[bytes]] = []

    def through(self, port: int) -> None:
        """Let the components talk to another port."""
        text = self.kubeconfig.read_text()
        self.kubeconfig.write_text(re.sub(r"(server: https://[^:]+):\d+", rf"\1:{port}", text))

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        words = (words[0], "--kubeconfig", str(self.kubeconfig), *words[1:])
        self.processes.append(subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return self.processes[-1]

    def restart_server(self) -> None:
        """kill -9, and start again where it was."""
        self.server.process.kill()
        self.server.process.wait()
        self.server = Plane.start("--port", str(self.port), directory=self.server.directory, verb="apiserver")

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.server.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    yield found
    found.stop()


def deploy(server: Plane) -> None:
    """A Deployment and its Service; then the middle of a rollout to a second image, which takes some seconds."""
    labels = {"app": "web"}
    pod = {"containers": [{"name": "c", "image": "nginx:1"}], "terminationGracePeriodSeconds": 1}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": template, "minReadySeconds": 1}
    assert server.request("POST", DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})[0] == 201
    service = {"metadata": {"name": "web"}, "spec": {"selector": labels, "ports": [{"port": 80}]}}
    assert server.request("POST", "/api/v1/namespaces/default/services", service)[0] == 201
    server.eventually(f"{DEPLOYMENTS}/web", lambda one: available(one) == REPLICAS, PATIENCE)
    image = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    patch = "application/strategic-merge-patch+json"
    assert server.request("PATCH", f"{DEPLOYMENTS}/web", image, Content_Type=patch)[0] == 200
    server.eventually(f"{DEPLOYMENTS}/web", lambda one: one["status"].get("updatedReplicas"))


def available(deployment: dict[str, Any]) -> int:
    return int((deployment.get("status") or {}).get("availableReplicas") or 0)


def finished(deployment: dict[str, Any]) -> bool:
    status = deployment["status"]
    counts = [status.get(name) for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
    return status["observedGeneration"] == deployment["metadata"]["generation"] and counts == [REPLICAS] * 4


def check_end(server: Plane) -> None:
    """The one right end: new pods alone, each of them an endpoint once."""
    server.eventually(f"{DEPLOYMENTS}/web", finished, PATIENCE)
    path = "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb"
    pods = server.eventually(path, lambda answer: len(answer["items"]) == REPLICAS, PATIENCE)["items"]
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {"nginx:2"}
    owners = {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods}
    sets = server.get("/apis/apps/v1/namespaces/default/replicasets")["items"]
    active = {one["metadata"]["uid"]: one["spec"]["replicas"] for one in sets if one["spec"]["replicas"]}
    assert active == dict.fromkeys(owners, REPLICAS)
    wanted = sorted(pod["status"]["podIP"] for pod in pods)
    slices = (
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dweb"
    )
    server.eventually(slices, lambda answer: ready_addresses(answer) == wanted, PATIENCE)


def ready_addresses(answer: dict[str, Any]) -> list[str]:
    endpoints = [one for part in answer["items"] for one in part.get("endpoints") or ()]
    return sorted(one["addresses"][0] for one in endpoints if one["conditions"].get("ready"))


def test_the_api_server_is_killed(cluster: Cluster) -> None:
    cluster.start("controllers", "--no-leader-elect")
    cluster.start("kubelet", "--nodes", "2")
    deploy(cluster.server)
    for _ in range(2):
        cluster.restart_server()
    check_end(cluster.server)


def test_controllers_are_killed_again_and_again(cluster: Cluster) -> None:
    cluster.start("kubelet", "--nodes", "2")
    controllers = cluster.start("controllers", "--no-leader-elect")
    deploy(cluster.server)
    chance = random.Random(1)
    for _ in range(4):
        controllers.kill()
        controllers.wait()
        controllers = cluster.start("controllers", "--no-leader-elect")
        made = chance.randrange(1, REPLICAS // 4)
        before = events(cluster.server)
        wait_for_events(cluster.server, before + made)
    check_end(cluster.server)


def events(server: Plane) -> int:
    """How many events there are: what tells that controllers are at work."""
    return len(server.get("/api/v1/namespaces/default/events")["items"])


def wait_for_events(server: Plane, count: int) -> None:
    """Until so many, or the rollout is through."""
    server.eventually(
        "/api/v1/namespaces/default/events",
        lambda answer: len(answer["items"]) >= count or finished(server.get(f"{DEPLOYMENTS}/web")),
        PATIENCE,
    )


@pytest.fixture
def cutter(cluster: Cluster) -> Iterator[Cutter]:
    found = Cutter("127.0.0.1", cluster.port)
    yield found
    found.stop()


def test_every_connection_is_cut_each_second(cluster: Cluster, cutter: Cutter) -> None:
    cluster.through(cutter.port)
    cluster.start("controllers", "--no-leader-elect")
    cluster.start("kubelet", "--nodes", "2")
    deploy(cluster.server)
    before = cutter.cuts
    check_end(cluster.server)
    restarted = {"spec": {"template": {"metadata": {"annotations": {"restarted": "once"}}}}}
    patch = "application/strategic-merge-patch+json"
    assert cluster.server.request("PATCH", f"{DEPLOYMENTS}/web", restarted, Content_Type=patch)[0] == 200
    check_end(cluster.server)
    assert cutter.cuts > before, "it was cut meanwhile"


def test_the_leader_is_killed(cluster: Cluster) -> None:
    cluster.start("kubelet", "--nodes", "2")
    running = [cluster.start("controllers", *ELECTION) for _ in range(2)]
    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    cluster.server.eventually(lease, lambda answer: held(answer), PATIENCE)
    deploy(cluster.server)
    holder = held(cluster.server.get(lease))
    leader = next(process for process in running if str(process.pid) in holder)
    leader.kill()
    leader.wait()
    check_end(cluster.server)
    assert held(cluster.server.get(lease)) != holder, "the other one has taken over"


def held(leases: dict[str, Any]) -> str:
    """Who leads the controllers."""
    found = [one["spec"] for one in leases["items"] if "controller" in one["metadata"]["name"]]
    return str(found[0].get("holderIdentity") or "") if found else ""
