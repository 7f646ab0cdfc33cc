"""ServiceCIDRs (KEP-1880): a finalizer and the Ready condition; one that is being deleted stays while cluster IPs would
be left without a range."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from controllers import pods
from controllers.controller import Controller, Loop, own_key
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import IP_ADDRESSES, SERVICE_CIDRS

NAME = "service-cidr-controller"
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
MANAGED_BY, ALLOCATOR = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
DELETION_GRACE = 10.0
"""Seconds for API servers to learn that the range gives no more addresses."""
READY = {"type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready"}
BLOCKED = {
    "type": "Ready",
    "status": "False",
    "reason": "Terminating",
    "message": "There are still IPAddresses referencing the ServiceCIDR, "
    "please remove them or create a new ServiceCIDR",
}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(service_cidr: Object) -> list[Network]:
    return [ipaddress.ip_network(cidr) for cidr in service_cidr["spec"].get("cidrs") or ()]


def _contains(outer: Network, inner: Network) -> bool:
    if isinstance(outer, ipaddress.IPv4Network):
        return isinstance(inner, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, ipaddress.IPv6Network) and inner.subnet_of(outer)


def may_go(service_cidr: Object, others: Sequence[Object], addresses: Iterable[str]) -> bool:
    """Whether no cluster IP is left without a range when this one goes. Others count even while they are deleted."""
    own, rest = networks(service_cidr), [network for other in others for network in networks(other)]
    if all(any(_contains(outer, network) for outer in rest) for network in own):
        return True
    for text in addresses:
        address = ipaddress.ip_address(text)
        if any(address in network for network in own) and not any(address in network for network in rest):
            return False
    return True


async def reconcile(loop: Loop, key: str) -> float | None:
    found = loop[SERVICE_CIDRS].get(key)
    if found is None:
        return None
    finalizers = found["metadata"].get("finalizers") or []
    if pods.is_terminating(found):
        return await _finish(loop, found) if FINALIZER in finalizers else None
    if FINALIZER not in finalizers:
        await loop.patch(SERVICE_CIDRS, found, {"metadata": {"finalizers": [FINALIZER]}}, patch_type="strategic")
    await _set_condition(loop, found, READY)
    return None


async def _finish(loop: Loop, found: Object) -> float | None:
    stored = loop[SERVICE_CIDRS].store.objects
    others = [one for name, one in stored.items() if name != found["metadata"]["name"]]
    if not may_go(found, others, _allocated(loop)):
        await _set_condition(loop, found, BLOCKED)
        return None
    since = clock.parse(found["metadata"]["deletionTimestamp"]) or clock.now()
    left = DELETION_GRACE - (clock.now() - since).total_seconds()
    if left > 0:
        return left
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
    await loop.patch(SERVICE_CIDRS, found, gone, patch_type="strategic")
    return None


def _allocated(loop: Loop) -> list[str]:
    """Addresses that API servers hand out; IPAddresses of others do not hold a range."""
    stored = loop[IP_ADDRESSES].store.objects
    return [name for name, one in stored.items() if pods.labels_of(one).get(MANAGED_BY) == ALLOCATOR]


async def _set_condition(loop: Loop, found: Object, wanted: Object) -> None:
    """By server-side apply, as the real controller does; not where it holds already."""
    held = pods.condition(found, "Ready") or {}
    if all(held.get(name, "") == value for name, value in wanted.items()):
        return
    condition = {**wanted, "lastTransitionTime": clock.text(clock.now())}
    body = {
        "apiVersion": SERVICE_CIDRS.api_version,
        "kind": SERVICE_CIDRS.kind,
        "metadata": {"name": found["metadata"]["name"]},
        "status": {"conditions": [condition]},
    }
    query = {"fieldManager": NAME, "force": "true"}
    await loop.patch(SERVICE_CIDRS, found, body, patch_type="apply", subresource="status", query=query)


def _deleted_ones(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """An IPAddress that comes or goes matters to ranges that wait for their end."""
    if old is not None and new is not None:
        return ()
    return [name for name, one in loop[SERVICE_CIDRS].store.objects.items() if pods.is_terminating(one)]


def _keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """Whether one may go depends on every other one."""
    return [*own_key(loop, old, new), *_deleted_ones(loop, None, new)]


CONTROLLER = Controller(
    name=NAME,
    watches={SERVICE_CIDRS: _keys, IP_ADDRESSES: _deleted_ones},
    reconcile=reconcile,
)
