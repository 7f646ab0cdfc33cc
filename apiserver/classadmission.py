"""Admission that looks up what an object refers to: runtime classes of pods, ingress classes, labels of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.kinds.kind import Context, Kind, Object
from miniplane.apimachinery.quantity import Quantity

if TYPE_CHECKING:
    from apiserver.request import Request

INGRESS_ANNOTATION, DEFAULT_INGRESS = "kubernetes.io/ingress.class", "ingressclass.kubernetes.io/is-default-class"
RUNTIME_CLASSES, INGRESS_CLASSES = "runtimeclasses.node.k8s.io", "ingressclasses.networking.k8s.io"
TOPOLOGY_LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


class RuntimeClass(Plugin):
    """A pod's runtime class says its overhead and where it may run (KEP-688)."""

    name = "RuntimeClass"
    sees_status = False
    resources = frozenset({"pods"})
    looks_at = (RUNTIME_CLASSES,)

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != "pods" or old is not None or context.subresource:
            return
        found = self._class_of(kind, obj, context)
        if found is None:
            return
        overhead = (found.get("overhead") or {}).get("podFixed")
        if found.get("overhead") is not None:
            if obj["spec"].get("overhead") and not _same(obj["spec"]["overhead"], overhead):
                raise _rejected(kind, obj, "Pod's Overhead doesn't match RuntimeClass's defined Overhead")
            if overhead:
                obj["spec"]["overhead"] = dict(overhead)
        self._schedule(kind, obj, found.get("scheduling") or {})

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != "pods" or old is not None or context.subresource:
            return
        found, stated = self._class_of(kind, obj, context), obj["spec"].get("overhead")
        if found is not None and found.get("overhead") is not None:
            if not _same(stated, found["overhead"].get("podFixed")):
                raise _rejected(kind, obj, "Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        elif stated:
            raise _rejected(kind, obj, "Pod Overhead set without corresponding RuntimeClass defined Overhead")

    def _class_of(self, kind: Kind, obj: Object, context: Context) -> Object | None:
        name = obj["spec"].get("runtimeClassName")
        if name is None:
            return None
        found = context.cluster.get(RUNTIME_CLASSES, "", name)
        if found is None:
            raise _rejected(kind, obj, f'RuntimeClass "{name}" not found')
        return found

    def _schedule(self, kind: Kind, obj: Object, scheduling: Object) -> None:
        spec = obj["spec"]
        for key, value in (scheduling.get("nodeSelector") or {}).items():
            stated = (spec.get("nodeSelector") or {}).get(key, value)
            if stated != value:
                why = (
                    f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                    f"pod.spec.nodeSelector[{key}] = {stated}"
                )
                raise errors.forbidden_object(kind, _name(obj), why)
            spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), key: value}
        if scheduling.get("tolerations"):
            spec["tolerations"] = merged_tolerations(spec.get("tolerations") or [], scheduling["tolerations"])


def _rejected(kind: Kind, obj: Object, why: str) -> errors.StatusError:
    return errors.forbidden_object(kind, _name(obj), f"pod rejected: {why}")


def _name(obj: Object) -> str:
    return obj["metadata"].get("name") or obj["metadata"].get("generateName") or ""


def _same(left: Object | None, right: Object | None) -> bool:
    parsed = [{name: Quantity.parse(value) for name, value in (one or {}).items()} for one in (left, right)]
    return parsed[0] == parsed[1]


def merged_tolerations(first: list[Any], second: list[Any]) -> list[Any]:
    """Both lists, without what another entry covers."""
    every = [*first, *second]
    kept: list[Any] = []
    for index, one in enumerate(every):
        covering = (
            other
            for place, other in enumerate(every)
            if place != index and _covers(other, one) and not (_covers(one, other) and place > index)
        )
        if next(covering, None) is None:
            kept.append(one)
    return kept


def _covers(wide: Object, narrow: Object) -> bool:
    """Whether whatever `narrow` tolerates `wide` tolerates too."""
    exists = wide.get("operator") == "Exists"
    if wide.get("key", "") != narrow.get("key", "") and not (exists and not wide.get("key")):
        return False
    if wide.get("effect", "") not in ("", narrow.get("effect", "")):
        return False
    if wide.get("effect") == "NoExecute" and wide.get("tolerationSeconds") is not None:
        seconds = narrow.get("tolerationSeconds")
        if seconds is None or seconds > wide["tolerationSeconds"]:
            return False
    same_value = narrow.get("operator") != "Exists" and narrow.get("value", "") == wide.get("value", "")
    return exists or same_value


class DefaultIngressClass(Plugin):
    """An Ingress that names no class gets the default one; there may be only one."""

    name = "DefaultIngressClass"
    sees_status = False
    resources = frozenset({"ingresses.networking.k8s.io"})
    looks_at = (INGRESS_CLASSES,)

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != "ingresses.networking.k8s.io" or old is not None:
            return
        annotations = obj["metadata"].get("annotations") or {}
        if (obj.get("spec") or {}).get("ingressClassName") is not None or INGRESS_ANNOTATION in annotations:
            return
        found = [
            one["metadata"]["name"]
            for one in context.cluster.list(INGRESS_CLASSES)
            if (one["metadata"].get("annotations") or {}).get(DEFAULT_INGRESS) == "true"
        ]
        if len(found) > 1:
            why = f"Internal error occurred: {len(found)} default IngressClasses were found, only 1 allowed"
            raise errors.forbidden_object(kind, _name(obj), why)
        if found:
            obj.setdefault("spec", {})["ingressClassName"] = found[0]


class PodTopologyLabels(Plugin):
    """A pod gets its node's zone and region as labels when it is bound (KEP-4742)."""

    name = "PodTopologyLabels"

    async def call(self, request: Request, kind: Kind, obj: Object, context: Context) -> None:
        target = obj.get("target") or {}
        if kind.kind != "Binding" or target.get("kind", "") not in ("", "Node") or context.cluster.minor < 35:
            return
        node = context.cluster.get("nodes", "", target.get("name", "")) or {}
        found = (node.get("metadata") or {}).get("labels") or {}
        labels = {name: found[name] for name in TOPOLOGY_LABELS if name in found}
        if labels:
            metadata = obj.setdefault("metadata", {})
            metadata["labels"] = {**(metadata.get("labels") or {}), **labels}


class ExtendedResourceToleration(Plugin):
    """Pods that ask for extended resources tolerate the taints of nodes that are kept for them. Off by default."""

    name = "ExtendedResourceToleration"
    resources = frozenset({"pods"})
    looks_at = ()

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != "pods" or context.subresource:
            return
        spec = obj["spec"]
        every = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        wanted = {name for one in every for name in (one.get("resources") or {}).get("requests") or ()}
        for name in sorted(name for name in wanted if _is_extended(name)):
            toleration = {"key": name, "operator": "Exists", "effect": "NoSchedule"}
            spec["tolerations"] = merged_tolerations(spec.get("tolerations") or [], [toleration])


def _is_extended(name: str) -> bool:
    """A domain of its own: neither a built-in resource nor one of kubernetes.io."""
    domain, slash, _ = name.partition("/")
    return bool(slash) and not domain.endswith("kubernetes.io") and not name.startswith("requests.")
