"""What Endpoints and EndpointSlices of a Service are, as a plain function of the objects; the property tests hold the
controllers against it. Written to be read, not to be fast: it shares no code with them but the look at a pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllers import pods
from miniplane.client.api import Object


def _port(pod: Object, port: Object) -> int | None:
    """The number that a port of the Service means for this pod."""
    if not isinstance(port["targetPort"], str):
        return int(port["targetPort"])
    containers = list(pod["spec"]["containers"])
    containers += [c for c in pod["spec"].get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    for container in containers:
        for one in container.get("ports", ()):
            if one.get("name") == port["targetPort"] and one.get("protocol", "TCP") == port["protocol"]:
                return int(one["containerPort"])
    return None


def members(service: Object, all_pods: Sequence[Object]) -> list[Object]:
    """The pods behind the Service: selected, with an address, not finished."""
    selector, namespace = service["spec"]["selector"], service["metadata"]["namespace"]
    return [
        pod
        for pod in all_pods
        if pod["metadata"]["namespace"] == namespace
        and all(pods.labels_of(pod).get(key) == value for key, value in selector.items())
        and pods.ips(pod)
        and pods.phase(pod) not in ("Succeeded", "Failed")
    ]


def endpoints(service: Object, all_pods: Sequence[Object]) -> set[tuple[Any, ...]]:
    """Every (port name, protocol, number, address, pod, ready) that Endpoints list."""
    anyway = bool(service["spec"].get("publishNotReadyAddresses"))
    found = set()
    for pod in members(service, all_pods):
        if pods.is_terminating(pod) and not anyway:
            continue
        ready = anyway or pods.is_ready(pod)
        for port in service["spec"]["ports"]:
            number = _port(pod, port)
            if number is not None:
                name, address = port.get("name", ""), pods.ips(pod)[0]
                found.add((name, port["protocol"], number, address, pod["metadata"]["name"], ready))
    return found


def endpoint_slices(service: Object, all_pods: Sequence[Object], nodes: Sequence[str]) -> set[tuple[Any, ...]]:
    """Every (ports, address, pod, ready, serving, terminating) that the slices list."""
    anyway = bool(service["spec"].get("publishNotReadyAddresses"))
    found = set()
    for pod in members(service, all_pods):
        if pods.node_of(pod) not in nodes and not anyway:
            continue
        offered = ((port, _port(pod, port)) for port in service["spec"]["ports"])
        ports = frozenset((p.get("name", ""), p["protocol"], number) for p, number in offered if number is not None)
        serving, terminating = pods.is_ready(pod), pods.is_terminating(pod)
        ready = anyway or (serving and not terminating)
        found.add((ports, pods.ips(pod)[0], pod["metadata"]["name"], ready, serving, terminating))
    return found


def listed_by_endpoints(obj: Object) -> set[tuple[Any, ...]]:
    """The same view of an Endpoints object."""
    return {
        (port.get("name", ""), port["protocol"], port["port"], address["ip"], address["targetRef"]["name"], ready)
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or ()
        for ready, kind in ((True, "addresses"), (False, "notReadyAddresses"))
        for address in subset.get(kind) or ()
    }


def listed_by_slices(slices: Sequence[Object]) -> set[tuple[Any, ...]]:
    """The same view of the slices of one Service."""
    found = set()
    for one in slices:
        ports = frozenset((port["name"], port["protocol"], port["port"]) for port in one["ports"] or ())
        for endpoint in one["endpoints"] or ():
            states = endpoint["conditions"]
            name, address = endpoint["targetRef"]["name"], endpoint["addresses"][0]
            found.add((ports, address, name, states["ready"], states["serving"], states["terminating"]))
    return found
