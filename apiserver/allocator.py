"""Proposes free addresses and ports (pure). What is proposed is claimed by the write itself.

Both ranges keep a lower band for explicit requests and draw from the rest first (KEP-3070, KEP-3682).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from itertools import chain

TRIES = 64
"""Random draws before the range is searched from a random point on."""
MIN_BAND = 16
"""The smallest lower band; ranges that are no larger have none."""


def address_band(size: int) -> int:
    """How many addresses of a range of `size` the lower band has: min(max(16, size/16), 256) (KEP-3070)."""
    return min(max(MIN_BAND, size // 16), 256) if size > MIN_BAND else 0


def port_band(size: int) -> int:
    """How many ports of a range of `size` the lower band has: min(max(16, size/32), 128) (KEP-3682)."""
    return min(max(MIN_BAND, size // 32), 128) if size > MIN_BAND else 0


def free_address(cidr: str, taken: Callable[[str], bool]) -> str | None:
    """A free address of the range, never its network or broadcast address; None where there is none."""
    network = ipaddress.ip_network(cidr)
    first, count = _usable(network)
    offset = _pick(count, address_band(network.num_addresses), lambda n: taken(_text(network, first + n)))
    return _text(network, first + offset) if offset is not None else None


def free_port(low: int, high: int, taken: Callable[[int], bool]) -> int | None:
    """A free port of the range, ends included; None where there is none."""
    size = high - low + 1
    offset = _pick(size, port_band(size), lambda n: taken(low + n))
    return low + offset if offset is not None else None


def usable(address: str, cidr: str) -> bool:
    """Whether an explicit address lies in the range and is not its network or broadcast address."""
    network, parsed = ipaddress.ip_network(cidr), ipaddress.ip_address(address)
    first, count = _usable(network)
    return parsed.version == network.version and first <= int(parsed) < first + count


def network_address(cidr: str) -> str:
    """The address no Service ever gets: what a dry run shows instead of drawing one."""
    return str(ipaddress.ip_network(cidr).network_address)


def _usable(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> tuple[int, int]:
    """(the first address as a number, how many there are). IPv6 has no broadcast address."""
    without = 2 if network.version == 4 else 1
    return int(network.network_address) + 1, max(network.num_addresses - without, 0)


def _text(network: ipaddress.IPv4Network | ipaddress.IPv6Network, number: int) -> str:
    return str(ipaddress.IPv4Address(number) if network.version == 4 else ipaddress.IPv6Address(number))


def _pick(size: int, band: int, taken: Callable[[int], bool]) -> int | None:
    """A free offset: above the band while there is one, then inside it."""
    band = min(band, size)
    for low, high in ((band, size), (0, band)):
        found = _draw(low, high, taken)
        if found is not None:
            return found
    return None


def _draw(low: int, high: int, taken: Callable[[int], bool]) -> int | None:
    if high <= low:
        return None
    for _ in range(TRIES):
        offset = random.randrange(low, high)
        if not taken(offset):
            return offset
    start = random.randrange(low, high)
    return next((n for n in chain(range(start, high), range(low, start)) if not taken(n)), None)
