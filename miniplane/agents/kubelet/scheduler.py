"""Where a pod goes: the default scheduler's filters as pure functions, then the node with the fewest pods.

Considered: spec.nodeSelector, required node affinity, unschedulable, taints and tolerations, requests of cpu and
memory, the number of pods, host ports. Not considered: affinity between pods, topology spread, volumes, priorities and
preemption.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from miniplane.apimachinery.quantity import Quantity

Object = Mapping[str, Any]
UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
KEEPING_OUT = ("NoSchedule", "NoExecute")
PREEMPTION = "preemption: {nodes} nodes are available: {why}."


@dataclass(slots=True)
class Requests:
    """What pods ask of a node; cpu in thousandths, memory in bytes."""

    cpu: int = 0
    memory: int = 0
    pods: int = 0
    ports: set[tuple[str, int]] = field(default_factory=set)

    def add(self, other: Requests) -> None:
        self.cpu += other.cpu
        self.memory += other.memory
        self.pods += other.pods
        self.ports |= other.ports


def requests_of(pod: Object) -> Requests:
    """The pod's requests: its containers' sum, or one init container's where that is more; and the overhead."""
    spec = pod["spec"]
    found = Requests(pods=1)
    for container in spec.get("containers") or ():
        cpu, memory = _of_container(container)
        found.cpu += cpu
        found.memory += memory
        found.ports |= _host_ports(container)
    for container in spec.get("initContainers") or ():
        cpu, memory = _of_container(container)
        found.cpu, found.memory = max(found.cpu, cpu), max(found.memory, memory)
    overhead = spec.get("overhead") or {}
    found.cpu += _milli(overhead.get("cpu"))
    found.memory += _whole(overhead.get("memory"))
    return found


def _of_container(container: Object) -> tuple[int, int]:
    asked = (container.get("resources") or {}).get("requests") or {}
    return _milli(asked.get("cpu")), _whole(asked.get("memory"))


def _milli(value: Any) -> int:
    return 0 if value is None else Quantity.parse(value).milli_value()


def _whole(value: Any) -> int:
    return 0 if value is None else Quantity.parse(value).value()


def _host_ports(container: Object) -> set[tuple[str, int]]:
    ports = container.get("ports") or ()
    return {(port.get("protocol", "TCP"), port["hostPort"]) for port in ports if port.get("hostPort")}


def choose(pod: Object, nodes: Sequence[Object], used: Mapping[str, Requests]) -> tuple[str, str]:
    """(node, "") or ("", why none): the message of the event FailedScheduling."""
    reasons: Counter[str] = Counter()
    wanted = requests_of(pod)
    fitting = []
    for node in nodes:
        why = refusals(pod, wanted, node, used.get(node["metadata"]["name"], Requests()))
        reasons.update(why)
        if not why:
            fitting.append(node["metadata"]["name"])
    if fitting:
        return min(fitting, key=lambda name: (used[name].pods if name in used else 0, name)), ""
    if not nodes:
        return "", "no nodes available to schedule pods"
    counted = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    available = f"0/{len(nodes)}"
    helpful = f"{len(nodes)} Preemption is not helpful for scheduling"
    return "", f"{available} nodes are available: {counted}. " + PREEMPTION.format(nodes=available, why=helpful)


def refusals(pod: Object, wanted: Requests, node: Object, used: Requests) -> list[str]:
    """Why the node does not take the pod; the first filter that refuses decides, as in the real scheduler."""
    spec = node.get("spec") or {}
    tolerations = pod["spec"].get("tolerations") or ()
    if spec.get("unschedulable") and not tolerated(UNSCHEDULABLE, tolerations):
        return ["node(s) were unschedulable"]
    for taint in spec.get("taints") or ():
        if taint.get("effect") in KEEPING_OUT and not tolerated(taint, tolerations):
            return ["node(s) had untolerated taint(s)"]
    if not _selected(pod, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    if wanted.ports & used.ports:
        return ["node(s) didn't have free ports for the requested pod ports"]
    return _insufficient(wanted, node, used)


def _insufficient(wanted: Requests, node: Object, used: Requests) -> list[str]:
    room = (node.get("status") or {}).get("allocatable") or {}
    found = []
    if "pods" in room and used.pods + 1 > _whole(room["pods"]):
        found.append("Too many pods")
    if "cpu" in room and wanted.cpu and used.cpu + wanted.cpu > _milli(room["cpu"]):
        found.append("Insufficient cpu")
    if "memory" in room and wanted.memory and used.memory + wanted.memory > _whole(room["memory"]):
        found.append("Insufficient memory")
    return found


def tolerated(taint: Object, tolerations: Iterable[Object]) -> bool:
    """v1.Toleration.ToleratesTaint for any of them."""
    for toleration in tolerations:
        effect, key = toleration.get("effect") or "", toleration.get("key") or ""
        if (effect and effect != taint.get("effect")) or (key and key != taint.get("key")):
            continue
        operator = toleration.get("operator") or "Equal"
        if operator == "Exists" or (
            operator == "Equal" and (toleration.get("value") or "") == (taint.get("value") or "")
        ):
            return True
    return False


def _selected(pod: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    selector = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term_matches(term, labels, node) for term in required.get("nodeSelectorTerms") or ())


def _term_matches(term: Object, labels: Mapping[str, str], node: Object) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    names = {"metadata.name": node["metadata"]["name"]}
    return all(_matches(e, labels) for e in expressions) and all(_matches(f, names) for f in fields)


def _matches(requirement: Object, labels: Mapping[str, str]) -> bool:
    """One NodeSelectorRequirement; Gt and Lt compare integers."""
    key, values = requirement["key"], requirement.get("values") or []
    found = labels.get(key)
    match requirement["operator"]:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt" | "Lt" as operator:
            if found is None or not found.lstrip("-").isdecimal() or not values[0].lstrip("-").isdecimal():
                return False
            return int(found) > int(values[0]) if operator == "Gt" else int(found) < int(values[0])
    return False
