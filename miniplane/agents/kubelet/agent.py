"""The pods of our nodes: started, watched over, completed and taken away."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from miniplane.agents.kubelet import behaviour, lifecycle
from miniplane.agents.kubelet.addresses import Addresses
from miniplane.agents.kubelet.behaviour import Behaviour
from miniplane.agents.kubelet.lifecycle import State, parsed
from miniplane.agents.kubelet.nodes import SimulatedNode
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Client
from miniplane.client.events import EventRecorder
from miniplane.client.resources import PODS

Object = dict[str, Any]
DEFAULT_GRACE = 30


class Agent:
    """The kubelets of all simulated nodes in one."""

    def __init__(self, client: Client, recorder: EventRecorder, nodes: Iterable[SimulatedNode]) -> None:
        self._client, self._recorder = client, recorder
        self.nodes: Mapping[str, SimulatedNode] = {node.name: node for node in nodes}
        self.addresses = {node.name: Addresses(node.pod_cidr) for node in self.nodes.values()}
        self._states: dict[str, State] = {}
        self._stopping: dict[str, float] = {}
        self._complaints: dict[str, str] = {}

    def owns(self, pod: Object) -> bool:
        """Whether the pod is bound to one of our nodes."""
        return pod["spec"].get("nodeName") in self.nodes

    def adopt(self, pod: Object) -> None:
        """Note the address that a pod holds, before any new one is given."""
        status = pod.get("status") or {}
        if self.owns(pod) and status.get("podIP") and not _is_over(pod) and not pod["spec"].get("hostNetwork"):
            name = pod["spec"]["nodeName"]
            self.addresses[name].hold(pod["metadata"]["uid"], self.nodes[name].ipv4_of(status["podIP"]))

    def forget(self, pod: Object) -> None:
        """The pod is deleted."""
        uid = pod["metadata"]["uid"]
        if self.owns(pod):
            self.addresses[pod["spec"]["nodeName"]].release(uid)
        for kept in (self._states, self._stopping, self._complaints):
            kept.pop(uid, None)

    async def sync(self, pod: Object) -> float | None:
        """Bring one pod of ours forward; seconds until it is to be looked at again. Raises StatusError and OSError."""
        asked = self._behaviour(pod)
        if pod["metadata"].get("deletionTimestamp"):
            return await self._end(pod, asked)
        if _is_over(pod):
            self.addresses[pod["spec"]["nodeName"]].release(pod["metadata"]["uid"])
            return None
        return await self._advance(pod, asked)

    def _behaviour(self, pod: Object) -> Behaviour:
        """What the annotations ask for; where they do not parse an event says so, once, and the pod runs plainly."""
        uid = pod["metadata"]["uid"]
        try:
            return behaviour.of(pod)
        except ValueError as error:
            if self._complaints.get(uid) != str(error):
                self._complaints[uid] = str(error)
                self._event(pod, "Warning", "InvalidAnnotation", str(error))
            return Behaviour()

    async def _advance(self, pod: Object, asked: Behaviour) -> float | None:
        uid, now = pod["metadata"]["uid"], time.time()
        state = self._states.get(uid) or lifecycle.state_of(pod, now)
        step = lifecycle.advance(pod, asked, state, now)
        address = ""
        if step.state.stage != "waiting":
            address = self._address(pod, asked)
            if not address:
                self._event(pod, "Warning", "FailedCreatePodSandBox", "no addresses are left on the node")
                return 5.0
        node = self.nodes[pod["spec"]["nodeName"]]
        own = node.host_ips if pod["spec"].get("hostNetwork") else node.pod_ips(address) if address else []
        status = lifecycle.pod_status(pod, asked, step.state, host_ips=node.host_ips, pod_ips=own, now=now)
        if lifecycle.differs(pod, status):
            await self._write(pod, status)
        self._states[uid] = step.state
        for kind, reason, message in step.events:
            self._container_events(pod, kind, reason, message)
        return step.again

    def _address(self, pod: Object, asked: Behaviour) -> str:
        name, current = pod["spec"]["nodeName"], (pod.get("status") or {}).get("podIP")
        if pod["spec"].get("hostNetwork"):
            return self.nodes[name].address
        wanted = self.nodes[name].ipv4_of(current) if current else asked.pod_ip
        return self.addresses[name].take(pod["metadata"]["uid"], wanted) or ""

    async def _write(self, pod: Object, status: Object) -> None:
        """Patch the status as kubelets do; the uid guards against another pod of that name."""
        meta = pod["metadata"]
        patch = {"metadata": {"uid": meta["uid"]}, "status": status}
        await self._client.patch(
            PODS, meta["name"], meta["namespace"], patch, patch_type="strategic", subresource="status"
        )

    async def _end(self, pod: Object, asked: Behaviour) -> float | None:
        """Delete for good once the grace is over (or the annotated stop delay, where that is shorter)."""
        meta, now = pod["metadata"], time.time()
        if meta["uid"] not in self._stopping:
            self._stopping[meta["uid"]] = now
            self._container_events(pod, "Normal", "Killing", "Stopping container {name}")
        due = parsed(meta["deletionTimestamp"])
        if asked.stop_delay is not None:
            due = min(due, self._stopping[meta["uid"]] + asked.stop_delay)
        if now < due and not _is_over(pod):
            return due - now
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
        try:
            await self._client.delete(PODS, meta["name"], meta["namespace"], options)
        except StatusError as error:
            if error.code not in (404, 409):
                raise
        return None

    def _container_events(self, pod: Object, kind: str, reason: str, message: str) -> None:
        meta = pod["metadata"]
        for container in pod["spec"].get("containers") or ():
            words = {
                "name": container["name"],
                "image": container.get("image", ""),
                "pod": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            }
            self._event(pod, kind, reason, message.format(**words))

    def _event(self, pod: Object, kind: str, reason: str, message: str) -> None:
        self._recorder.event("kubelet", pod, kind, reason, message)


def _is_over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
