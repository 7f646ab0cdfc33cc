"""What depends on a Service's type, and what an update carries over or drops when it changes."""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.kinds.kind import Object

WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
WITH_ADDRESS = ("ClusterIP", *WITH_NODE_PORTS)


def headless(spec: Object) -> bool:
    """`clusterIP: None` alone."""
    addresses: list[str] = spec.get("clusterIPs") or []
    return addresses == ["None"]


def needs_address(spec: Object) -> bool:
    """Every type but ExternalName, unknown ones included, has a value in clusterIP, be it None."""
    return bool(spec.get("type") != "ExternalName")


def needs_node_ports(spec: Object) -> bool:
    return spec.get("type") in WITH_NODE_PORTS


def needs_health_check(spec: Object) -> bool:
    """Only load balancers that keep traffic on the node ask nodes whether they have endpoints."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def externally_accessible(spec: Object) -> bool:
    """Whether externalTrafficPolicy means anything."""
    kind = spec.get("type")
    return kind in WITH_NODE_PORTS or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def node_ports(spec: Object) -> list[int]:
    """The node ports that are set, in order."""
    return [port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")]


def match_addresses(new: Object, before: Object | None) -> None:
    """Keep clusterIP and clusterIPs in step for clients that know only one of them (NormalizeClusterIPs)."""
    one, several = new.get("clusterIP", ""), new.get("clusterIPs") or []
    if before is None:
        if one and not several:
            new["clusterIPs"] = [one]
        return
    old_one, old_several = before.get("clusterIP", ""), before.get("clusterIPs") or []
    if not several and one == old_one:
        several = list(old_several)
    if one != old_one and several == old_several:
        several = [one] if one or not old_one else []
    _put(new, "clusterIPs", several)


def carry_allocations(new: Object, before: Object) -> None:
    """Allocated values that the client left out stay, so that the same manifest may be sent again."""
    if needs_address(before) and needs_address(new):
        for name in ("clusterIP", "clusterIPs"):
            if not new.get(name) and before.get(name):
                new[name] = before[name]
    if needs_node_ports(before) and needs_node_ports(new):
        _carry_node_ports(new, before)
    if needs_health_check(before) and needs_health_check(new) and not new.get("healthCheckNodePort"):
        _put(new, "healthCheckNodePort", before.get("healthCheckNodePort"))


def _carry_node_ports(new: Object, before: Object) -> None:
    """By port name, unless the new object gives the old value to another port."""
    in_both = set(node_ports(before)) & set(node_ports(new))
    by_name = {port.get("name", ""): port.get("nodePort", 0) for port in before.get("ports") or ()}
    for port in new.get("ports") or ():
        number = by_name.get(port.get("name", ""), 0)
        if not port.get("nodePort") and number and number not in in_both:
            port["nodePort"] = number


def drop_dependents(new: Object, before: Object) -> None:
    """Fields that the new type does not have vanish where the client left them as they were; a changed value stays
    and fails validation (dropTypeDependentFields)."""
    if needs_address(before) and not needs_address(new):
        if _same(new, before, ("clusterIP", "clusterIPs")):
            _drop(new, ("clusterIP", "clusterIPs"))
        for name in ("ipFamilies", "ipFamilyPolicy"):
            if _same(new, before, (name,)):
                _drop(new, (name,))
    if needs_node_ports(before) and not needs_node_ports(new) and set(node_ports(new)) <= set(node_ports(before)):
        for port in new.get("ports") or ():
            port.pop("nodePort", None)
    for name, applies in _BY_TYPE:
        if applies(before) and not applies(new) and _same(new, before, (name,)):
            _drop(new, (name,))


def _is_load_balancer(spec: Object) -> bool:
    return bool(spec.get("type") == "LoadBalancer")


_BY_TYPE = (
    ("healthCheckNodePort", needs_health_check),
    ("allocateLoadBalancerNodePorts", _is_load_balancer),
    ("loadBalancerClass", _is_load_balancer),
    ("externalTrafficPolicy", externally_accessible),
)


def _same(new: Object, before: Object, names: Iterable[str]) -> bool:
    return all((new.get(name) or None) == (before.get(name) or None) for name in names)


def _drop(spec: Object, names: Iterable[str]) -> None:
    for name in names:
        spec.pop(name, None)


def _put(spec: Object, name: str, value: object) -> None:
    """Set, or remove where there is nothing to set."""
    if value:
        spec[name] = value
    else:
        spec.pop(name, None)
