"""Addresses and node ports of a Service: explicit ones are checked, missing ones drawn.

What is drawn here is only proposed: the write claims it, and a lost claim draws again.
"""

from __future__ import annotations

import copy

from apiserver import errors
from apiserver.allocator import free_port
from apiserver.field import FieldError, invalid
from apiserver.kinds.kind import Context, Object
from apiserver.kinds.service_addresses import complete_families
from apiserver.kinds.service_ranges import canonical, claim, draw, families, unavailable
from apiserver.kinds.service_types import needs_address, needs_health_check, needs_node_ports, node_ports
from apiserver.storage.types import Claim

PORT_SPACE = "nodeport"
"""One space for all protocols: a node port belongs to one Service, which may use it for TCP and UDP both."""
TAKEN = "provided port is already allocated"
DRY_RUN_PORT = 32768
"""A dry run numbers the ports that it does not draw from here on, as the real server does."""


def claims_of(obj: Object) -> tuple[Claim, ...]:
    """The addresses and node ports that a stored Service holds."""
    spec = obj["spec"]
    numbers = set(node_ports(spec)) if needs_node_ports(spec) else set()
    if needs_health_check(spec) and spec.get("healthCheckNodePort"):
        numbers.add(spec["healthCheckNodePort"])
    addresses = tuple(claim(address) for address in addresses_of(obj))
    return addresses + tuple(Claim(PORT_SPACE, str(number)) for number in sorted(numbers))


def addresses_of(obj: Object | None) -> list[str]:
    """The addresses a Service holds, in canonical form: none when headless or ExternalName."""
    spec = (obj or {}).get("spec") or {}
    if not needs_address(spec):
        return []
    return [canonical(address) for address in spec.get("clusterIPs") or () if address not in ("", "None")]


def settle_families(obj: Object, old: Object | None, context: Context) -> None:
    """Complete ipFamilies and ipFamilyPolicy. Raises 422."""
    _refuse(obj, complete_families(obj["spec"], (old or {}).get("spec"), families(context.cluster)))


def rehearse(obj: Object, old: Object | None, context: Context) -> None:
    """Raise what `allocate` would say of explicit values, and change nothing: allocation comes before validation."""
    spec = obj["spec"]
    if spec.get("clusterIP") or spec.get("healthCheckNodePort") or node_ports(spec):
        _allocate(copy.deepcopy(obj), old, _Ports(context, draws=False), context)


def allocate(obj: Object, old: Object | None, context: Context) -> None:
    """Fill in clusterIP, clusterIPs, node ports and healthCheckNodePort. Raises 422 for explicit values that cannot be
    had, 500 for an exhausted range and for every fault of healthCheckNodePort."""
    _allocate(obj, old, _Ports(context), context)


def _allocate(obj: Object, old: Object | None, ports: _Ports, context: Context) -> None:
    spec, before = obj["spec"], (old or {}).get("spec")
    for place in _missing_places(spec, before):
        _address(obj, spec, place, ports.draws, context)
    if needs_node_ports(spec):
        if before is None:
            _new_ports(obj, spec, ports)
        else:
            _changed_ports(obj, spec, before, ports)
    if needs_health_check(spec) and not (before is not None and needs_health_check(before)):
        _health_check(spec, ports)


def _refuse(obj: Object, faults: list[FieldError]) -> None:
    if faults:
        raise errors.invalid("", "Service", obj["metadata"].get("name", ""), faults)


def _missing_places(spec: Object, before: Object | None) -> list[int]:
    """Which of clusterIPs are to be allocated: all of a Service that had none, the second of one that becomes
    dual-stack."""
    if not needs_address(spec) or (spec.get("clusterIPs") or [""])[0] == "None":
        return []
    wanted = len(spec.get("ipFamilies") or ())
    if before is None or not needs_address(before):
        return list(range(wanted))
    if (before.get("clusterIPs") or [""])[0] == "None":
        return []
    return [1] if wanted == 2 and len(before.get("ipFamilies") or ()) == 1 else []


