"""Proposes free addresses and ports (pure). What is proposed is claimed by the write itself.

Both ranges keep a lower band for explicit requests and draw from the rest first (KEP-3070, KEP-3682).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Container

TRIES = 64
"""Random draws before the range is searched from a random point on."""


def address_band(size: int) -> int:
    """How many addresses the lower band has: min(max(16, size/16), 256) (KEP-3070)."""
    return min(max(16, size // 16), 256) if size > 16 else 0


def port_band(size: int) -> int:
    """How many ports the lower band has: min(max(16, size/32), 128) (KEP-3682)."""
    return min(max(16, size // 32), 128) if size > 16 else 0


def free_address(cidr: str, taken: Callable[[str], bool]) -> str | None:
    """A free address of the range, never its network or broadcast address; None where there is none."""
    network = ipaddress.ip_network(cidr)
    base, last = int(network.network_address), network.num_addresses - 1
    first_broadcast = last if network.version == 4 else last + 1
    size = first_broadcast - 1
    offset = _pick(size, address_band(size), lambda n: taken(str(ipaddress.ip_address(base + 1 + n))))
    return str(ipaddress.ip_address(base + 1 + offset)) if offset is not None else None


def free_port(low: int, high: int, taken: Container[int]) -> int | None:
    """A free port of the range, ends included; None where there is none."""
    size = high - low + 1
    offset = _pick(size, port_band(size), lambda n: low + n in taken)
    return low + offset if offset is not None else None


def _pick(size: int, band: int, taken: Callable[[int], bool]) -> int | None:
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
    return next((n for n in (*range(start, high), *range(low, start)) if not taken(n)), None)


def usable(address: str, cidr: str) -> bool:
    """Whether an explicit address lies in the range and is not its network or broadcast address."""
    network, parsed = ipaddress.ip_network(cidr), ipaddress.ip_address(address)
    if parsed.version != network.version or parsed not in network:
        return False
    return parsed != network.network_address and (network.version == 6 or parsed != network.broadcast_address)
