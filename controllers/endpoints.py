"""Endpoints: for each Service with a selector, the addresses and ports of its pods, in one object.

Superseded by EndpointSlices (KEP-4974) but still written by Kubernetes, and read by many.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from controllers import pods, services
from controllers.controller import Controller, Loop, own_key, split
from controllers.subsets import repack
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import ENDPOINTS, PODS, SERVICES

MANAGED_BY, MANAGER = "endpoints.kubernetes.io/managed-by", "endpoint-controller"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LEADER = "control-plane.alpha.kubernetes.io/leader"
MAX_ADDRESSES = 1000

# what should be


def _address(pod: Object, service: Object) -> Object | None:
    """The pod's address in the Service's first family; None where it has none."""
    spec = service["spec"]
    if spec.get("ipFamilies") or services.has_cluster_ip(service):
        found = services.addresses(pod, services.families(service)[0])
    else:
        found = pods.ips(pod)
    if not found:
        return None
    address: Object = {"ip": found[0], "nodeName": pods.node_of(pod), "targetRef": services.target_reference(pod)}
    name = services.hostname(pod, service)
    return {**address, "hostname": name} if name else address


def _ports(pod: Object, service: Object) -> list[Object | None]:
    """The ports the pod offers; a headless Service without ports still lists its pods (None)."""
    given = service["spec"].get("ports") or []
    if not given:
        return [] if services.has_cluster_ip(service) else [None]
    found: list[Object | None] = []
    for port in given:
        number = pods.find_port(pod, port)
        if number is not None:
            entry = {"name": port.get("name"), "port": number, "protocol": port.get("protocol", "TCP")}
            entry["appProtocol"] = port.get("appProtocol")
            found.append({key: value for key, value in entry.items() if value})
    return found


def desired_subsets(service: Object, selected: Iterable[Object]) -> list[Object]:
    """The subsets of a Service, in canonical form."""
    unready_too = bool(service["spec"].get("publishNotReadyAddresses"))
    entries = []
    for pod in selected:
        if not services.belongs(pod, terminating=unready_too):
            continue
        address = _address(pod, service)
        if address is not None:
            ready = unready_too or pods.is_ready(pod)
            entries += [(address, port, ready) for port in _ports(pod, service)]
    return repack(entries)


def desired_labels(service: Object) -> dict[str, str]:
    found = {key: value for key, value in pods.labels_of(service).items() if key != HEADLESS}
    found[MANAGED_BY] = MANAGER
    if not services.has_cluster_ip(service):
        found[HEADLESS] = ""
    return found


def truncate(subsets: list[Object]) -> tuple[list[Object], bool]:
    """At most MAX_ADDRESSES addresses, ready ones first, taken from each subset by its share; whether any went."""
    ready = sum(len(subset.get("addresses") or ()) for subset in subsets)
    unready = sum(len(subset.get("notReadyAddresses") or ()) for subset in subsets)
    if ready + unready <= MAX_ADDRESSES:
        return subsets, False
    name, room, total = "notReadyAddresses", MAX_ADDRESSES - ready, unready
    if ready > MAX_ADDRESSES:
        name, room, total = "addresses", MAX_ADDRESSES, ready
    left, found = room, []
    for subset in subsets:
        given = subset.get(name) or []
        kept = given[: min(left, math.ceil(len(given) / total * room))]
        left -= len(kept)
        changed = {key: value for key, value in subset.items() if key != "notReadyAddresses" and key != name}
        if name == "notReadyAddresses" and "addresses" in subset:
            changed["addresses"] = subset["addresses"]
        found.append({**changed, name: kept} if kept else changed)
    return found, True


def desired(service: Object, selected: Iterable[Object], current: Object | None, trigger: str | None) -> Object | None:
    """The Endpoints to write, or None where what is there will do."""
    subsets, truncated = truncate(desired_subsets(service, selected))
    labels = desired_labels(service)
    meta = dict((current or {}).get("metadata") or {})
    annotations = dict(meta.get("annotations") or {})
    if current is not None and _same(current, subsets, labels, truncated):
        return None
    _set(annotations, TRIGGER_TIME, trigger)
    _set(annotations, OVER_CAPACITY, "truncated" if truncated else None)
    meta.update(name=service["metadata"]["name"], namespace=service["metadata"]["namespace"], labels=labels)
    meta["annotations"] = annotations
    return {"metadata": meta, "subsets": subsets}


def _set(annotations: dict[str, str], key: str, value: str | None) -> None:
    if value is None:
        annotations.pop(key, None)
    else:
        annotations[key] = value


def _same(current: Object, subsets: list[Object], labels: dict[str, str], truncated: bool) -> bool:
    given, wanted = ({k: v for k, v in one.items() if k != HEADLESS} for one in (pods.labels_of(current), labels))
    marked = OVER_CAPACITY in (current["metadata"].get("annotations") or {})
    if given != wanted or marked != truncated or sizes(current.get("subsets")) != sizes(subsets):
        return False
    return comparable(current.get("subsets")) == comparable(subsets)


def sizes(subsets: Any) -> list[list[int]]:
    """How many addresses and ports each subset has: what tells most changes at once."""
    names = ("addresses", "notReadyAddresses", "ports")
    return [[len(subset.get(name) or ()) for name in names] for subset in subsets or ()]


def comparable(subsets: Any) -> list[Any]:
    """Subsets without what makes no difference: empty fields, the resourceVersion of a target."""
    return [_stripped(subset) for subset in subsets or ()]


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(item) for key, item in value.items() if item and key != "resourceVersion"}
    return [_stripped(item) for item in value] if isinstance(value, list) else value


# making it so


async def reconcile(loop: Loop, key: str) -> None:
    service = loop[SERVICES].get(key)
    if service is None:
        await _service_gone(loop, key)
        return
    if not services.is_managed(service):
        return
    selected = services.selected_pods(loop, service)
    trigger = loop.state.compute(key, service, selected)
    current = loop[ENDPOINTS].get(key)
    wanted = desired(service, selected, current, trigger)
    if wanted is not None:
        await _write(loop, service, current, wanted)


async def _service_gone(loop: Loop, key: str) -> None:
    """Also hand-written Endpoints of that name go with the Service."""
    loop.state.forget(key)
    namespace, name = split(key)
    if loop[ENDPOINTS].get(key) is None:
        return
    try:
        await loop.client.delete(ENDPOINTS, name, namespace)
    except StatusError as error:
        if error.code != 404:
            raise


async def _write(loop: Loop, service: Object, current: Object | None, wanted: Object) -> None:
    try:
        if current is None:
            await loop.create(ENDPOINTS, wanted)
        else:
            await loop.update(ENDPOINTS, wanted)
    except StatusError as error:
        meta = service["metadata"]
        if current is None and is_terminating_namespace(error):
            return
        if current is None:
            message = f"Failed to create endpoint for service {meta['namespace']}/{meta['name']}: {error.message}"
            loop.event(_kind(wanted), "Warning", "FailedToCreateEndpoint", message)
        else:
            message = f"Failed to update endpoint {meta['namespace']}/{meta['name']}: {error.message}"
            loop.event(_kind(wanted), "Warning", "FailedToUpdateEndpoint", message)
        raise


def _kind(obj: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Endpoints", **obj}


def is_terminating_namespace(error: StatusError) -> bool:
    """Whether a create failed because its namespace goes away: trying again is pointless."""
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _endpoints_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """Deleted Endpoints come back at once; edited ones wait for the next change of their Service."""
    return own_key(loop, old, new) if new is None else ()


def _drop_leftovers(loop: Loop) -> None:
    """Services may have gone while nobody looked."""
    for key, endpoints in loop[ENDPOINTS].store.objects.items():
        if LEADER not in (endpoints["metadata"].get("annotations") or {}):
            loop.enqueue(key)


CONTROLLER = Controller(
    name="endpoints",
    component="endpoint-controller",
    watches={SERVICES: own_key, PODS: services.pod_keys, ENDPOINTS: _endpoints_keys},
    reconcile=reconcile,
    indexes={**services.INDEXES, **services.SERVICE_INDEXES},
    state=services.TriggerTimes,
    base_delay=1.0,
    retries=15,
    started=_drop_leftovers,
)
