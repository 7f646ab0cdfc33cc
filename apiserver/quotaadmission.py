"""LimitRanger and ResourceQuota: what a namespace allows a pod, and all of its objects together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.kinds.kind import Context, Kind, Object
from miniplane.apimachinery.quantity import ZERO, Quantity

if TYPE_CHECKING:
    from apiserver.request import Request

ANNOTATION = "kubernetes.io/limit-ranger"
Amounts = Mapping[str, str]


class LimitRanger(Plugin):
    """Defaults and bounds of containers, pods and claims."""

    name = "LimitRanger"

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != "pods" or old is not None:
            return
        for limit in context.cluster.list("limitranges", context.namespace):
            notes = []
            for item in (limit.get("spec") or {}).get("limits") or ():
                if item.get("type") == "Container":
                    notes += _fill(obj["spec"], item)
            if notes:
                annotations = obj["metadata"].setdefault("annotations", {})
                annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource not in ("pods", "persistentvolumeclaims") or (kind.resource == "pods" and old is not None):
            return
        faults: list[str] = []
        for limit in context.cluster.list("limitranges", context.namespace):
            for item in (limit.get("spec") or {}).get("limits") or ():
                faults += _broken(kind, obj["spec"], item)
        if faults:
            text = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
            raise errors.forbidden_object(kind, obj["metadata"]["name"], text)


def _fill(spec: Object, item: Object) -> list[str]:
    """Give containers the defaults of a LimitRange; notes of what was set."""
    notes = []
    for group, title in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(group) or ():
            resources = container.setdefault("resources", {})
            for side, source in (("requests", "defaultRequest"), ("limits", "default")):
                missing = {k: v for k, v in (item.get(source) or {}).items() if k not in (resources.get(side) or {})}
                if missing:
                    resources[side] = {**(resources.get(side) or {}), **missing}
                    names = ", ".join(sorted(missing))
                    notes.append(f"{names} {side[:-1]} for {title} {container['name']}")
    return notes


def _broken(kind: Kind, spec: Object, item: Object) -> list[str]:
    what = item.get("type")
    if kind.resource == "persistentvolumeclaims":
        if what != "PersistentVolumeClaim":
            return []
        requests = (spec.get("resources") or {}).get("requests") or {}
        return _bounds(what, item, requests, {}, "PersistentVolumeClaim")
    if what == "Container":
        containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        return [text for container in containers for text in _bounds(what, item, *_sides(container), "Container")]
    if what == "Pod":
        return _bounds(what, item, pod_amounts(spec, "requests"), pod_amounts(spec, "limits"), "Pod")
    return []


def _sides(container: Object) -> tuple[Amounts, Amounts]:
    resources = container.get("resources") or {}
    return resources.get("requests") or {}, resources.get("limits") or {}


def _bounds(what: str, item: Object, requests: Amounts, limits: Amounts, title: str) -> list[str]:
    found: list[str] = []
    for name, low in sorted((item.get("min") or {}).items()):
        if name not in requests:
            found.append(f"minimum {name} usage per {title} is {low}.  No request is specified")
        elif Quantity.parse(requests[name]) < Quantity.parse(low):
            found.append(f"minimum {name} usage per {title} is {low}, but request is {requests[name]}")
        elif name in limits and Quantity.parse(limits[name]) < Quantity.parse(low):
            found.append(f"minimum {name} usage per {title} is {low}, but limit is {limits[name]}")
    claim = what == "PersistentVolumeClaim"
    for name, high in sorted((item.get("max") or {}).items()):
        if name not in limits and not claim:
            found.append(f"maximum {name} usage per {title} is {high}.  No limit is specified")
        elif not claim and Quantity.parse(limits[name]) > Quantity.parse(high):
            found.append(f"maximum {name} usage per {title} is {high}, but limit is {limits[name]}")
        elif name in requests and Quantity.parse(requests[name]) > Quantity.parse(high):
            found.append(f"maximum {name} usage per {title} is {high}, but request is {requests[name]}")
    return found


def pod_amounts(spec: Object, side: str) -> dict[str, str]:
    """A pod's requests or limits: containers together, or its largest init container where that is more."""
    total: dict[str, Quantity] = {}
    for container in spec.get("containers") or ():
        for name, value in ((container.get("resources") or {}).get(side) or {}).items():
            total[name] = total.get(name, ZERO) + Quantity.parse(value)
    for container in spec.get("initContainers") or ():
        for name, value in ((container.get("resources") or {}).get(side) or {}).items():
            total[name] = max(total.get(name, ZERO), Quantity.parse(value))
    for name, value in (spec.get("overhead") or {}).items():
        total[name] = total.get(name, ZERO) + Quantity.parse(value)
    return {name: amount.canonical() for name, amount in total.items()}


COUNTED = {
    "pods": ("pods", "count/pods"),
    "services": ("services", "count/services"),
    "secrets": ("secrets", "count/secrets"),
    "configmaps": ("configmaps", "count/configmaps"),
    "persistentvolumeclaims": ("persistentvolumeclaims", "count/persistentvolumeclaims"),
    "replicationcontrollers": ("replicationcontrollers", "count/replicationcontrollers"),
    "resourcequotas": ("resourcequotas", "count/resourcequotas"),
}


