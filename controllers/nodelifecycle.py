"""Nodes: taints that follow their conditions, `Unknown` for those that fell silent, eviction from tainted ones.

Nodes that never gave a sign of life (no lease, no heartbeat in a condition) were made by hand: they are not called
silent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime

from controllers import pods
from controllers.controller import Controller, Loop, own_key
from controllers.daemonset import tolerates
from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import LEASES, NODES, PODS

logger = logging.getLogger("nodelifecycle")

GRACE, PERIOD = 50.0, 5.0
"""Seconds of silence before a node is Unknown; seconds between looks."""
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
FOLLOWED = ("kubernetes.io/os", "kubernetes.io/arch")
LIFETIME = "node.alpha.kubernetes.io/ttl"
LIFETIMES = ((100, 0), (500, 15), (1000, 30), (2000, 60), (10000, 300))
"""(so many nodes at most, seconds)"""
OURS = frozenset((*BY_CONDITION.values(), UNSCHEDULABLE))

# taints


def desired_taints(node: Object) -> list[tuple[str, str]]:
    """(key, effect) of the taints that the node's conditions ask for."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    keys = [key for one in conditions if (key := BY_CONDITION.get((one["type"], one["status"])))]
    found = [(key, "NoSchedule") for key in keys]
    found += [(key, "NoExecute") for key in keys if key in (NOT_READY, UNREACHABLE)]
    return [*found, (UNSCHEDULABLE, "NoSchedule")] if node["spec"].get("unschedulable") else found


def with_taints(node: Object) -> Object:
    """The node with our taints as they should be; others, and times of those that stay, are kept."""
    given, wanted = node.get("spec", {}).get("taints") or [], desired_taints({"spec": {}, **node})
    if pods.condition(node, "Ready") is None:  # nothing known yet: the taint it was made with stays
        wanted += [(one["key"], one["effect"]) for one in given if one["key"] == NOT_READY]
    kept = [one for one in given if one["key"] not in OURS or (one["key"], one["effect"]) in wanted]
    have = {(one["key"], one["effect"]) for one in kept}
    now = clock.text(clock.now())
    for key, effect in wanted:
        if (key, effect) not in have:
            kept.append({"key": key, "effect": effect, "timeAdded": now})
    spec = {**node.get("spec", {}), "taints": kept}
    return {**node, "spec": spec if kept else {k: v for k, v in spec.items() if k != "taints"}}


def with_old_labels(node: Object) -> Object:
    """The node with the labels that clients of long ago look for, which follow those that took their place."""
    labels = pods.labels_of(node)
    old = {f"beta.{name}": labels[name] for name in FOLLOWED if name in labels}
    return {**node, "metadata": {**node["metadata"], "labels": {**labels, **old}}} if old else node


def with_lifetime(node: Object, count: int) -> Object:
    """The node with the annotation that says how long its kubelet may go on using secrets and config maps that it has
    read: the longer, the more nodes ask for them (upstream: the TTL controller)."""
    seconds = next((time for size, time in LIFETIMES if count <= size), 600)
    given = node["metadata"].get("annotations") or {}
    if given.get(LIFETIME) == str(seconds):
        return node
    return {**node, "metadata": {**node["metadata"], "annotations": {**given, LIFETIME: str(seconds)}}}


async def reconcile(loop: Loop, key: str) -> None:
    node = loop[NODES].get(key)
    if node is None:
        return
    wanted = with_lifetime(with_old_labels(with_taints(node)), len(loop[NODES].store.objects))
    same = (wanted["spec"].get("taints") or []) == ((node.get("spec") or {}).get("taints") or [])
    if not same or wanted["metadata"] != node["metadata"]:
        await loop.update(NODES, wanted)


# silence


def _last_sign(loop: Loop, node: Object) -> datetime | None:
    lease = loop[LEASES].get(f"kube-node-lease/{node['metadata']['name']}")
    conditions = (node.get("status") or {}).get("conditions") or ()
    times = [clock.parse(one.get("lastHeartbeatTime")) for one in conditions]
    times.append(clock.parse(((lease or {}).get("spec") or {}).get("renewTime")))
    return max((moment for moment in times if moment is not None), default=None)


async def monitor(loop: Loop) -> None:
    """Look for silent nodes, until cancelled. Silence is measured with our clock: the sign must not have changed."""
    seen: dict[str, tuple[datetime | None, float]] = loop.state
    while True:
        await asyncio.sleep(PERIOD)
        now = asyncio.get_running_loop().time()
        for name, node in list(loop[NODES].store.objects.items()):
            sign = _last_sign(loop, node)
            if name not in seen or seen[name][0] != sign:
                seen[name] = (sign, now)
            elif sign is not None and now - seen[name][1] >= GRACE:
                try:
                    await _mark_unknown(loop, node)
                except (StatusError, OSError, TimeoutError) as error:
                    logger.debug("%s: %r", name, error)


