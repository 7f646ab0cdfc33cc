"""LimitRanger and ResourceQuota: what a namespace allows a pod, and all of its objects together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.encoding import decode
from apiserver.kinds.kind import Context, Kind, Object
from apiserver.quotausage import QuotaUsage
from apiserver.storage.types import Key
from miniplane.apimachinery.quantity import ZERO, Quantity
from miniplane.apimachinery.quota import COMPUTE, Amounts, in_scope, pod_amounts, usage

if TYPE_CHECKING:
    from apiserver.request import Request

ANNOTATION = "kubernetes.io/limit-ranger"
Stated = Mapping[str, str]


class LimitRanger(Plugin):
    """Defaults and bounds of containers, pods and claims."""

    name = "LimitRanger"
    sees_status = False
    resources = frozenset({"pods", "persistentvolumeclaims"})
    looks_at = ("limitranges",)

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
        if not _limited(kind, obj, old, context.subresource):
            return
        for limit in context.cluster.list("limitranges", context.namespace):
            items = (limit.get("spec") or {}).get("limits") or ()
            faults = list(dict.fromkeys(fault for item in items for fault in _broken(kind, obj["spec"], item)))
            if faults:
                text = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
                raise errors.forbidden_object(kind, obj["metadata"]["name"], text)


def _limited(kind: Kind, obj: Object, old: Object | None, subresource: str) -> bool:
    """Pods when they come and when they are resized, claims always; not what is being deleted."""
    if old is not None and obj["metadata"].get("deletionTimestamp"):
        return False
    if kind.resource == "pods":
        return subresource == "resize" if old is not None else not subresource
    return kind.resource == "persistentvolumeclaims" and not subresource


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
        requests = (spec.get("resources") or {}).get("requests") or {}
        return _claim_bounds(item, requests) if what == "PersistentVolumeClaim" else []
    if what == "Container":
        containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        return [text for container in containers for text in _bounds(item, *_sides(container), "Container")]
    if what == "Pod":
        return _bounds(item, _pod_side(spec, "requests"), _pod_side(spec, "limits"), "Pod")
    return []


def _pod_side(spec: Object, side: str) -> Stated:
    return {name: amount.canonical() for name, amount in pod_amounts(spec, side).items()}


def _sides(container: Object) -> tuple[Stated, Stated]:
    resources = container.get("resources") or {}
    return resources.get("requests") or {}, resources.get("limits") or {}


def _stated(item: Object, side: str) -> list[tuple[str, Quantity]]:
    return [(name, Quantity.parse(text)) for name, text in sorted((item.get(side) or {}).items())]


def _amount(stated: Stated, name: str) -> Quantity | None:
    return Quantity.parse(stated[name]) if name in stated else None


def _bounds(item: Object, requests: Stated, limits: Stated, title: str) -> list[str]:
    found: list[str] = []
    for name, low in _stated(item, "min"):
        what, request, limit = f"minimum {name} usage per {title}", _amount(requests, name), _amount(limits, name)
        if request is None:
            found.append(f"{what} is {low.canonical()}.  No request is specified")
        elif request < low:
            found.append(f"{what} is {low.canonical()}, but request is {request.canonical()}")
        elif limit is not None and limit < low:
            found.append(f"{what} is {low.canonical()}, but limit is {limit.canonical()}")
    for name, high in _stated(item, "max"):
        what, request, limit = f"maximum {name} usage per {title}", _amount(requests, name), _amount(limits, name)
        if limit is None:
            found.append(f"{what} is {high.canonical()}.  No limit is specified")
        elif limit > high:
            found.append(f"{what} is {high.canonical()}, but limit is {limit.canonical()}")
        elif request is not None and request > high:
            found.append(f"{what} is {high.canonical()}, but request is {request.canonical()}")
    ratios = _stated(item, "maxLimitRequestRatio")
    faults = (_ratio(name, most, _amount(requests, name), _amount(limits, name), title) for name, most in ratios)
    return found + [fault for fault in faults if fault]


def _ratio(name: str, most: Quantity, request: Quantity | None, limit: Quantity | None, title: str) -> str:
    """What is wrong with how far a limit exceeds its request, "" where nothing is."""
    what = f"{name} max limit to request ratio per {title} is {most.canonical()}, but"
    if request is None or request == ZERO:
        return f"{what} no request is specified or request is 0"
    if limit is None or limit == ZERO:
        return f"{what} no limit is specified or limit is 0"
    given = limit.milli_value() / request.milli_value()
    return f"{what} provided ratio is {given:f}" if given * 1000 > most.milli_value() else ""


def _claim_bounds(item: Object, requests: Stated) -> list[str]:
    """Claims state no limits: both bounds are for what they request."""
    found: list[str] = []
    for side, title in (("min", "minimum"), ("max", "maximum")):
        for name, bound in _stated(item, side):
            what, request = f"{title} {name} usage per PersistentVolumeClaim", _amount(requests, name)
            if request is None:
                found.append(f"{what} is {bound.canonical()}.  No request is specified")
            elif request < bound if side == "min" else request > bound:
                found.append(f"{what} is {bound.canonical()}, but request is {request.canonical()}")
    return found


class ResourceQuota(Plugin):
    """What would exceed a quota of the namespace is refused, and `status.used` grows in the transaction that stores the
    object. Use is counted from the objects that are there: no controller has to run for the bound to hold."""

    name = "ResourceQuota"
    sees_status = False
    looks_at = ("resourcequotas",)  # one that bounds the object adds a companion, so that nothing is recalled
    _usage: QuotaUsage | None = None

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if not kind.namespaced or kind.resource == "events" or not _counts(kind, old is None, context.subresource):
            return
        quotas = [q for q in context.cluster.list("resourcequotas", context.namespace) if _bounds_it(q, kind, obj)]
        for quota in quotas:
            _check_specified(quota, kind, obj)
        if quotas:
            names = [quota["metadata"]["name"] for quota in quotas]
            counted = self._usage = self._usage or QuotaUsage(request.server.store)
            context.companions.append(lambda: _charges(request, counted, kind, obj, old, names))


def _counts(kind: Kind, creates: bool, subresource: str) -> bool:
    """Whether this write may use more of a quota."""
    if kind.resource == "pods":
        return (creates and not subresource) or subresource == "resize"
    return not subresource and (creates or kind.resource in ("services", "persistentvolumeclaims"))


def _bounds_it(quota: Object, kind: Kind, obj: Object) -> bool:
    hard = (quota.get("spec") or {}).get("hard") or {}
    wanted = usage(kind.resource, obj)
    if kind.resource == "pods":
        return in_scope(quota, kind.resource, obj) and any(name in hard for name in (*wanted, *_COMPUTE))
    return in_scope(quota, kind.resource, obj) and any(name in hard for name in wanted)


_COMPUTE = frozenset(f"{side}{name}" for side in ("", "requests.", "limits.") for name in COMPUTE)


def _check_specified(quota: Object, kind: Kind, obj: Object) -> None:
    """Every container says what a quota of compute resources counts. Raises 403."""
    if kind.resource != "pods":
        return
    missing: dict[str, list[str]] = {}
    spec = obj["spec"]
    for item in sorted(_COMPUTE & set(quota["spec"]["hard"])):
        side, _, name = item.rpartition(".")
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            if name not in ((container.get("resources") or {}).get(side or "requests") or {}):
                missing.setdefault(item, []).append(container["name"])
    if missing:
        texts = "; ".join(f"{item} for: {','.join(sorted(names))}" for item, names in missing.items())
        why = f"failed quota: {quota['metadata']['name']}: must specify {texts}"
        raise errors.forbidden_object(kind, obj["metadata"]["name"], why)


def _charges(
    request: Request, counted: QuotaUsage, kind: Kind, obj: Object, old: Object | None, names: Iterable[str]
) -> list[tuple[str, Object]]:
    """The quotas with what `obj` uses added to `status.used`. Raises 403 where one has no room; quotas that are gone do
    not count."""
    store = request.server.store
    charged: list[tuple[str, Object]] = []
    for name in names:
        record = store.get(Key("resourcequotas", obj["metadata"]["namespace"], name))
        quota = decode(record) if record is not None else None
        used = _used_with(counted, kind, obj, old, quota) if quota is not None else {}
        if quota is not None and used:
            shown = {item: amount.canonical() for item, amount in used.items()}
            status = quota.setdefault("status", {})
            status["used"] = {**(status.get("used") or {}), **shown}
            charged.append(("update", quota))
    return charged


def _used_with(counted: QuotaUsage, kind: Kind, obj: Object, old: Object | None, quota: Object) -> Amounts:
    """What is used once `obj` is stored, of what it changes. Raises 403."""
    hard = quota["spec"].get("hard") or {}
    before = usage(kind.resource, old) if old is not None else {}
    wanted = usage(kind.resource, obj)
    asked = {item: wanted.get(item, ZERO) - before.get(item, ZERO) for item in {*wanted, *before} if item in hard}
    asked = {item: amount for item, amount in asked.items() if amount != ZERO}
    used = counted.of(kind.resource, quota["metadata"]["namespace"], quota) if asked else {}
    total = {item: used.get(item, ZERO) + amount for item, amount in asked.items()}
    over = sorted(item for item in asked if asked[item] > ZERO and total[item] > Quantity.parse(hard[item]))
    if over:
        requested, present = _shown(asked, over), _shown(used, over)
        limited = ",".join(f"{item}={Quantity.parse(hard[item]).canonical()}" for item in over)
        name = quota["metadata"]["name"]
        why = f"exceeded quota: {name}, requested: {requested}, used: {present}, limited: {limited}"
        raise errors.forbidden_object(kind, obj["metadata"]["name"], why)
    return total


def _shown(amounts: Amounts, names: Iterable[str]) -> str:
    return ",".join(f"{item}={amounts.get(item, ZERO).canonical()}" for item in names)
