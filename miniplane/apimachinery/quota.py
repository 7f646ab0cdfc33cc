"""What objects use of the resources that a ResourceQuota can bound, and which of them a quota counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from miniplane.apimachinery.quantity import ZERO, Quantity

Object = dict[str, Any]
Amounts = dict[str, Quantity]
ONE = Quantity.parse(1)
COMPUTE = ("cpu", "memory", "ephemeral-storage")


def add(total: Amounts, more: Mapping[str, Quantity]) -> None:
    """Add amounts to a running total."""
    for name, amount in more.items():
        total[name] = total.get(name, ZERO) + amount


def container_amounts(container: Object, side: str) -> Amounts:
    """A container's `requests` or `limits`."""
    given = ((container.get("resources") or {}).get(side) or {}).items()
    return {name: Quantity.parse(value) for name, value in given}


def pod_amounts(spec: Object, side: str) -> Amounts:
    """A pod's `requests` or `limits`: its containers together or, where larger, one init container; sidecars (KEP-753)
    count with both. What is stated for the pod as a whole goes before that (KEP-2837). Overhead is part of the
    requests, and of those limits that there are."""
    total: Amounts = {}
    sidecars: Amounts = {}
    peaks: list[Amounts] = []
    for container in spec.get("initContainers") or ():
        amounts = container_amounts(container, side)
        if container.get("restartPolicy") == "Always":
            add(sidecars, amounts)
            peaks.append(dict(sidecars))
        else:
            add(amounts, sidecars)
            peaks.append(amounts)
    for container in spec.get("containers") or ():
        add(total, container_amounts(container, side))
    add(total, sidecars)
    for peak in peaks:
        for name, amount in peak.items():
            total[name] = max(total.get(name, ZERO), amount)
    total |= container_amounts(spec, side)
    for name, value in (spec.get("overhead") or {}).items():
        if side == "requests" or total.get(name):
            add(total, {name: Quantity.parse(value)})
    return total


def _finished(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _pod(pod: Object) -> Amounts:
    if _finished(pod):
        return {"count/pods": ONE}
    found = {"pods": ONE, "count/pods": ONE}
    for name, amount in pod_amounts(pod["spec"], "requests").items():
        found[f"requests.{name}"] = amount
        if name in COMPUTE or name.startswith("hugepages-"):
            found[name] = amount
    for name, amount in pod_amounts(pod["spec"], "limits").items():
        found[f"limits.{name}"] = amount
    return found


def _service(service: Object) -> Amounts:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or ()
    found = {"services": ONE, "count/services": ONE, "services.nodeports": ZERO, "services.loadbalancers": ZERO}
    if spec.get("type") == "LoadBalancer":
        found["services.loadbalancers"] = ONE
        if spec.get("allocateLoadBalancerNodePorts") is False:
            ports = [port for port in ports if port.get("nodePort")]
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        found["services.nodeports"] = Quantity.parse(len(ports))
    return found


def _claim(claim: Object) -> Amounts:
    spec = claim.get("spec") or {}
    size = Quantity.parse(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0"))
    found = {"persistentvolumeclaims": ONE, "count/persistentvolumeclaims": ONE, "requests.storage": size}
    storage_class = spec.get("storageClassName")
    if storage_class:
        prefix = f"{storage_class}.storageclass.storage.k8s.io"
        found |= {f"{prefix}/requests.storage": size, f"{prefix}/persistentvolumeclaims": ONE}
    return found


_RICH: dict[str, Callable[[Object], Amounts]] = {"pods": _pod, "services": _service, "persistentvolumeclaims": _claim}
PLAIN = frozenset({"configmaps", "secrets", "replicationcontrollers", "resourcequotas"})
"""Kinds that a quota may also name without `count/`."""


def usage(resource: str, obj: Object) -> Amounts:
    """What one object of `resource` ("pods", "deployments.apps") uses."""
    if resource in _RICH:
        return _RICH[resource](obj)
    found = {f"count/{resource}": ONE}
    return {resource: ONE, **found} if resource in PLAIN else found


def _best_effort(pod: Object) -> bool:
    containers = [*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())]
    return not any(container_amounts(one, side) for one in containers for side in ("requests", "limits"))


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


_SCOPES: dict[str, Callable[[Object], bool]] = {
    "Terminating": lambda pod: pod["spec"].get("activeDeadlineSeconds") is not None,
    "NotTerminating": lambda pod: pod["spec"].get("activeDeadlineSeconds") is None,
    "BestEffort": _best_effort,
    "NotBestEffort": lambda pod: not _best_effort(pod),
    "PriorityClass": lambda pod: bool(pod["spec"].get("priorityClassName")),
    "CrossNamespacePodAffinity": _crosses_namespaces,
}


def in_scope(quota: Object, resource: str, obj: Object) -> bool:
    """Whether a quota's scopes take an object; a quota with scopes counts pods only."""
    spec = quota.get("spec") or {}
    expressions = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    if not spec.get("scopes") and not expressions:
        return True
    if resource != "pods":
        return False
    if not all(_SCOPES[name](obj) for name in spec.get("scopes") or () if name in _SCOPES):
        return False
    return all(_selected(one, obj) for one in expressions)


def _selected(expression: Object, pod: Object) -> bool:
    name, operator = expression.get("scopeName", ""), expression.get("operator")
    if name == "PriorityClass" and operator in ("In", "NotIn"):
        inside: bool = pod["spec"].get("priorityClassName", "") in (expression.get("values") or ())
        return inside is (operator == "In")
    return name not in _SCOPES or _SCOPES[name](pod) == (operator != "DoesNotExist")