async def _mark_unknown(loop: Loop, node: Object) -> None:
    conditions = (node.get("status") or {}).get("conditions") or []
    if all(one["status"] == "Unknown" for one in conditions):
        return
    now, text = clock.text(clock.now()), "Kubelet stopped posting node status."
    news = {"status": "Unknown", "reason": "NodeStatusUnknown", "message": text, "lastTransitionTime": now}
    changed = [one if one["status"] == "Unknown" else {**one, **news} for one in conditions]
    await loop.update(NODES, {**node, "status": {**node["status"], "conditions": changed}}, "status")
    loop.event(node, "Normal", "NodeNotReady", f"Node {node['metadata']['name']} status is now: NodeNotReady")
    for pod in loop[PODS].store.by_index(pods.BY_NODE, node["metadata"]["name"]):
        await _mark_unready(loop, pod)


async def _mark_unready(loop: Loop, pod: Object) -> None:
    """Pods of a silent node are out of Endpoints."""
    ready = pods.condition(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return
    change = {"status": "False", "lastTransitionTime": clock.text(clock.now())}
    conditions = [{**one, **change} if one["type"] == "Ready" else one for one in pod["status"]["conditions"]]
    await loop.update(PODS, {**pod, "status": {**pod["status"], "conditions": conditions}}, "status")


# eviction


def stays_for(pod: Object, taints: Iterable[Object]) -> float | None:
    """Seconds that a pod stays under these NoExecute taints (0: it goes now); None for ever."""
    given, limits = pod["spec"].get("tolerations") or [], []
    for taint in taints:
        tolerating = [one for one in given if tolerates([one], taint)]
        if not tolerating:
            return 0.0
        seconds = [float(s) for one in tolerating if (s := one.get("tolerationSeconds")) is not None]
        if len(seconds) == len(tolerating):
            since = clock.parse(taint.get("timeAdded")) or clock.now()
            limits.append(max(0.0, min(seconds)) - (clock.now() - since).total_seconds())
    return max(0.0, min(limits)) if limits else None


async def evict(loop: Loop, key: str) -> float | None:
    pod = loop[PODS].get(key)
    node = loop[NODES].get(pods.node_of(pod)) if pod is not None and pods.node_of(pod) else None
    if pod is None or node is None or pods.is_terminating(pod):
        return None
    taints = [one for one in (node.get("spec") or {}).get("taints") or () if one["effect"] == "NoExecute"]
    left = stays_for(pod, taints) if taints else None
    if left is None or left > 0:
        return left
    loop.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
    await loop.delete(PODS, await _marked(loop, pod))
    return None


async def _marked(loop: Loop, pod: Object) -> Object:
    """The pod with the condition that says why it goes (KEP-3329)."""
    if (pods.condition(pod, "DisruptionTarget") or {}).get("status") == "True":
        return pod
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
        "observedGeneration": pod["metadata"].get("generation") or 0,
        "lastTransitionTime": clock.text(clock.now()),
    }
    given = [one["type"] for one in (pod.get("status") or {}).get("conditions") or ()]
    order = [{"type": name} for name in dict.fromkeys((*given, condition["type"]))]
    change = {"conditions": [condition], "$setElementOrder/conditions": order}
    patch = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": change}
    return await loop.patch(PODS, pod, patch, patch_type="strategic", subresource="status")


def _tainted_pods(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    if new is None or (
        old is not None and (old.get("spec") or {}).get("taints") == (new.get("spec") or {}).get("taints")
    ):
        return ()
    found = loop[PODS].store.by_index(pods.BY_NODE, new["metadata"]["name"])
    return [f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in found]


def _placed(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """Pods that come to a node."""
    if new is None or not pods.node_of(new) or (old is not None and pods.node_of(old)):
        return ()
    return own_key(loop, old, new)


CONTROLLER = Controller(
    name="node-lifecycle",
    component="node-controller",
    watches={NODES: own_key, LEASES: lambda loop, old, new: (), PODS: lambda loop, old, new: ()},
    reconcile=reconcile,
    indexes={(PODS, pods.BY_NODE): pods.node_values},
    run=monitor,
)
EVICTION = Controller(
    name="taint-eviction",
    component="taint-eviction-controller",
    watches={NODES: _tainted_pods, PODS: _placed},
    reconcile=evict,
    indexes={(PODS, pods.BY_NODE): pods.node_values},
)
