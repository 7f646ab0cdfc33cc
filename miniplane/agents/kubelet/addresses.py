"""Pod addresses of one node: the next free one, never one that is in use."""

from __future__ import annotations

import ipaddress

FIRST = 2
"""The network's own address and the node's bridge come before the first pod."""


class Addresses:
    """Which pod (by uid) holds which address."""

    def __init__(self, cidr: str) -> None:
        self.network = ipaddress.ip_network(cidr)
        self.holders: dict[str, str] = {}
        self.held: dict[str, str] = {}
        self._next = FIRST

    def hold(self, uid: str, address: str) -> bool:
        """Note that a pod has an address; False where another has it or it is not of this node."""
        if ipaddress.ip_address(address) not in self.network:
            return False
        if self.holders.setdefault(address, uid) != uid:
            return False
        self.held[uid] = address
        return True

    def take(self, uid: str, wanted: str = "") -> str | None:
        """An address for the pod (the wanted one where it is free); None where all are taken. Asking again gives the
        same one."""
        if uid in self.held:
            return self.held[uid]
        if wanted and self._is_usable(wanted) and self.hold(uid, wanted):
            return wanted
        size = self.network.num_addresses - 1 - FIRST
        for _ in range(size):
            address = str(self.network[self._next])
            self._next = FIRST + (self._next + 1 - FIRST) % size
            if self.hold(uid, address):
                return address
        return None

    def _is_usable(self, address: str) -> bool:
        try:
            return ipaddress.ip_address(address) in self.network
        except ValueError:
            return False

    def release(self, uid: str) -> None:
        """The pod is gone."""
        address = self.held.pop(uid, None)
        if address is not None:
            self.holders.pop(address, None)
