"""ResourceQuotas: what is used of each limited resource; admission in the API server enforces it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from controllers import pods
from controllers.controller import Controller, Loop, own_key
from controllers.discovery import discover
from controllers.ownership import BY_NAMESPACE, namespace_values
from miniplane.apimachinery.quantity import Quantity
from miniplane.client.api import Object
from miniplane.client.resources import (
    CONFIG_MAPS,
    PODS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICES,
    VOLUME_CLAIMS,
    Resource,
)

WATCHED = (PODS, SERVICES, SECRETS, CONFIG_MAPS, VOLUME_CLAIMS, REPLICATION_CONTROLLERS, RESOURCE_QUOTAS)
RESYNC = 5.0
"""Seconds after which kinds that no informer follows are counted again."""
Amounts = dict[str, Quantity]
ZERO = Quantity.parse("0")


def _add(total: Amounts, more: Mapping[str, Quantity]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, ZERO) + amount


# pods


def _container_amounts(pod: Object, kind: str) -> Amounts:
    """Requests or limits of a pod: the sum of its containers or, where larger, of one init container."""
    spec, total = pod["spec"], dict[str, Quantity]()

    def given(container: Object) -> Amounts:
        amounts = ((container.get("resources") or {}).get(kind) or {}).items()
        return {name: Quantity.parse(value) for name, value in amounts}

    sidecars: Amounts = {}
    peaks: list[Amounts] = []
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            _add(sidecars, given(container))
            peaks.append(dict(sidecars))
        else:
            peak = given(container)
            _add(peak, sidecars)
            peaks.append(peak)
    for container in spec.get("containers") or ():
        _add(total, given(container))
    _add(total, sidecars)
    for peak in peaks:
        for name, amount in peak.items():
            total[name] = amount if total.get(name, ZERO) < amount else total[name]
    overhead = {name: Quantity.parse(value) for name, value in (spec.get("overhead") or {}).items()}
    if kind == "requests" or overhead.keys() <= total.keys():
        _add(total, overhead)
    return total


def _pod_usage(pod: Object) -> Amounts:
    one = Quantity.parse(1)
    found = {"count/pods": one}
    if pods.is_finished(pod):
        return found
    found["pods"] = one
    for kind in ("requests", "limits"):
        for name, amount in _container_amounts(pod, kind).items():
            found[f"{kind}.{name}"] = amount
            if kind == "requests" and name in ("cpu", "memory", "ephemeral-storage"):
                found[name] = amount
    return found


def _best_effort(pod: Object) -> bool:
    return not _container_amounts(pod, "requests") and not _container_amounts(pod, "limits")


SCOPES: dict[str, Callable[[Object], bool]] = {
    "Terminating": lambda pod: pod["spec"].get("activeDeadlineSeconds") is not None,
    "NotTerminating": lambda pod: pod["spec"].get("activeDeadlineSeconds") is None,
    "BestEffort": _best_effort,
    "NotBestEffort": lambda pod: not _best_effort(pod),
    "PriorityClass": lambda pod: bool(pod["spec"].get("priorityClassName")),
    "CrossNamespacePodAffinity": lambda pod: _crosses_namespaces(pod),
}


def _crosses_namespaces(pod: Object) -> bool:
    affinity = pod["spec"].get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        given = affinity.get(kind) or {}
        terms = list(given.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        preferred = given.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [one.get("podAffinityTerm") or {} for one in preferred]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def in_scope(quota: Object, pod: Object) -> bool:
    """Whether the quota counts this pod."""
    spec = quota["spec"]
    if not all(SCOPES[name](pod) for name in spec.get("scopes") or () if name in SCOPES):
        return False
    for one in (spec.get("scopeSelector") or {}).get("matchExpressions") or ():
        name, operator = one.get("scopeName"), one.get("operator")
        if name == "PriorityClass" and operator in ("In", "NotIn"):
            inside = pod["spec"].get("priorityClassName", "") in (one.get("values") or ())
            if inside != (operator == "In"):
                return False
        elif name in SCOPES and SCOPES[name](pod) == (operator == "DoesNotExist"):
            return False
    return True


# other kinds


def _service_usage(service: Object) -> Amounts:
    spec = service["spec"]
    ports = spec.get("ports") or ()
    found = {"services": 1, "count/services": 1}
    if spec.get("type") == "LoadBalancer":
        found["services.loadbalancers"] = 1
        found["services.nodeports"] = sum(1 for port in ports if port.get("nodePort"))
    elif spec.get("type") == "NodePort":
        found["services.nodeports"] = len(ports)
    return {name: Quantity.parse(value) for name, value in found.items()}


def _claim_usage(claim: Object) -> Amounts:
    size = Quantity.parse(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))
    one = Quantity.parse(1)
    found = {"persistentvolumeclaims": one, "count/persistentvolumeclaims": one, "requests.storage": size}
    storage_class = claim["spec"].get("storageClassName")
    if storage_class:
        prefix = f"{storage_class}.storageclass.storage.k8s.io"
        found |= {f"{prefix}/requests.storage": size, f"{prefix}/persistentvolumeclaims": one}
    return found


def _counted(plural: str) -> Callable[[Object], Amounts]:
    one = Quantity.parse(1)
    return lambda obj: {plural: one, f"count/{plural}": one}


USAGE: dict[Resource, Callable[[Object], Amounts]] = {
    PODS: _pod_usage,
    SERVICES: _service_usage,
    VOLUME_CLAIMS: _claim_usage,
    **{one: _counted(one.plural) for one in (SECRETS, CONFIG_MAPS, REPLICATION_CONTROLLERS, RESOURCE_QUOTAS)},
}


async def _foreign(loop: Loop, namespace: str, names: Iterable[str]) -> Amounts:
    """`count/PLURAL.GROUP` of kinds that we do not follow."""
    wanted = {name.removeprefix("count/"): name for name in names if name.startswith("count/") and "." in name}
    found: Amounts = {}
    if not wanted:
        return found
    for served in await discover(loop.client):
        name = wanted.get(f"{served.resource.plural}.{served.resource.group}")
        if name is not None and "list" in served.verbs:
            items, _ = await loop.client.list(served.resource, namespace, metadata_only=True)
            found[name] = Quantity.parse(len(items))
    return found


def used(loop: Loop, quota: Object) -> Amounts:
    """What the objects in the caches use, by resource name."""
    total: Amounts = {}
    scoped = bool(quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"))
    for resource, usage in USAGE.items():
        if scoped and resource != PODS:
            continue
        for obj in loop[resource].store.by_index(BY_NAMESPACE, quota["metadata"]["namespace"]):
            if resource != PODS or in_scope(quota, obj):
                _add(total, usage(obj))
    return total


async def reconcile(loop: Loop, key: str) -> float | None:
    quota = loop[RESOURCE_QUOTAS].get(key)
    if quota is None or pods.is_terminating(quota):
        return None
    hard = quota["spec"].get("hard") or {}
    foreign = await _foreign(loop, quota["metadata"]["namespace"], hard)
    total = {**used(loop, quota), **foreign}
    shown = {name: total.get(name, ZERO).canonical() for name in hard}
    status = quota.get("status") or {}
    if status.get("hard", {}) != hard or status.get("used", {}) != shown:
        await loop.update(RESOURCE_QUOTAS, {**quota, "status": {"hard": hard, "used": shown}}, "status")
    return RESYNC if foreign else None


def _keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """Every quota of the namespace; changes of pods that change no usage are left out."""
    if old is not None and new is not None and new.get("kind") == "Pod" and _pod_usage(old) == _pod_usage(new):
        return ()
    namespace = (new or old or {})["metadata"]["namespace"]
    found = loop[RESOURCE_QUOTAS].store.by_index(BY_NAMESPACE, namespace)
    return [f"{namespace}/{one['metadata']['name']}" for one in found]


CONTROLLER = Controller(
    name="resourcequota",
    component="resourcequota-controller",
    watches={resource: (own_key if resource == RESOURCE_QUOTAS else _keys) for resource in WATCHED},
    reconcile=reconcile,
    indexes={(resource, BY_NAMESPACE): namespace_values for resource in WATCHED},
)
