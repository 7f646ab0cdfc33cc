"""Quality of service: how a pod's cpu and memory are asked for (v1 helper qos)."""

from __future__ import annotations

from apiserver.kinds.kind import Object
from miniplane.apimachinery.quantity import Quantity

_RESOURCES = ("cpu", "memory")


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort."""
    whole = spec.get("resources") or {}
    if whole.get("requests") or whole.get("limits"):
        return _of([whole])
    holders = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    return _of([container.get("resources") or {} for container in holders])


def _of(resources: list[Object]) -> str:
    any_set, guaranteed = False, True
    for item in resources:
        requests, limits = item.get("requests") or {}, item.get("limits") or {}
        for name in _RESOURCES:
            request, limit = (Quantity.parse(side.get(name, "0")).amount for side in (requests, limits))
            any_set = any_set or request > 0 or limit > 0
            if limit <= 0 or request != limit:
                guaranteed = False
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
