"""Hints of endpoints: who should prefer them (KEP-4444 trafficDistribution, KEP-3015 PreferSameNode)."""

from __future__ import annotations

from collections.abc import Sequence

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


def reconcile_hints(
    distribution: str | None, plan: Plan, unchanged: Sequence[Object]
) -> tuple[list[Object], list[Object]]:
    """The slices to create and to update, with hints; unchanged ones join the updates where only hints differ."""
    update = [*plan.update, *(found for found in unchanged if _needs(found, distribution))]
    return [_hinted(found, distribution) for found in plan.create], [_hinted(found, distribution) for found in update]
