"""Hints of `service.kubernetes.io/topology-mode: Auto` (KEP-2433): each zone gets endpoints in proportion to the CPU of
its nodes. Upstream: k8s.io/endpointslice/topologycache."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controllers import pods
from miniplane.apimachinery.quantity import Quantity
from miniplane.client.api import Object

MODE, OLD_MODE = "service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"
ZONE = "topology.kubernetes.io/zone"
OVERLOAD = 0.2
"""How much more than its share an endpoint may get."""
CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

NO_NODES = "Insufficient node information: allocatable CPU or zone not specified on one or more nodes"
NO_ENDPOINTS = "Insufficient number of endpoints"
OVERLOADED = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"
NO_ZONE = "One or more endpoints do not have a zone specified"
ENABLED, DISABLED = "Topology Aware Hints has been enabled", "Topology Aware Hints has been disabled"


class Unavailable(Exception):
    """No hints are possible; the text says why."""


@dataclass(slots=True)
class Share:
    """Endpoints that a zone gets at most, and should get."""

    maximum: int
    desired: float


def is_automatic(service: Object) -> bool:
    annotations = service["metadata"].get("annotations") or {}
    return annotations.get(MODE, annotations.get(OLD_MODE)) in ("Auto", "auto")


def is_ready(endpoint: Object) -> bool:
    return bool((endpoint.get("conditions") or {}).get("ready"))


def has_hints(found: Iterable[Object]) -> bool:
    return any(endpoint.get("hints") for one in found for endpoint in one.get("endpoints") or ())


def cpu_by_zone(nodes: Iterable[Object]) -> dict[str, float]:
    """The share of each zone in the CPU of all ready nodes. Raises Unavailable where a node does not tell, or for
    fewer than two zones."""
    found: Counter[str] = Counter()
    for node in nodes:
        if not pods.is_ready(node) or any(label in pods.labels_of(node) for label in CONTROL_PLANE):
            continue
        zone = pods.labels_of(node).get(ZONE)
        given = ((node.get("status") or {}).get("allocatable") or {}).get("cpu")
        if not zone or not given or not (cpu := Quantity.parse(given).milli_value()):
            raise Unavailable(NO_NODES)
        found[zone] += cpu
    if len(found) < 2:
        raise Unavailable(NO_NODES)
    return {zone: cpu / found.total() for zone, cpu in found.items()}


def shares(ratios: dict[str, float], count: int) -> dict[str, Share]:
    """What each zone gets of so many endpoints. Raises Unavailable where they are too few."""
    numbers = f"({count} endpoints, {len(ratios)} zones)"
    if len(ratios) > count:
        raise Unavailable(f"{NO_ENDPOINTS} {numbers}")
    minimums = {zone: math.ceil(ratio * count / (1 + OVERLOAD)) for zone, ratio in ratios.items()}
    spare = count - sum(minimums.values())
    if spare < 0:
        raise Unavailable(f"{OVERLOADED} {numbers}")
    return {zone: Share(low + spare, max(ratios[zone] * count, low)) for zone, low in minimums.items()}


def _hints_of(found: Object, given: Counter[str], wanted: dict[str, Share]) -> Counter[str] | None:
    """The zones that an untouched slice serves; None where it has to be written again."""
    zones: Counter[str] = Counter()
    for endpoint in filter(is_ready, found.get("endpoints") or ()):
        hinted = [zone["name"] for zone in (endpoint.get("hints") or {}).get("forZones") or ()]
        if not hinted or any(zone not in wanted for zone in hinted):
            return None
        zones.update(hinted)
    fits = all(count + given[zone] <= wanted[zone].maximum for zone, count in zones.items())
    return zones if fits else None


def _moves(wanted: dict[str, Share], given: Counter[str]) -> tuple[Counter[str], Counter[str]]:
    """How many endpoints zones give to others, and receive: the greatest surplus to the greatest need first."""
    differences = {zone: given[zone] - share.desired for zone, share in sorted(wanted.items())}
    surplus = {zone: number for zone, number in differences.items() if number > 0}
    needs = {zone: -number for zone, number in differences.items() if number < 0}
    giving: Counter[str] = Counter()
    receiving: Counter[str] = Counter()
    while surplus and needs:
        giver, taker = max(surplus, key=surplus.__getitem__), max(needs, key=needs.__getitem__)
        if max(surplus[giver], needs[taker]) < 1.0 or min(surplus[giver], needs[taker]) < 0.5:
            break
        giving[giver] += 1
        receiving[taker] += 1
        surplus[giver] -= 1
        needs[taker] -= 1
    return giving, receiving


def assign(
    nodes: Iterable[Object], changed: Sequence[Object], unchanged: Sequence[Object]
) -> tuple[list[Object], list[Object]]:
    """(the changed slices, those of the unchanged ones that must change) with hints. Raises Unavailable."""
    everything = [endpoint for one in (*changed, *unchanged) for endpoint in one.get("endpoints") or ()]
    wanted = shares(cpu_by_zone(nodes), sum(map(is_ready, everything)))
    given: Counter[str] = Counter()
    again = []
    for one in unchanged:
        zones = _hints_of(one, given, wanted)
        if zones is None:
            again.append(one)
        else:
            given.update(zones)
    touched = [_at_home(one, given) for one in (*changed, *again)]
    _redistribute(touched, *_moves(wanted, given))
    return touched[: len(changed)], touched[len(changed) :]


def _at_home(found: Object, given: Counter[str]) -> Object:
    """The slice with each endpoint hinted to its own zone."""
    endpoints = []
    for endpoint in found.get("endpoints") or ():
        kept = {key: value for key, value in endpoint.items() if key != "hints"}
        if is_ready(endpoint):
            if not endpoint.get("zone"):
                raise Unavailable(NO_ZONE)
            given[endpoint["zone"]] += 1
            kept["hints"] = {"forZones": [{"name": endpoint["zone"]}]}
        endpoints.append(kept)
    return {**found, "endpoints": endpoints}


def _redistribute(found: Sequence[Object], giving: Counter[str], receiving: Counter[str]) -> None:
    for endpoint in (endpoint for one in found for endpoint in one["endpoints"] if endpoint.get("hints")):
        taker = next((zone for zone, count in receiving.items() if count > 0), None)
        if taker is None:
            return
        if giving[endpoint["zone"]] > 0:
            endpoint["hints"] = {"forZones": [{"name": taker}]}
            giving[endpoint["zone"]] -= 1
            receiving[taker] -= 1
