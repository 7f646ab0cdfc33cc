"""v1 Endpoints."""

from __future__ import annotations

from dataclasses import replace

from apiserver import validation as rules
from apiserver.field import FieldError, invalid, not_supported, required
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.table import AGE

PROTOCOLS = ("SCTP", "TCP", "UDP")
WARNING = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
SIDES = ("addresses", "notReadyAddresses")


class EndpointsStrategy(Strategy):
    """Endpoints."""

    create_on_update = True

    def default(self, obj: Object) -> None:
        for subset in obj.get("subsets") or ():
            for port in subset.get("ports") or ():
                port["protocol"] = port.get("protocol") or "TCP"

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Everything is the client's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Everything is the client's."""

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        for index, subset in enumerate(obj.get("subsets") or ()):
            found += _subset(subset, f"subsets[{index}]")
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """Subsets that were stored and stay as they are were valid once."""
        return [] if (obj.get("subsets") or []) == (old.get("subsets") or []) else self.validate(obj, context)

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        found: list[str] = []
        for index, subset in enumerate(obj.get("subsets") or ()):
            for side in SIDES:
                for place, address in enumerate(subset.get(side) or ()):
                    path = f"subsets[{index}].{side}[{place}].ip"
                    found += rules.ip_warnings(path, address.get("ip", ""))
        return found


def _subset(subset: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        found.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
    for side in SIDES:
        for index, address in enumerate(subset.get(side) or ()):
            found += _address(address, f"{path}.{side}[{index}]")
    ports = subset.get("ports") or ()
    for index, port in enumerate(ports):
        found += _port(port, f"{path}.ports[{index}]", named=len(ports) > 1)
    return found


def _address(address: Object, path: str) -> list[FieldError]:
    value, hostname, node = address.get("ip", ""), address.get("hostname", ""), address.get("nodeName")
    found = [invalid(f"{path}.ip", value, text) for text in rules.legacy_ip(value)]
    if hostname:
        found += [invalid(f"{path}.hostname", hostname, text) for text in rules.dns1123_label(hostname)]
    if node is not None:
        found += [invalid(f"{path}.nodeName", node, text) for text in rules.dns1123_subdomain(node)]
    return found + [invalid(f"{path}.ip", value, text) for text in rules.non_special_ip(value)]


def _port(port: Object, path: str, named: bool) -> list[FieldError]:
    found: list[FieldError] = []
    name, number, protocol = port.get("name", ""), port.get("port", 0), port.get("protocol", "")
    if named and not name:
        found.append(required(f"{path}.name"))
    elif name:
        found += [invalid(f"{path}.name", name, text) for text in rules.dns1123_label(name)]
    found += [invalid(f"{path}.port", number, text) for text in rules.port_number(number)]
    if not protocol:
        found.append(required(f"{path}.protocol"))
    elif protocol not in PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", protocol, PROTOCOLS))
    app = port.get("appProtocol")
    if app is not None:
        found += [invalid(f"{path}.appProtocol", app, text) for text in rules.qualified_name(app)]
    return found


SHOWN = 3
"""How many values a table cell lists before it counts the rest."""


def with_more(values: list[str]) -> str:
    """`a,b,c + 2 more...`."""
    shown = ",".join(values[:SHOWN])
    return f"{shown} + {len(values) - SHOWN} more..." if len(values) > SHOWN else shown


def format_endpoints(obj: Object) -> str:
    """The ready addresses with each port; nothing where all are not ready."""
    subsets = obj.get("subsets") or ()
    found: list[str] = []
    for subset in subsets:
        addresses = [address["ip"] for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        found += [_host_port(address, port["port"]) for port in ports for address in addresses] if ports else addresses
    return with_more(found) if subsets else "<none>"


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


SILENT = Kind(
    "",
    "v1",
    "Endpoints",
    "endpoints",
    True,
    EndpointsStrategy(),
    singular="endpoints",
    short_names=("ep",),
    columns=(Column("Endpoints", format_endpoints), AGE),
    list_kind="EndpointsList",
    until=32,
)
KINDS: tuple[Kind, ...] = (SILENT, replace(SILENT, since=33, until=999, warning=WARNING))
"""The same kind, deprecated from 1.33 on (KEP-4974)."""
