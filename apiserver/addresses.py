"""IP addresses and networks as Kubernetes reads and checks them (apimachinery's `validation/ip.go`). Functions answer
messages without the field; `apiserver.validation` offers them along with the other rules."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from apiserver.gointegers import bounded

_IP_TEXT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_CIDR_TEXT = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_OCTET = re.compile(r"[0-9]+")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


RECALLED, LONGEST = 4096, 64
"""How many addresses are recalled, and how long their texts may be: every change of a Service's endpoints names all of
them again."""


def parse_ip(value: str) -> Address | None:
    """An address as Kubernetes has always read them: leading zeros in octets are ignored, zones are refused."""
    return _recalled(value) if len(value) <= LONGEST else _parsed(value)


def _parsed(value: str) -> Address | None:
    if "%" in value:
        return None
    if value.count(".") == 3 and ":" not in value:
        parts = value.split(".")
        if not all(_OCTET.fullmatch(part) for part in parts):
            return None
        value = ".".join(part.lstrip("0") or "0" for part in parts)
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def non_special_ip(value: str) -> Sequence[str]:
    """ValidateEndpointIP: no address that means the host, nobody, or only this link."""
    return _special_recalled(value) if len(value) <= LONGEST else _special(value)


def _special(value: str) -> tuple[str, ...]:
    address = parse_ip(value)
    if address is None:
        return ("must be a valid IP address",)
    found = [f"may not be unspecified ({value})"] if address.is_unspecified else []
    if address.is_loopback:
        found.append("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        found.append("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if any(address.version == net.version and address in net for net in _LINK_LOCAL_MULTICAST):
        found.append("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    return tuple(found)


_LINK_LOCAL_MULTICAST = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))
_recalled, _special_recalled = lru_cache(maxsize=RECALLED)(_parsed), lru_cache(maxsize=RECALLED)(_special)


def legacy_ip(value: str) -> list[str]:
    """Fields that predate strict validation (KEP-4858): any spelling but leading zeros and IPv4 inside IPv6."""
    parsed = parse_ip(value)
    if parsed is None:
        return [_IP_TEXT]
    if parsed.version == 4 and value != str(parsed):
        return ["must not have leading 0s"]
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        return ["must not be an IPv4-mapped IPv6 address"]
    return []


def ip_address(value: str) -> list[str]:
    """Newer fields: an address in its canonical form (RFC 5952)."""
    found = legacy_ip(value)
    if not found and value != str(parse_ip(value)):
        found.append(f'must be in canonical form ("{parse_ip(value)}")')
    return found


def parse_cidr(value: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    """An address and a prefix length, leading zeros ignored."""
    address, slash, length = value.partition("/")
    parsed = parse_ip(address)
    if parsed is None or not slash or not _OCTET.fullmatch(length) or bounded(length) > parsed.max_prefixlen:
        return None
    return ipaddress.ip_interface(f"{parsed}/{bounded(length)}")


def legacy_cidr(value: str) -> list[str]:
    """Fields that predate strict validation (KEP-4858)."""
    parsed = parse_cidr(value)
    if parsed is None:
        return [_CIDR_TEXT]
    address, _, length = value.partition("/")
    if (parsed.version == 4 and address != str(parsed.ip)) or length != str(bounded(length)):
        return ["must not have leading 0s in IP or prefix length"]
    if parsed.version == 6 and parsed.ip.ipv4_mapped is not None:
        return ["must not have an IPv4-mapped IPv6 address"]
    if parsed.ip != parsed.network.network_address:
        return ["must not have bits set beyond the prefix length"]
    return []


def cidr(value: str) -> list[str]:
    """Newer fields: a network in its canonical form."""
    found = legacy_cidr(value)
    if not found and (parsed := parse_cidr(value)) is not None and value != str(parsed.network):
        found.append(f'must be in canonical form ("{parsed.network}")')
    return found


def ip_warnings(path: str, value: str) -> list[str]:
    """What is discouraged about an address that `legacy_ip` accepts."""
    parsed = parse_ip(value)
    if parsed is None or parsed.version == 4 or value == str(parsed):
        return []
    return [f'{path}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{parsed}")']


def cidr_warnings(path: str, value: str) -> list[str]:
    """What is discouraged about a network that `legacy_cidr` accepts."""
    parsed = parse_cidr(value)
    if parsed is None:
        return []
    network = parsed.network
    if parsed.ip != network.network_address:
        single = f"{parsed.ip}/{network.max_prefixlen}"
        return [f'{path}: CIDR value "{value}" is ambiguous in this context (should be "{network}" or "{single}"?)']
    if network.version == 6 and value != str(network):
        return [f'{path}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{network}")']
    return []
