"""CEL: IP addresses, networks and URLs."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from apiserver.addresses import legacy_cidr, legacy_ip, parse_cidr
from apiserver.cel.values import MARK, Failed, marked, opened, plain

Row = tuple[str, str, Sequence[str], Callable[..., Any], bool]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _parsed(text: str) -> Address:
    if legacy_ip(text):
        raise Failed(f"IP Address '{text}' parse error during conversion from string: unable to parse IP")
    return ipaddress.ip_address(text)


def _ip(text: str) -> Any:
    return marked("ip", text=str(_parsed(text)))


def _address(value: Any) -> Address:
    found = plain(value)
    return _parsed(found) if isinstance(found, str) else ipaddress.ip_address(opened(found, "ip")["text"])


def _holds(check: Callable[[str], Any]) -> Callable[[str], bool]:
    def call(text: str) -> bool:
        try:
            check(text)
        except Failed:
            return False
        return True

    return call


def _is_canonical(text: str) -> bool:
    return str(_parsed(text)) == text


def _is(name: str) -> Callable[[Any], bool]:
    return lambda value: bool(getattr(_address(value), name))


def _is_global_unicast(value: Any) -> bool:
    """Go's idea of it: private addresses count, the broadcast address does not."""
    found = _address(value)
    barred = found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local
    return not barred and found != ipaddress.ip_address("255.255.255.255")


def _is_link_local_multicast(value: Any) -> bool:
    found = _address(value)
    return found in ipaddress.ip_network("224.0.0.0/24" if found.version == 4 else "ff02::/16")


def _cidr(text: str) -> Any:
    found = parse_cidr(text)
    if found is None or (legacy_cidr(text) and "bits set" not in legacy_cidr(text)[0]):
        raise Failed(f"network address parse error during conversion from string: '{text}'")
    return marked("cidr", text=str(found))


def _network(value: Any) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    found = plain(value)
    text = _cidr(found)["text"] if isinstance(found, str) else opened(found, "cidr")["text"]
    return ipaddress.ip_interface(text)


def _contains_ip(value: Any, address: Any) -> bool:
    return _address(address) in _network(value).network


def _contains_cidr(value: Any, inner: Any) -> bool:
    outer, other = _network(value).network, _network(inner).network
    if isinstance(outer, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and other.subnet_of(outer)
    return isinstance(other, ipaddress.IPv6Network) and other.subnet_of(outer)


def _url(text: str) -> Any:
    """An absolute URI or an absolute path."""
    try:
        found = urlsplit(text)
        port = found.port
    except ValueError as error:
        raise Failed(f"URL parse error during conversion from string: {error}") from None
    if not found.scheme and not text.startswith("/"):
        raise Failed(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    host = found.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return marked(
        "url",
        scheme=found.scheme,
        host=f"{shown}:{port}" if port is not None else shown,
        hostname=shown,
        port="" if port is None else str(port),
        path=found.path,
        query=parse_qs(found.query, keep_blank_values=True),
    )


def _of_url(name: str) -> Callable[[Any], Any]:
    return lambda value: opened(value, "url")[name]


def _shown(value: Any) -> str:
    """An address or a network as a string."""
    found = plain(value)
    kind = "cidr" if isinstance(found, dict) and found.get(MARK) == "cidr" else "ip"
    return str(opened(found, kind)["text"])


TABLE: tuple[Row, ...] = (
    ("string", "string", ("map",), _shown, False),
    ("ip", "any", ("string",), _ip, False),
    ("isIP", "bool", ("string",), _holds(_ip), False),
    ("ip.isCanonical", "bool", ("string",), _is_canonical, False),
    ("family", "int", ("any",), lambda value: _address(value).version, True),
    ("isUnspecified", "bool", ("any",), _is("is_unspecified"), True),
    ("isLoopback", "bool", ("any",), _is("is_loopback"), True),
    ("isLinkLocalMulticast", "bool", ("any",), _is_link_local_multicast, True),
    ("isLinkLocalUnicast", "bool", ("any",), _is("is_link_local"), True),
    ("isGlobalUnicast", "bool", ("any",), _is_global_unicast, True),
    ("cidr", "any", ("string",), _cidr, False),
    ("isCIDR", "bool", ("string",), _holds(_cidr), False),
    ("containsIP", "bool", ("any", "any"), _contains_ip, True),
    ("containsCIDR", "bool", ("any", "any"), _contains_cidr, True),
    ("ip", "any", ("any",), lambda value: _ip(str(_network(value).ip)), True),
    ("masked", "any", ("any",), lambda value: marked("cidr", text=str(_network(value).network)), True),
    ("prefixLength", "int", ("any",), lambda value: _network(value).network.prefixlen, True),
    ("url", "any", ("string",), _url, False),
    ("isURL", "bool", ("string",), _holds(_url), False),
    ("getScheme", "string", ("any",), _of_url("scheme"), True),
    ("getHost", "string", ("any",), _of_url("host"), True),
    ("getHostname", "string", ("any",), _of_url("hostname"), True),
    ("getPort", "string", ("any",), _of_url("port"), True),
    ("getEscapedPath", "string", ("any",), _of_url("path"), True),
    ("getQuery", "any", ("any",), _of_url("query"), True),
)
