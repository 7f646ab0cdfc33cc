"""discovery.k8s.io/v1 EndpointSlice."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, immutable, invalid, not_supported, required, too_many
from apiserver.kinds.endpoints import special_ip
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.table import AGE

TYPES = ("IPv4", "IPv6", "FQDN")
ADDRESSES, ENDPOINTS, PORTS = 100, 1000, 20000


class EndpointSliceStrategy(Strategy):
    """EndpointSlice."""

    has_generation = True

    def default(self, obj: Object) -> None:
        for port in obj.get("ports") or ():
            if port.get("name") is None:
                port["name"] = ""
            if port.get("protocol") is None:
                port["protocol"] = "TCP"

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Everything is the client's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Everything is the client's."""

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        kind = obj.get("addressType", "")
        if not kind:
            found.append(required("addressType"))
        elif kind not in TYPES:
            found.append(not_supported("addressType", kind, ("FQDN", "IPv4", "IPv6")))
        endpoints = obj.get("endpoints") or []
        if len(endpoints) > ENDPOINTS:
            return [*found, too_many("endpoints", len(endpoints), ENDPOINTS)]
        for index, endpoint in enumerate(endpoints):
            found += _endpoint(endpoint, kind, f"endpoints[{index}]")
        return found + _ports(obj.get("ports") or ())

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context)
        if obj.get("addressType") != old.get("addressType"):
            found.append(immutable("addressType", obj.get("addressType")))
        return found


def _endpoint(endpoint: Object, kind: str, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    addresses = endpoint.get("addresses") or []
    if not addresses:
        found.append(required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > ADDRESSES:
        found.append(too_many(f"{path}.addresses", len(addresses), ADDRESSES))
    for index, address in enumerate(addresses):
        where = f"{path}.addresses[{index}]"
        if kind == "FQDN":
            found += [invalid(where, address, text) for text in rules.dns1123_subdomain(address)]
        elif kind in TYPES:
            found += _family(address, kind, where) + special_ip(address, where)[:1]
    if endpoint.get("hostname"):
        found += [invalid(f"{path}.hostname", endpoint["hostname"], text) for text in rules.dns1123_label(endpoint["hostname"])]
    return found


def _family(address: str, kind: str, path: str) -> list[FieldError]:
    wrong = (":" in address) != (kind == "IPv6")
    return [invalid(path, address, f"must be a valid {kind} address")] if wrong and not rules.ip_address(address) else []


def _ports(ports: Any) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        name, at = port.get("name") or "", f"ports[{index}]"
        if name:
            found += [invalid(f"{at}.name", name, text) for text in rules.dns1123_label(name)]
        if name in seen:
            from apiserver.field import duplicate

            found.append(duplicate(f"{at}.name", name))
        seen.add(name)
        protocol = port.get("protocol") or ""
        if protocol not in ("TCP", "UDP", "SCTP"):
            found.append(not_supported(f"{at}.protocol", protocol, ("SCTP", "TCP", "UDP")))
    return found


def _limited(values: list[str]) -> str:
    shown = ",".join(values[:3])
    return f"{shown} + {len(values) - 3} more..." if len(values) > 3 else shown


def _port_text(obj: Object) -> str:
    ports = obj.get("ports") or []
    return _limited([str(port["port"]) if port.get("port") is not None else "*" for port in ports]) if ports else "<unset>"


def _addresses(obj: Object) -> str:
    found = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return _limited(found) if found else "<unset>"


KINDS: tuple[Kind, ...] = (
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", True, EndpointSliceStrategy(),
         columns=(Column("AddressType", lambda obj: obj.get("addressType", "")), Column("Ports", _port_text),
                  Column("Endpoints", _addresses), AGE)),
)
