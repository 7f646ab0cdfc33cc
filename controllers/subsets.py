"""Subsets of Endpoints in canonical form: each port once, addresses that offer the same ports together, everything in
a fixed order (upstream: k8s.io/kubernetes/pkg/api/v1/endpoints)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from controllers.godump import Fields, dump, fnv128a
from miniplane.client.api import Object

STRUCTS: dict[str, Fields] = {
    "v1.EndpointPort": (
        ("Name", "name", "string"),
        ("Port", "port", "int32"),
        ("Protocol", "protocol", "v1.Protocol"),
        ("AppProtocol", "appProtocol", "*string"),
    ),
    "v1.EndpointAddress": (
        ("IP", "ip", "string"),
        ("Hostname", "hostname", "string"),
        ("NodeName", "nodeName", "*string"),
        ("TargetRef", "targetRef", "*v1.ObjectReference"),
    ),
    "v1.ObjectReference": (
        ("Kind", "kind", "string"),
        ("Namespace", "namespace", "string"),
        ("Name", "name", "string"),
        ("UID", "uid", "types.UID"),
        ("APIVersion", "apiVersion", "string"),
        ("ResourceVersion", "resourceVersion", "string"),
        ("FieldPath", "fieldPath", "string"),
    ),
    "v1.EndpointSubset": (
        ("Addresses", "addresses", "[]v1.EndpointAddress"),
        ("NotReadyAddresses", "notReadyAddresses", "[]v1.EndpointAddress"),
        ("Ports", "ports", "[]v1.EndpointPort"),
    ),
}

Port = tuple[str, int, str, str]
NO_PORT: Port = ("", -1, "", "")
AddressKey = tuple[str, str]


def _port_key(port: Object | None) -> Port:
    if port is None:
        return NO_PORT
    return port.get("name") or "", port["port"], port.get("protocol") or "", port.get("appProtocol") or ""


def _port_object(port: Port) -> Object:
    found = {"name": port[0], "port": port[1], "protocol": port[2], "appProtocol": port[3]}
    return {key: value for key, value in found.items() if value}


@lru_cache(maxsize=4096)
def _port_hash(port: Port) -> bytes:
    return fnv128a(dump(_port_object(port), "v1.EndpointPort", STRUCTS))


def _subset_hash(subset: Object) -> bytes:
    return fnv128a(dump(subset, "v1.EndpointSubset", STRUCTS))


def repack(entries: Iterable[tuple[Object, Object | None, bool]]) -> list[Object]:
    """(address, port, ready) -> subsets. A port of None lists the address without ports. The same address given
    ready and not ready for a port is not ready."""
    known: dict[AddressKey, Object] = {}
    by_port: dict[Port, dict[AddressKey, bool]] = {}
    for address, port, ready in entries:
        key = (address["ip"], str((address.get("targetRef") or {}).get("uid") or ""))
        known.setdefault(key, address)
        offered = by_port.setdefault(_port_key(port), {})
        offered[key] = ready and offered.get(key, True)
    groups: dict[tuple[Any, ...], list[Port]] = {}
    for port_key, offered in by_port.items():
        groups.setdefault(tuple(sorted(offered.items())), []).append(port_key)
    found = [_subset(addresses, ports, known) for addresses, ports in groups.items()]
    return sorted(found, key=_subset_hash) if len(found) > 1 else found


def _subset(addresses: tuple[Any, ...], ports: list[Port], known: dict[AddressKey, Object]) -> Object:
    """`addresses` are sorted by text of the address, then by uid."""
    kept = [port for port in ports if port != NO_PORT]
    found = {
        "addresses": [known[key] for key, ready in addresses if ready],
        "notReadyAddresses": [known[key] for key, ready in addresses if not ready],
        "ports": [_port_object(port) for port in sorted(kept, key=_port_hash)],
    }
    return {key: value for key, value in found.items() if value}


def unpack(subsets: Iterable[Object]) -> Iterable[tuple[Object, Object | None, bool]]:
    """The entries that `repack` takes, of subsets that anybody may have written."""
    for subset in subsets:
        for port in subset.get("ports") or (None,):
            for address in subset.get("addresses") or ():
                yield address, port, True
            for address in subset.get("notReadyAddresses") or ():
                yield address, port, False
