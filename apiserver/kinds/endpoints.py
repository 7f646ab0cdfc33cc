"""v1 Endpoints."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, invalid, not_supported, required
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.table import AGE

PROTOCOLS = ("SCTP", "TCP", "UDP")
WARNING = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


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


def _subset(subset: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        found.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
    for name in ("addresses", "notReadyAddresses"):
        for index, address in enumerate(subset.get(name) or ()):
            found += _address(address, f"{path}.{name}[{index}]")
    ports = subset.get("ports") or ()
    for index, port in enumerate(ports):
        found += _port(port, f"{path}.ports[{index}]", named=len(ports) > 1)
    return found


def _address(address: Object, path: str) -> list[FieldError]:
    found = special_ip(address.get("ip", ""), f"{path}.ip")
    if address.get("hostname"):
        found += [invalid(f"{path}.hostname", address["hostname"], text) for text in rules.dns1123_label(address["hostname"])]
    if address.get("nodeName") is not None:
        found += [invalid(f"{path}.nodeName", address["nodeName"], text) for text in rules.dns1123_subdomain(address["nodeName"])]
    return found


def special_ip(value: str, path: str) -> list[FieldError]:
    """ValidateEndpointIP: an address, and none that means the host or nobody."""
    import ipaddress

    found = [invalid(path, value, text) for text in rules.ip_address(value)]
    try:
        address: Any = ipaddress.ip_address(value)
    except ValueError:
        return [*found, invalid(path, value, "must be a valid IP address")]
    if address.is_unspecified:
        found.append(invalid(path, value, f"may not be unspecified ({value})"))
    if address.is_loopback:
        found.append(invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address.is_link_local:
        found.append(invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if address.is_multicast and str(address).startswith(("224.0.0.", "ff02:")):
        found.append(invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"))
    return found


def _port(port: Object, path: str, named: bool) -> list[FieldError]:
    found: list[FieldError] = []
    name = port.get("name", "")
    if named and not name:
        found.append(required(f"{path}.name"))
    elif name:
        found += [invalid(f"{path}.name", name, text) for text in rules.dns1123_label(name)]
    number = port.get("port", 0)
    found += [invalid(f"{path}.port", number, text) for text in rules.port_number(number)]
    if not port.get("protocol"):
        found.append(required(f"{path}.protocol"))
    elif port["protocol"] not in PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))
    return found


LIMIT = 3


def format_endpoints(obj: Object) -> str:
    """`a:1,b:1 + 2 more...`, as the table shows it."""
    found: list[str] = []
    more = 0
    for subset in obj.get("subsets") or ():
        ports = subset.get("ports") or []
        addresses = subset.get("addresses") or []
        texts = [f"{a['ip']}:{p['port']}" for p in ports for a in addresses] if ports else [a["ip"] for a in addresses]
        for text in texts:
            if len(found) == LIMIT:
                more += 1
            else:
                found.append(text)
    text = ",".join(found) or "<none>"
    return f"{text} + {more} more..." if more else text


KINDS: tuple[Kind, ...] = (
    Kind("", "v1", "Endpoints", "endpoints", True, EndpointsStrategy(), singular="endpoints", short_names=("ep",),
         columns=(Column("Endpoints", format_endpoints), AGE), warning=WARNING, list_kind="EndpointsList"),
)
