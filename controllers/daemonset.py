"""DaemonSets: one pod on each node that its template fits."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Any

from controllers import ownership, pods, statefulset, workpods
from controllers.controller import Controller, Loop, own_key
from controllers.ownership import BY_CONTROLLER, BY_NAMESPACE
from controllers.podtemplate import template_hash
from miniplane.client.api import Object
from miniplane.client.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS

REVISION_HASH, GENERATION = "controller-revision-hash", "pod-template-generation"
TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
HOST_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")

# which nodes


def tolerations(spec: Object) -> list[Object]:
    """The template's, and those that keep a daemon on an ailing node."""
    found = list(spec.get("tolerations") or ())
    for key, effect in (*TOLERATED, *((HOST_NETWORK,) if spec.get("hostNetwork") else ())):
        wanted = {"key": key, "operator": "Exists", "effect": effect}
        if wanted not in found:
            found.append(wanted)
    return found


def tolerates(given: Iterable[Object], taint: Object) -> bool:
    for one in given:
        key, effect = one.get("key") or "", one.get("effect") or ""
        if effect and effect != taint.get("effect"):
            continue
        if key and key != taint.get("key"):
            continue
        if one.get("operator") == "Exists" or (key and (one.get("value") or "") == (taint.get("value") or "")):
            return True
    return False


def _term_matches(term: Object, node: Object) -> bool:
    labels, name = pods.labels_of(node), {"metadata.name": node["metadata"]["name"]}
    given = [(one, labels) for one in term.get("matchExpressions") or ()]
    given += [(one, name) for one in term.get("matchFields") or ()]
    return bool(given) and all(_expression_matches(one, values) for one, values in given)


def _expression_matches(expression: Object, labels: dict[str, str]) -> bool:
    value, wanted = labels.get(expression["key"]), expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            numbers = [text for text in (value, *wanted) if text is not None and text.lstrip("-").isdigit()]
            if len(numbers) != 2:
                return False
            return int(numbers[0]) > int(numbers[1]) if operator == "Gt" else int(numbers[0]) < int(numbers[1])
    return False


def fits(template: Object, node: Object) -> tuple[bool, bool]:
    """(a pod should run there, a pod there may go on running)."""
    spec = template.get("spec") or {}
    if spec.get("nodeName") and spec["nodeName"] != node["metadata"]["name"]:
        return False, False
    labels = pods.labels_of(node)
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False, False
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if affinity and not any(_term_matches(term, node) for term in affinity.get("nodeSelectorTerms") or ()):
        return False, False
    given = tolerations(spec)
    taints = [one for one in (node.get("spec") or {}).get("taints") or () if not tolerates(given, one)]
    evicting = any(one.get("effect") == "NoExecute" for one in taints)
    return not any(one.get("effect") in ("NoExecute", "NoSchedule") for one in taints), not evicting


def target(pod: Object) -> str:
    """The node a daemon pod is on or is meant for."""
    if pods.node_of(pod):
        return pods.node_of(pod)
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and len(field.get("values") or ()) == 1:
                return str(field["values"][0])
    return ""


def new_pod(owner: Object, node: str, code: str) -> Object:
    """The pod for that node; the scheduler binds it."""
    pod = workpods.from_template(owner, DAEMON_SETS, owner["spec"]["template"])
    generation = (owner["metadata"].get("annotations") or {}).get("deprecated.daemonset.template.generation", "")
    labels = {**(pod["metadata"].get("labels") or {}), REVISION_HASH: code}
    if generation:
        labels[GENERATION] = generation
    pod["metadata"]["labels"] = labels
    spec = pod["spec"]
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    affinity = dict(spec.get("affinity") or {})
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    node_affinity["requiredDuringSchedulingIgnoredDuringExecution"] = _only(node_affinity, field)
    affinity["nodeAffinity"] = node_affinity
    pod["spec"] = {**spec, "affinity": affinity, "tolerations": tolerations(spec)}
    return pod


