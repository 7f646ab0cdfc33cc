"""Where cluster IPs come from: the ServiceCIDRs that are ready, family by family (KEP-1880)."""

from __future__ import annotations

import ipaddress

from apiserver.allocator import free_address, network_address, usable
from apiserver.kinds.kind import Cluster, Context, Object
from apiserver.storage.types import Claim

IP_ADDRESSES, SERVICE_CIDRS = "ipaddresses.networking.k8s.io", "servicecidrs.networking.k8s.io"
DEFAULT_SERVICE_CIDR = "kubernetes"
ADDRESS_SPACE = "clusterip"
"""Beside its IPAddress an address has a claim, which nobody can delete by hand."""
LONGEST_IPV6_RANGE = 64
"""Larger IPv6 networks have no allocator in the real server; their ServiceCIDR is stored and gives no addresses."""


def family_of(address: str) -> str:
    """The IP family of an address or network."""
    return "IPv6" if ":" in address else "IPv4"


def families(cluster: Cluster) -> list[str]:
    """The families that the server was started with; the first is the default of Services."""
    return [family_of(cidr) for cidr in cluster.service_cidrs]


def canonical(address: str) -> str:
    """The name of the IPAddress of a cluster IP."""
    return str(ipaddress.ip_address(address))


def claim(address: str) -> Claim:
    return Claim(ADDRESS_SPACE, canonical(address))


def draw(family: str, context: Context) -> str | None:
    """A free address of a family, None where every range is full. A dry run does not search: it shows the network's
    own address."""
    for cidr in _ranges(family, context.cluster):
        if context.dry_run:
            return network_address(cidr)
        found = free_address(cidr, lambda address: _held(address, context.cluster))
        if found is not None:
            return found
    return None


def unavailable(address: str, context: Context) -> str:
    """Why an explicit address cannot be had; "" where it can."""
    wanted, ranges = canonical(address), _ranges(family_of(address), context.cluster)
    if not any(usable(wanted, cidr) for cidr in ranges):
        if context.dry_run and ranges:
            return f"the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {ranges[0]}"
        return "the provided network does not match the current range"
    if not context.dry_run and _held(wanted, context.cluster):
        return "provided IP is already allocated"
    return ""


def _held(address: str, cluster: Cluster) -> bool:
    return cluster.exists(IP_ADDRESSES, "", address) or cluster.claimed(ADDRESS_SPACE, address) is not None


def _ranges(family: str, cluster: Cluster) -> list[str]:
    """Networks of the family, the server's own first. The default ServiceCIDR counts as there while it is missing: the
    real server makes it again."""
    stored = {cidr["metadata"]["name"]: cidr for cidr in cluster.list(SERVICE_CIDRS)}
    found: list[str] = []
    if DEFAULT_SERVICE_CIDR not in stored:
        found += cluster.service_cidrs
    for name in sorted(stored, key=lambda name: (name != DEFAULT_SERVICE_CIDR, name)):
        if _ready(stored[name]):
            found += (stored[name].get("spec") or {}).get("cidrs") or ()
    return [cidr for cidr in found if family_of(cidr) == family and _has_allocator(cidr)]


def _has_allocator(cidr: str) -> bool:
    return family_of(cidr) == "IPv4" or int(cidr.rpartition("/")[2]) >= LONGEST_IPV6_RANGE


def _ready(service_cidr: Object) -> bool:
    """One without a condition counts as ready: there may be no controllers."""
    if service_cidr["metadata"].get("deletionTimestamp"):
        return False
    conditions = (service_cidr.get("status") or {}).get("conditions") or ()
    return all(condition.get("status") == "True" for condition in conditions if condition.get("type") == "Ready")
