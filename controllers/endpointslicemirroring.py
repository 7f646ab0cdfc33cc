"""Mirroring: Endpoints that people write for Services without a selector, as EndpointSlices (KEP-0752)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from controllers import pods, services, slices
from controllers.controller import Controller, Loop, own_key
from controllers.endpoints import LEADER, TRIGGER_TIME
from controllers.slices import Plan, Written
from controllers.subsets import repack, unpack
from miniplane.client.api import Object
from miniplane.client.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
"""What Go's `strconv.ParseBool` takes for true."""
MAX_ADDRESSES = 1000
"""Addresses that are mirrored of one subset."""

# what should be


def is_mirrored(endpoints: Object | None) -> bool:
    """Leader election records and Endpoints that say so are not."""
    if endpoints is None or pods.labels_of(endpoints).get(SKIP) in TRUE:
        return False
    return LEADER not in (endpoints["metadata"].get("annotations") or {})


def _family(address: str) -> str | None:
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return None


def _endpoint(address: Object, ready: bool) -> Object:
    found: Object = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    names = ("targetRef", "nodeName", "hostname")
    return {**found, **{name: address[name] for name in names if address.get(name)}}


def _port(port: Object) -> Object:
    found = {"name": port.get("name") or "", "port": port["port"], "protocol": port.get("protocol") or "TCP"}
    return {**found, "appProtocol": port["appProtocol"]} if port.get("appProtocol") else found


GroupKey = tuple[tuple[slices.Port, ...], str]


class Desired:
    """The endpoints by ports and family; what was left out."""

    def __init__(self, endpoints: Object) -> None:
        self.ports: dict[GroupKey, list[Object]] = {}
        self.groups: dict[GroupKey, list[Object]] = {}
        self.invalid = self.skipped = 0
        for subset in repack(unpack(endpoints.get("subsets") or ())):
            self._add(subset)

    def _add(self, subset: Object) -> None:
        offered = [_port(port) for port in subset.get("ports") or ()]
        added = 0
        for name, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(name) or ():
                family = _family(address["ip"])
                if family is None:
                    self.invalid += 1
                elif added >= MAX_ADDRESSES:
                    self.skipped += 1
                else:
                    added += 1
                    key = (slices.ports_key(offered), family)
                    self.ports[key] = slices.sorted_ports(offered)
                    self.groups.setdefault(key, []).append(_endpoint(address, ready))


def _annotations(endpoints: Object) -> dict[str, str]:
    given = endpoints["metadata"].get("annotations") or {}
    return {key: value for key, value in given.items() if key not in (TRIGGER_TIME, LAST_APPLIED)}


def _labels(endpoints: Object) -> dict[str, str]:
    name = endpoints["metadata"]["name"]
    return {**pods.labels_of(endpoints), slices.SERVICE_NAME: name, slices.MANAGED_BY: MANAGER}


def _slice(endpoints: Object, key: GroupKey, wanted: Desired, name: str) -> Object:
    meta = endpoints["metadata"]
    naming = {"name": name} if name else {"generateName": slices.name_prefix(meta["name"])}
    return {
        "metadata": {
            **naming,
            "namespace": meta["namespace"],
            "labels": _labels(endpoints),
            "annotations": _annotations(endpoints),
            "ownerReferences": [slices.owner_reference(endpoints, "v1", "Endpoints")],
        },
        "addressType": key[1],
        "endpoints": wanted.groups[key],
        "ports": wanted.ports[key],
    }


def _same(found: Object, endpoints: Object, wanted: list[Object]) -> bool:
    if pods.labels_of(found) != _labels(endpoints):
        return False
    if (found["metadata"].get("annotations") or {}) != _annotations(endpoints):
        return False
    given = {slices.identity(one): one for one in found.get("endpoints") or ()}
    rest = [one for one in wanted if not slices.equal(one, given.get(slices.identity(one), {}))]
    return not rest and len(given) == len({slices.identity(one) for one in wanted})


def plan(endpoints: Object, found: Sequence[Object], wanted: Desired) -> Plan:
    """The changes to the mirrored slices: one slice for each group of ports and family."""
    changes = Plan()
    by_key: dict[GroupKey, list[Object]] = {}
    for one in found:
        by_key.setdefault((slices.ports_key(one.get("ports")), one["addressType"]), []).append(one)
    for key, group in wanted.groups.items():
        given = by_key.pop(key, [])
        changes.delete += given[1:]
        if not given:
            changes.create.append(_slice(endpoints, key, wanted, ""))
        elif not _same(given[0], endpoints, group):
            changes.update.append(_slice(endpoints, key, wanted, given[0]["metadata"]["name"]))
    for rest in by_key.values():
        changes.delete += rest
    changes.recycle(endpoints)
    return changes


# making it so


class State:
    def __init__(self) -> None:
        self.written = Written()


async def reconcile(loop: Loop, key: str) -> None:
    endpoints, service = loop[ENDPOINTS].get(key), loop[SERVICES].get(key)
    found = slices.existing(loop, key, MANAGER)
    mirrored = is_mirrored(endpoints) and service is not None and not services.selector_of(service)
    if endpoints is None or not mirrored:
        await slices.write(loop, Plan(delete=found), endpoints or {"metadata": {}})
        return
    wanted = Desired(endpoints)
    _report(loop, endpoints, wanted)
    await slices.write(loop, plan(endpoints, found, wanted), endpoints)


def _report(loop: Loop, endpoints: Object, wanted: Desired) -> None:
    if wanted.invalid:
        message = f"Skipped {wanted.invalid} invalid IP addresses when mirroring to EndpointSlices"
        loop.event(endpoints, "Warning", "InvalidIPAddress", message)
    if wanted.skipped:
        message = (
            f"A max of {MAX_ADDRESSES} addresses can be mirrored to EndpointSlices per Endpoints subset. "
            f"{wanted.skipped} addresses were skipped"
        )
        loop.event(endpoints, "Warning", "TooManyAddressesToMirror", message)


def _endpoints_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    return own_key(loop, old, new) if is_mirrored(old) or is_mirrored(new) else ()


def _service_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    if old is not None and new is not None and bool(services.selector_of(old)) == bool(services.selector_of(new)):
        return ()
    return own_key(loop, old, new)


def _slice_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    return slices.keys_for(loop, MANAGER, old, new)


CONTROLLER = Controller(
    name="endpointslicemirroring",
    component="endpoint-slice-mirroring-controller",
    watches={ENDPOINTS: _endpoints_keys, SERVICES: _service_keys, ENDPOINT_SLICES: _slice_keys},
    reconcile=reconcile,
    indexes=slices.INDEXES,
    state=State,
    base_delay=1.0,
    retries=15,
)
