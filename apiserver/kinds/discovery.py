"""discovery.k8s.io/v1 EndpointSlice."""

from __future__ import annotations

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, immutable, invalid, not_supported, required, too_many
from apiserver.kinds.endpoints import PROTOCOLS, with_more
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.table import AGE

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
ADDRESSES, ENDPOINTS, PORTS, TOPOLOGY, HINTS = 100, 1000, 20000, 16, 8
"""How many there may be."""


class EndpointSliceStrategy(Strategy):
    """EndpointSlice."""

    metadata_again = 1
    has_generation = True

    def default(self, obj: Object) -> None:
        for port in obj.get("ports") or ():
            if port.get("name") is None:
                port["name"] = ""
            if port.get("protocol") is None:
                port["protocol"] = "TCP"

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        _drop_topology(obj)

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """A change of labels counts as a generation too: they say which Service the slice belongs to."""
        if (obj.get("endpoints") or []) != (old.get("endpoints") or []):
            _drop_topology(obj)
        metadata, before = obj["metadata"], old["metadata"]
        if (metadata.get("labels") or {}) != (before.get("labels") or {}):
            metadata["generation"] = before.get("generation", 0) + 1

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return _validate(obj, frozenset())

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        known = frozenset(address for item in old.get("endpoints") or () for address in item.get("addresses") or ())
        found = _validate(obj, known)
        if obj.get("addressType") != old.get("addressType"):
            found.append(immutable("addressType", obj.get("addressType", "")))
        return found

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        found: list[str] = []
        if obj.get("addressType") == "FQDN":
            return [] if old is not None else ["spec.addressType: FQDN endpoints are deprecated"]
        if (obj["metadata"].get("labels") or {}).get(MANAGED_BY) in CONTROLLERS:  # which write no others
            return []
        for index, endpoint in enumerate(obj.get("endpoints") or ()):
            for place, address in enumerate(endpoint.get("addresses") or ()):
                found += rules.ip_warnings(f"endpoints[{index}].addresses[{place}]", address)
        return found


def _drop_topology(obj: Object) -> None:
    """v1 clients cannot write what v1beta1 had."""
    for endpoint in obj.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def _validate(obj: Object, known: frozenset[str]) -> list[FieldError]:
    """`known` addresses were stored before and are not looked at again."""
    kind = obj.get("addressType", "")
    found: list[FieldError] = []
    if not kind:
        found.append(required("addressType"))
    elif kind not in ADDRESS_TYPES:
        found.append(not_supported("addressType", kind, ADDRESS_TYPES))
    endpoints = obj.get("endpoints") or []
    if len(endpoints) > ENDPOINTS:
        found.append(too_many("endpoints", len(endpoints), ENDPOINTS))
    else:
        for index, endpoint in enumerate(endpoints):
            found += _endpoint(endpoint, kind, f"endpoints[{index}]", known)
    return found + _ports(obj.get("ports") or [])


def _endpoint(endpoint: Object, kind: str, path: str, known: frozenset[str]) -> list[FieldError]:
    found = _addresses(endpoint.get("addresses") or [], kind, f"{path}.addresses", known)
    topology, node, hostname = endpoint.get("deprecatedTopology"), endpoint.get("nodeName"), endpoint.get("hostname")
    if topology:
        if len(topology) > TOPOLOGY:
            found.append(too_many(f"{path}.deprecatedTopology", len(topology), TOPOLOGY))
        found += rules.labels(topology, f"{path}.deprecatedTopology")
    if node is not None:
        found += [invalid(f"{path}.nodeName", node, text) for text in rules.dns1123_subdomain(node)]
    if hostname is not None:
        found += [invalid(f"{path}.hostname", hostname, text) for text in rules.dns1123_label(hostname)]
    return found + _hints(endpoint.get("hints") or {}, f"{path}.hints")


def _addresses(addresses: list[str], kind: str, path: str, known: frozenset[str]) -> list[FieldError]:
    found: list[FieldError] = []
    if not addresses:
        found.append(required(path, "must contain at least 1 address"))
    elif len(addresses) > ADDRESSES:
        found.append(too_many(path, len(addresses), ADDRESSES))
    for index, address in enumerate(addresses):
        where = f"{path}[{index}]"
        if kind == "FQDN":
            found += _domain_name(address, where)
        elif kind in ADDRESS_TYPES:
            texts = [] if address in known else rules.legacy_ip(address)
            found += [invalid(where, address, text) for text in texts] or _of_family(address, kind, path, where)
    return found


def _of_family(address: str, kind: str, path: str, where: str) -> list[FieldError]:
    wrong = (":" in address) != (kind == "IPv6")
    found = [invalid(path, address, f"must be an {kind} address")] if wrong else []
    return found + [invalid(where, address, text) for text in rules.non_special_ip(address)]


def _domain_name(value: str, path: str) -> list[FieldError]:
    """A fully qualified domain name: two labels at the least, a final dot allowed."""
    if not value:
        return [required(path)]
    name = value.removesuffix(".")
    texts = rules.dns1123_subdomain(name)
    if texts:
        return [invalid(path, name, ",".join(texts))]
    if "." not in name:
        return [invalid(path, name, "should be a domain with at least two segments separated by dots")]
    for label in name.split("."):
        texts = rules.dns1123_label(label)
        if texts:
            return [invalid(path, label, ",".join(texts))]
    return []


def _hints(hints: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for name, rule in (("forZones", rules.label_value), ("forNodes", rules.dns1123_subdomain)):
        items, where = hints.get(name) or [], f"{path}.{name}"
        if len(items) > HINTS:
            return [*found, too_many(where, len(items), HINTS)]
        names = [item.get("name", "") for item in items]
        for index, value in enumerate(names):
            if value in names[:index]:
                found.append(duplicate(f"{where}[{index}].name", value))
            found += [invalid(f"{where}[{index}].name", value, text) for text in rule(value)]
    return found


def _ports(ports: list[Object]) -> list[FieldError]:
    if len(ports) > PORTS:
        return [too_many("ports", len(ports), PORTS)]
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        name, path, protocol = port.get("name") or "", f"ports[{index}]", port.get("protocol") or ""
        if name:
            found += [invalid(f"{path}.name", name, text) for text in rules.dns1123_label(name)]
        if name in seen:
            found.append(duplicate(f"{path}.name", name))
        seen.add(name)
        if protocol not in PROTOCOLS:
            found.append(not_supported(f"{path}.protocol", protocol, PROTOCOLS))
        app = port.get("appProtocol")
        if app is not None:
            found += [invalid(f"{path}.appProtocol", app, text) for text in rules.qualified_name(app)]
    return found


def _port_cell(port: Object) -> str:
    """The number; for a port that stands for every number, the name."""
    number = port.get("port")
    return str(number) if number is not None else str(port.get("name") or "*")


def _ports_cell(obj: Object) -> str:
    ports = obj.get("ports")
    return with_more([_port_cell(port) for port in ports]) if ports else "<unset>"


def _endpoints_cell(obj: Object) -> str:
    endpoints = obj.get("endpoints")
    if not endpoints:
        return "<unset>"
    return with_more([address for endpoint in endpoints for address in endpoint.get("addresses") or ()])


KINDS: tuple[Kind, ...] = (
    Kind(
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        True,
        EndpointSliceStrategy(),
        columns=(
            Column("AddressType", lambda obj: obj.get("addressType", "")),
            Column("Ports", _ports_cell),
            Column("Endpoints", _endpoints_cell),
            AGE,
        ),
    ),
)
