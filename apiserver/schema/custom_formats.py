"""String formats that custom resources are checked for (kube-openapi's strfmt). Formats not listed are not enforced."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

from apiserver.schema import gotime

_HOSTNAME = re.compile(r"(?=.{1,255}$)([a-zA-Z0-9](-?[a-zA-Z0-9])*)(\.[a-zA-Z0-9](-?[a-zA-Z0-9])*)*\.?", re.ASCII)
_EMAIL = re.compile(r"[^@\s<>(),;:\\\"\[\]]+@[^@\s]+", re.ASCII)
_UUID = r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?%s[0-9a-fA-F]{3}-?%s[0-9a-fA-F]{3}-?[0-9a-fA-F]{12}"
_DURATION = re.compile(
    r"[+-]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|0|\d+\s*"
    r"(ns|nano(second)?s?|us|µs|micro(second)?s?|ms|milli(second)?s?|s|sec(ond)?s?|m|min(ute)?s?|h|hr|hours?|d|days?|w|wk|weeks?)"
)


def _succeeds(check: Callable[[str], object]) -> Callable[[str], bool]:
    def checked(text: str) -> bool:
        try:
            check(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return checked


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _uri(text: str) -> bool:
    """url.ParseRequestURI: absolute, or a rooted path."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(text) and (bool(parts.scheme) or text.startswith("/")) and not re.search(r"[\s\x00-\x1f]", text)


def _cidr(text: str) -> bool:
    address, slash, length = text.partition("/")
    if not slash or not length.isdigit():
        return False
    return _succeeds(lambda value: ipaddress.ip_network(value, strict=False))(f"{address}/{length}")


def _credit_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if not 12 < len(digits) < 20:
        return False
    doubled = [int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


FORMATS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches("[0-9a-fA-F]{24}"),
    "byte": _succeeds(lambda text: base64.b64decode(text, validate=True)),
    "cidr": _cidr,
    "creditcard": _credit_card,
    "date": _succeeds(date.fromisoformat),
    "date-time": _succeeds(lambda text: gotime.canonical(text, False)),
    "datetime": _succeeds(lambda text: gotime.canonical(text, False)),
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "hexcolor": _matches("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": lambda text: _HOSTNAME.fullmatch(text) is not None,
    "ipv4": _succeeds(ipaddress.IPv4Address),
    "ipv6": _succeeds(ipaddress.IPv6Address),
    "mac": _matches("([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}|([0-9a-fA-F]{4}[.]){2}[0-9a-fA-F]{4}"),
    "password": lambda text: True,
    "rgbcolor": _matches(r"rgb\((0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])(,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])){2}\)"),
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _uri,
    "uuid": _matches(_UUID % ("[0-9a-fA-F]", "[0-9a-fA-F]")),
    "uuid3": _matches(_UUID % ("3", "[0-9a-fA-F]")),
    "uuid4": _matches(_UUID % ("4", "[89abAB]")),
    "uuid5": _matches(_UUID % ("5", "[89abAB]")),
}
"""Format -> whether a string has it."""
