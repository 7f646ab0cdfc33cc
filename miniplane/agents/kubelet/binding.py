"""The scheduler's loop: pods without a node are bound, or told why not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from miniplane.agents.kubelet.lifecycle import stamp
from miniplane.agents.kubelet.scheduler import Requests, choose, requests_of
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Client
from miniplane.client.events import EventRecorder
from miniplane.client.resources import PODS

Object = dict[str, Any]
NAME = "default-scheduler"
RETRY = 60.0
"""Seconds after which a pod that fits nowhere is tried again though nothing changed."""


class Scheduler:
    """Binds pods and keeps count of what every node has to carry."""

    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client, self._recorder = client, recorder
        self._used: dict[str, Requests] = {}
        self._placed: dict[str, tuple[str, Requests]] = {}
        self.nodes: dict[str, Object] = {}
        self.unplaced: set[str] = set()

    def place(self, pod: Object) -> None:
        """Count a pod where it is; one that is over counts no more."""
        meta = pod["metadata"]
        node = pod["spec"].get("nodeName")
        if not node or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            self.remove(meta["uid"])
        elif self._placed.get(meta["uid"], ("", None))[0] != node:
            self._count(meta["uid"], node, requests_of(pod))

    def _count(self, uid: str, node: str, wanted: Requests) -> None:
        self._placed[uid] = (node, wanted)
        self._used.setdefault(node, Requests()).add(wanted)

    def remove(self, uid: str) -> None:
        """The pod is gone from its node."""
        node, wanted = self._placed.pop(uid, ("", Requests()))
        if node:
            used = self._used[node]
            used.cpu -= wanted.cpu
            used.memory -= wanted.memory
            used.pods -= wanted.pods
            used.ports -= wanted.ports

    @staticmethod
    def wants(pod: Object) -> bool:
        """Whether the pod waits for us."""
        spec = pod["spec"]
        return not (
            spec.get("nodeName")
            or spec.get("schedulingGates")
            or pod["metadata"].get("deletionTimestamp")
            or spec.get("schedulerName", NAME) != NAME
            or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        )

    async def sync(self, pod: Object) -> float | None:
        """Bind one pod; seconds until it is to be tried again. Raises StatusError and OSError."""
        meta = pod["metadata"]
        if meta["uid"] in self._placed:
            return None  # bound already, the watch has yet to say so
        node, why = choose(pod, list(self.nodes.values()), self._used)
        if not node:
            await self._refuse(pod, why)
            return RETRY
        self._count(meta["uid"], node, requests_of(pod))
        try:
            await self._bind(meta, node)
        except BaseException as error:
            self.remove(meta["uid"])
            if isinstance(error, StatusError) and error.code in (404, 409):
                return None  # deleted meanwhile, or bound by another
            raise
        self.unplaced.discard(f"{meta['namespace']}/{meta['name']}")
        self._event(pod, "Normal", "Scheduled", f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}")
        return None

    async def _bind(self, meta: Object, node: str) -> None:
        identity = {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
        target = {"kind": "Node", "name": node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": identity, "target": target}
        await self._client.post(PODS, meta["name"], meta["namespace"], "binding", binding)

    async def _refuse(self, pod: Object, why: str) -> None:
        """Say why the pod stays where it is: condition PodScheduled and an event, once for each reason."""
        meta = pod["metadata"]
        self.unplaced.add(f"{meta['namespace']}/{meta['name']}")
        shown = next((c for c in _conditions(pod) if c["type"] == "PodScheduled"), {})
        if shown.get("status") == "False" and shown.get("message") == why:
            return
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": why,
            "lastProbeTime": None,
            "lastTransitionTime": shown.get("lastTransitionTime") or stamp(time.time()),
        }
        if meta.get("generation"):
            condition["observedGeneration"] = meta["generation"]
        patch = {"metadata": {"uid": meta["uid"]}, "status": {"conditions": [condition]}}
        await self._client.patch(
            PODS, meta["name"], meta["namespace"], patch, patch_type="strategic", subresource="status"
        )
        self._event(pod, "Warning", "FailedScheduling", why)

    def _event(self, pod: Object, kind: str, reason: str, message: str) -> None:
        self._recorder.event(NAME, pod, kind, reason, message)


def _conditions(pod: Object) -> Iterable[Object]:
    return (pod.get("status") or {}).get("conditions") or ()
