"""Hints of endpoints: who should prefer them (KEP-4444 trafficDistribution, KEP-3015 PreferSameNode)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controllers import topology
from controllers.slices import Plan
from miniplane.client.api import Object

SAME_ZONE = ("PreferSameZone", "PreferClose")
SAME_NODE = "PreferSameNode"


def hints(endpoint: Object, distribution: str | None) -> Object | None:
    """The hints of one endpoint; None for none. Endpoints that are not ready get none."""
    if not (endpoint.get("conditions") or {}).get("ready"):
        return None
    found: Object = {}
    if endpoint.get("zone") and (distribution in SAME_ZONE or distribution == SAME_NODE):
        found["forZones"] = [{"name": endpoint["zone"]}]
    if endpoint.get("nodeName") and distribution == SAME_NODE:
        found["forNodes"] = [{"name": endpoint["nodeName"]}]
    return found or None


def _hinted(found: Object, distribution: str | None) -> Object:
    endpoints = []
    for endpoint in found.get("endpoints") or ():
        kept = {key: value for key, value in endpoint.items() if key != "hints"}
        wanted = hints(endpoint, distribution)
        endpoints.append({**kept, "hints": wanted} if wanted else kept)
    return {**found, "endpoints": endpoints}


def _needs(found: Object, distribution: str | None) -> bool:
    given = found.get("endpoints") or ()
    return any((endpoint.get("hints") or None) != hints(endpoint, distribution) for endpoint in given)


def add_hints(service: Object, family: str, nodes: Iterable[Object], plan: Plan, unchanged: Sequence[Object]) -> None:
    """Give the plan's slices their hints; unchanged ones join it where only hints differ. Topology mode Auto goes
    before trafficDistribution."""
    distribution = service["spec"].get("trafficDistribution")
    suffix = f", addressType: {family}"
    if topology.is_automatic(service):
        distribution = None
        try:
            changed, again = topology.assign(nodes, (*plan.create, *plan.update), unchanged)
        except topology.Unavailable as error:
            plan.events.append(("Warning", "TopologyAwareHintsDisabled", f"{error}{suffix}"))
        else:
            count = len(plan.create)
            plan.create, plan.update = changed[:count], [*changed[count:], *again]
            plan.events.append(("Normal", "TopologyAwareHintsEnabled", topology.ENABLED + suffix))
            return
    plan.create, plan.update = reconcile_hints(distribution, plan, unchanged)


def reconcile_hints(
    distribution: str | None, plan: Plan, unchanged: Sequence[Object]
) -> tuple[list[Object], list[Object]]:
    """The slices to create and to update, with hints; unchanged ones join the updates where only hints differ."""
    update = [*plan.update, *(found for found in unchanged if _needs(found, distribution))]
    return [_hinted(found, distribution) for found in plan.create], [_hinted(found, distribution) for found in update]