def _address(obj: Object, spec: Object, place: int, draws: bool, context: Context) -> None:
    """Check or draw one of clusterIPs."""
    addresses = [*(spec.get("clusterIPs") or ())]
    addresses += [""] * (len(spec["ipFamilies"]) - len(addresses))
    wanted = addresses[place]
    if wanted:
        why = unavailable(wanted, context)
        if why:
            text = f"failed to allocate IP {wanted}: {why}"
            _refuse(obj, [invalid("spec.clusterIPs", addresses, text)])
        return
    if not draws:
        return
    found = draw(spec["ipFamilies"][place], context)
    if found is None:
        raise errors.internal("failed to allocate a serviceIP: range is full")
    addresses[place] = found
    spec["clusterIP"], spec["clusterIPs"] = addresses[0], addresses


class _Ports:
    """The node ports during one write: what others hold, and what this write has taken so far."""

    def __init__(self, context: Context, *, draws: bool = True) -> None:
        self.cluster, self.dry_run, self.draws = context.cluster, context.dry_run, draws
        self.taken: set[int] = set()

    def held(self, number: int) -> bool:
        return number in self.taken or self.cluster.claimed(PORT_SPACE, str(number)) is not None

    def take(self, number: int) -> str:
        """Take an explicit port; answers why it cannot be had. A dry run does not look at the range."""
        low, high = self.cluster.node_port_range
        if not self.dry_run and not low <= number <= high:
            return f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
        if self.held(number):
            return TAKEN
        self.taken.add(number)
        return ""

    def draw(self, what: str) -> int:
        """A free port; 0 in a rehearsal. Raises 500 where there is none."""
        if not self.draws:
            return 0
        if self.dry_run:
            found: int | None = max(self.taken, default=DRY_RUN_PORT) + 1
        else:
            found = free_port(*self.cluster.node_port_range, self.held)
        if found is None:
            raise errors.internal(f"failed to allocate a {what}: range is full")
        self.taken.add(found)
        return found


def _gives_ports(spec: Object) -> bool:
    return spec["type"] == "NodePort" or bool(spec.get("allocateLoadBalancerNodePorts"))


def _new_ports(obj: Object, spec: Object, ports: _Ports) -> None:
    """Ports of the same number (TCP and UDP) share one node port, explicit or drawn."""
    shared: dict[int, int] = {}
    for index, port in enumerate(spec.get("ports") or ()):
        number, explicit = port["port"], port.get("nodePort", 0)
        if not explicit and not _gives_ports(spec):
            continue
        if number in shared:
            if not explicit:
                port["nodePort"] = shared[number]
            elif explicit != shared[number]:
                _take(obj, index, explicit, ports)
            continue
        wanted = _requested(number, spec)
        if wanted:
            _take(obj, index, wanted, ports)
        found = wanted or ports.draw("nodePort")
        if found:
            port["nodePort"] = shared[number] = found


def _requested(number: int, spec: Object) -> int:
    """The node port that any entry with this port number asks for."""
    for port in spec["ports"]:
        if port["port"] == number and port.get("nodePort"):
            return int(port["nodePort"])
    return 0


def _take(obj: Object, index: int, number: int, ports: _Ports) -> None:
    why = ports.take(number)
    if why:
        _refuse(obj, [invalid(f"spec.ports[{index}].nodePort", number, why)])


def _changed_ports(obj: Object, spec: Object, before: Object, ports: _Ports) -> None:
    mine = set(node_ports(before)) if needs_node_ports(before) else set()
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.get("ports") or ()):
        number = port.get("nodePort", 0)
        if not number and not _gives_ports(spec):
            continue
        if number and number not in mine and number not in ports.taken:
            _take(obj, index, number, ports)
        if not number:
            number = ports.draw("nodePort")
            if not number:
                continue
            port["nodePort"] = number
        pair = (port.get("protocol", ""), number)
        if pair in seen:
            raise errors.plain_internal(f"duplicate nodePort: {{{pair[0]} {pair[1]}}}")
        seen.add(pair)


def _health_check(spec: Object, ports: _Ports) -> None:
    wanted = spec.get("healthCheckNodePort", 0)
    if not wanted:
        found = ports.draw("HealthCheck NodePort 0")
        if found:
            spec["healthCheckNodePort"] = found
        return
    why = ports.take(wanted)
    if why:
        raise errors.internal(f"failed to allocate requested HealthCheck NodePort {wanted}: {why}")
