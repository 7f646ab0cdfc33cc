"""What several controllers ask about pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from miniplane.client.api import Object


def labels_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def condition(obj: Object, kind: str) -> Object | None:
    """A status condition by its type; it is the object's own, nobody may change it."""
    conditions: Iterable[Object] = (obj.get("status") or {}).get("conditions") or ()
    for found in conditions:
        if found.get("type") == kind:
            return found
    return None


def is_ready(pod: Object) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found.get("status") == "True"


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def is_finished(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_terminating(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def node_of(pod: Object) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def ips(pod: Object) -> list[str]:
    return [entry["ip"] for entry in (pod.get("status") or {}).get("podIPs") or () if entry.get("ip")]


def is_ipv6(address: str) -> bool:
    return ":" in address


def _ports(pod: Object) -> Iterator[Any]:
    """Named ports may be those of containers and of sidecars (init containers that are restarted always)."""
    spec = pod.get("spec") or {}
    for container in spec.get("containers") or ():
        yield from container.get("ports") or ()
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            yield from container.get("ports") or ()


def find_port(pod: Object, service_port: Object) -> int | None:
    """The port of the pod that a Service port means; None where the pod has no such named port."""
    target = service_port.get("targetPort")
    if isinstance(target, str):
        for port in _ports(pod):
            if port.get("name") == target and port.get("protocol", "TCP") == service_port.get("protocol", "TCP"):
                return int(port["containerPort"])
        return None
    return int(target or service_port["port"])


# indexes

BY_LABEL, BY_NODE = "label", "node"


def label_values(obj: Object) -> Iterable[str]:
    """`namespace/key=value` of every label."""
    namespace = obj["metadata"].get("namespace", "")
    return [f"{namespace}/{key}={value}" for key, value in labels_of(obj).items()]


def node_values(pod: Object) -> Iterable[str]:
    return (node_of(pod),)