def _only(node_affinity: Object, field: Object) -> Object:
    """The required terms narrowed down to one node."""
    given = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not given or not given.get("nodeSelectorTerms"):
        return {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeSelectorTerms": [{**term, "matchFields": [field]} for term in given["nodeSelectorTerms"]]}


# making it so


def _by_node(found: Iterable[Object]) -> dict[str, list[Object]]:
    nodes: dict[str, list[Object]] = {}
    for pod in found:
        nodes.setdefault(target(pod), []).append(pod)
    return nodes


def _older_first(pod: Object) -> tuple[bool, str, str]:
    return not pods.node_of(pod), str(pod["metadata"].get("creationTimestamp")), str(pod["metadata"]["name"])


Plan = tuple[list[str], list[Object], list[Object]]
"""(nodes that need a pod, pods that should go, those of them that ended)"""


def _plan(owner: Object, nodes: Iterable[Object], found: list[Object]) -> Plan:
    by_node, needed, doomed, over = _by_node(found), [], [], []
    for node in nodes:
        name = node["metadata"]["name"]
        should, may = fits(owner["spec"]["template"], node)
        here = by_node.get(name, [])
        alive = [pod for pod in here if not pods.is_terminating(pod)]
        ended = [pod for pod in alive if pods.is_finished(pod)]
        running = sorted((pod for pod in alive if not pods.is_finished(pod)), key=_older_first)
        if should and not here:
            needed.append(name)
        doomed += ended + (running[1:] if may else running)
        over += ended if may else []
    return needed, doomed, over


def _tell_ended(loop: Loop, owner: Object, pod: Object) -> None:
    """A daemon pod that ended goes, and its DaemonSet says so: another one takes its place."""
    where = f"daemon pod {ownership.key(pod)} on node {target(pod)}, will try to"
    if pods.phase(pod) == "Failed":
        loop.event(owner, "Warning", "FailedDaemonPod", f"Found failed {where} kill it")
    else:
        loop.event(owner, "Normal", "SucceededDaemonPod", f"Found succeeded {where} delete it")


def _count(value: Any, total: int) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return math.ceil(total * int(value[:-1]) / 100)
    return int(value)


async def _roll(loop: Loop, owner: Object, found: list[Object], nodes: list[Object], code: str) -> None:
    """Delete pods of older revisions, as many as may be unavailable."""
    strategy = owner["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return
    wanted = [node for node in nodes if fits(owner["spec"]["template"], node)[0]]
    rolling = strategy.get("rollingUpdate") or {}
    allowed = max(1, _count(rolling.get("maxUnavailable", 1), len(wanted)))
    min_ready = int(owner["spec"].get("minReadySeconds") or 0)
    by_node = _by_node(pod for pod in found if workpods.is_active(pod))
    here = [by_node.get(node["metadata"]["name"], []) for node in wanted]
    room = allowed - sum(not any(workpods.is_available(pod, min_ready) for pod in some) for some in here)
    for pod in (pod for some in here for pod in some):
        if pods.labels_of(pod).get(REVISION_HASH) == code:
            continue
        if not workpods.is_available(pod, min_ready):
            await workpods.delete(loop, owner, pod)
        elif room > 0:
            room -= 1
            await workpods.delete(loop, owner, pod)


def _status(owner: Object, nodes: Iterable[Object], found: list[Object], code: str) -> Object:
    min_ready = int(owner["spec"].get("minReadySeconds") or 0)
    by_node = _by_node(pod for pod in found if not pods.is_terminating(pod))
    names = ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady")
    counts = dict.fromkeys((*names, "numberAvailable", "updatedNumberScheduled"), 0)
    for node in nodes:
        should, _ = fits(owner["spec"]["template"], node)
        here = sorted(by_node.get(node["metadata"]["name"], ()), key=_older_first)
        counts["desiredNumberScheduled"] += should
        if not here:
            continue
        counts["currentNumberScheduled" if should else "numberMisscheduled"] += 1
        if should:
            counts["numberReady"] += pods.is_ready(here[0])
            counts["numberAvailable"] += workpods.is_available(here[0], min_ready)
            counts["updatedNumberScheduled"] += pods.labels_of(here[0]).get(REVISION_HASH) == code
    counts["numberUnavailable"] = counts["desiredNumberScheduled"] - counts["numberAvailable"]
    counts["observedGeneration"] = int(owner["metadata"].get("generation") or 0)
    kept = (*names, "observedGeneration")
    return {key: value for key, value in counts.items() if value or key in kept}


async def _manage(loop: Loop, owner: Object, found: list[Object], nodes: list[Object], code: str) -> None:
    """Pods where they are missing, none where they do not belong, then the next step of an update."""
    if pods.is_terminating(owner):
        return
    needed, doomed, over = _plan(owner, nodes, found)
    for pod in over:
        _tell_ended(loop, owner, pod)
    made = (workpods.create(loop, owner, new_pod(owner, node, code)) for node in needed[: workpods.BURST])
    await asyncio.gather(*made)
    await workpods.delete_many(loop, owner, doomed)
    if not needed and not doomed:
        await _roll(loop, owner, found, nodes, code)


async def reconcile(loop: Loop, key: str) -> float | None:
    owner = loop[DAEMON_SETS].get(key)
    if owner is None:
        return None
    found = await ownership.claim(loop, DAEMON_SETS, owner, PODS, ownership.selector_of(owner))
    code = template_hash(owner["spec"]["template"], (owner.get("status") or {}).get("collisionCount"))
    revision = await statefulset.current_revision(loop, DAEMON_SETS, owner, REVISION_HASH, code)
    code = pods.labels_of(revision).get(REVISION_HASH, "")
    nodes = list(loop[NODES].store.objects.values())
    try:
        await _manage(loop, owner, found, nodes, code)
    finally:  # what is wanted and what is there is told also where pods are refused
        mine = loop[PODS].store.by_index(BY_CONTROLLER, owner["metadata"]["uid"])
        await workpods.write_status(loop, DAEMON_SETS, owner, _status(owner, nodes, mine, code))
    again = workpods.soonest(mine, int(owner["spec"].get("minReadySeconds") or 0))
    hashes = {pods.labels_of(pod).get(REVISION_HASH) for pod in mine} | {code}
    known = loop[CONTROLLER_REVISIONS].store.by_index(BY_CONTROLLER, owner["metadata"]["uid"])
    used = {one["metadata"]["name"] for one in known if pods.labels_of(one).get(REVISION_HASH) in hashes}
    await statefulset.trim_history(loop, owner, used)
    return again


def _node_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """Nodes that come, go, or change what decides about fitting."""
    if old is not None and new is not None:
        same = pods.labels_of(old) == pods.labels_of(new)
        if same and (old.get("spec") or {}).get("taints") == (new.get("spec") or {}).get("taints"):
            return ()
    return list(loop[DAEMON_SETS].store.objects)


CONTROLLER = Controller(
    name="daemonset",
    component="daemonset-controller",
    watches={
        DAEMON_SETS: own_key,
        PODS: ownership.dependents_keys(PODS, DAEMON_SETS),
        NODES: _node_keys,
        CONTROLLER_REVISIONS: lambda loop, old, new: (),
    },
    reconcile=reconcile,
    indexes={
        **ownership.INDEXES,
        (DAEMON_SETS, BY_NAMESPACE): ownership.namespace_values,
        (CONTROLLER_REVISIONS, BY_CONTROLLER): ownership.controller_values,
    },
)