def usage(kind: Kind, obj: Object) -> dict[str, Quantity]:
    """What one object uses of everything a quota can bound."""
    one = Quantity.parse(1)
    found = dict.fromkeys(COUNTED.get(kind.resource, (f"count/{kind.qualified}",)), one)
    spec = obj.get("spec") or {}
    if kind.resource == "pods":
        if (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return {"count/pods": one}
        for name, value in pod_amounts(spec, "requests").items():
            found[f"requests.{name}"] = Quantity.parse(value)
            if name in ("cpu", "memory", "ephemeral-storage"):
                found[name] = Quantity.parse(value)
        for name, value in pod_amounts(spec, "limits").items():
            found[f"limits.{name}"] = Quantity.parse(value)
    elif kind.resource == "services":
        ports = Quantity.parse(
            sum(1 for port in spec.get("ports") or () if port.get("nodePort")) or len(spec.get("ports") or ())
        )
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            found["services.nodeports"] = ports
        if spec.get("type") == "LoadBalancer":
            found["services.loadbalancers"] = one
    elif kind.resource == "persistentvolumeclaims":
        storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        if storage:
            found["requests.storage"] = Quantity.parse(storage)
    return found


COMPUTE = (
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
    "requests.ephemeral-storage",
    "limits.ephemeral-storage",
    "ephemeral-storage",
)


class ResourceQuota(Plugin):
    """Creations that would exceed a quota of the namespace are refused; what they use is counted from the objects that
    are there, so that no controller has to run for the bound to hold."""

    name = "ResourceQuota"

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if not kind.namespaced or context.subresource or kind.resource in ("events", "resourcequotas"):
            return
        if old is not None and kind.resource not in ("services", "persistentvolumeclaims"):
            return
        for quota in context.cluster.list("resourcequotas", context.namespace):
            self._check(kind, obj, old, quota, context)

    def _check(self, kind: Kind, obj: Object, old: Object | None, quota: Object, context: Context) -> None:
        if not in_scope(quota, kind, obj):
            return
        hard = (quota.get("spec") or {}).get("hard") or {}
        wanted = usage(kind, obj)
        name = quota["metadata"]["name"]
        if kind.resource == "pods":
            missing = sorted(item for item in hard if item in COMPUTE and item not in wanted)
            if missing:
                texts = _unset(obj["spec"], missing)
                raise errors.forbidden_object(
                    kind, obj["metadata"]["name"], f"failed quota: {name}: must specify {texts}"
                )
        before = usage(kind, old) if old is not None else {}
        asked = {item: amount - before.get(item, ZERO) for item, amount in wanted.items() if item in hard}
        asked = {item: amount for item, amount in asked.items() if amount > ZERO}
        if not asked:
            return
        used = used_of(kind, quota, context, asked)
        over = sorted(item for item in asked if used[item] + asked[item] > Quantity.parse(hard[item]))
        if over:
            raise errors.forbidden_object(kind, obj["metadata"]["name"], _exceeded(name, over, asked, used, hard))


def _unset(spec: Object, missing: Iterable[str]) -> str:
    parts = []
    for item in missing:
        side, _, name = item.rpartition(".")
        side = side or "requests"
        names = [
            c["name"] for c in spec.get("containers") or () if name not in ((c.get("resources") or {}).get(side) or {})
        ]
        parts.append(f"{item} for: {','.join(names)}")
    return "; ".join(parts)


def _exceeded(
    name: str, over: list[str], asked: Mapping[str, Quantity], used: Mapping[str, Quantity], hard: Amounts
) -> str:
    def shown(values: Mapping[str, Any]) -> str:
        return ",".join(
            f"{item}={values[item] if isinstance(values[item], str) else values[item].canonical()}" for item in over
        )

    return f"exceeded quota: {name}, requested: {shown(asked)}, used: {shown(used)}, limited: {shown(hard)}"


def used_of(kind: Kind, quota: Object, context: Context, items: Iterable[str]) -> dict[str, Quantity]:
    """What the objects of a kind in the namespace use already."""
    total = dict.fromkeys(items, ZERO)
    for obj in context.cluster.list(kind.resource, context.namespace):
        if in_scope(quota, kind, obj):
            for item, amount in usage(kind, obj).items():
                if item in total:
                    total[item] = total[item] + amount
    return total


def in_scope(quota: Object, kind: Kind, obj: Object) -> bool:
    """Whether a quota's scopes take an object."""
    scopes = list((quota.get("spec") or {}).get("scopes") or ())
    if not scopes:
        return True
    if kind.resource != "pods":
        return False
    spec = obj.get("spec") or {}
    best_effort = not any(any(_sides(c)) for c in spec.get("containers") or ())
    held = {
        "Terminating": spec.get("activeDeadlineSeconds") is not None,
        "NotTerminating": spec.get("activeDeadlineSeconds") is None,
        "BestEffort": best_effort,
        "NotBestEffort": not best_effort,
    }
    return all(held.get(scope, True) for scope in scopes)
