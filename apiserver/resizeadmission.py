"""Admission of pod changes that the pod's node has to carry out: may it, and has it room (KEP-5328, KEP-1287)?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.kinds.kind import Context, Kind, Object
from miniplane.apimachinery.quantity import ZERO, Quantity
from miniplane.apimachinery.quota import container_amounts, pod_amounts

if TYPE_CHECKING:
    from apiserver.request import Request

OS_LABEL = "kubernetes.io/os"
CPU_OF_GUARANTEED, POD_LEVEL = "GuaranteedQoSPodCPUResize", "InPlacePodLevelResourcesVerticalScaling"
"""What a node must declare so that a pod on it can change this way; of the declared features of 1.36 the ones that say
something about updates."""


def _spec_changed(obj: Object, old: Object | None, context: Context) -> bool:
    """Whether a bound pod changes in more than its metadata."""
    if old is None or context.subresource not in ("", "resize") or not obj["spec"].get("nodeName"):
        return False
    return bool(obj["metadata"].get("generation") != old["metadata"].get("generation"))


def _node_of(kind: Kind, obj: Object, context: Context) -> Object:
    """Raises 403 for a node that is not there."""
    name = obj["spec"]["nodeName"]
    node = context.cluster.get("nodes", "", name)
    if node is None:
        raise errors.forbidden_object(kind, obj["metadata"]["name"], f'node "{name}" not found')
    return node


class NodeDeclaredFeatureValidator(Plugin):
    """A change that needs a feature of the kubelet is for nodes that declare it."""

    name = "NodeDeclaredFeatureValidator"
    sees_status = False
    resources = frozenset({"pods"})
    looks_at = ()

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if old is None or not _spec_changed(obj, old, context):
            return
        needed = list(_needed(obj["spec"], old))
        if not needed:
            return
        node = _node_of(kind, obj, context)
        declared = (node.get("status") or {}).get("declaredFeatures") or ()
        missing = [feature for feature in needed if feature not in declared]
        if missing:
            where = node["metadata"]["name"]
            why = f'pod update requires features {", ".join(missing)} which are not available on node "{where}"'
            raise errors.forbidden_object(kind, obj["metadata"]["name"], why)


def _needed(spec: Object, old: Object) -> Iterator[str]:
    if (old.get("status") or {}).get("qosClass") == "Guaranteed":
        pairs = zip(spec["containers"], old["spec"]["containers"], strict=True)
        if any(_cpu(container) != _cpu(before) for container, before in pairs):
            yield CPU_OF_GUARANTEED
    if (spec.get("resources") or {}) != (old["spec"].get("resources") or {}):
        yield POD_LEVEL


def _cpu(container: Object) -> Quantity:
    return container_amounts(container, "requests").get("cpu", ZERO)


class PodResizeValidator(Plugin):
    """A pod is not resized beyond what its node could ever give, nor where there is no Linux."""

    name = "PodResizeValidator"
    sees_status = False
    resources = frozenset({"pods"})
    looks_at = ()

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if context.subresource != "resize" or not _spec_changed(obj, old, context):
            return
        node = _node_of(kind, obj, context)
        short = "; ".join(_short(obj["spec"], node))
        if short:
            raise _refused(kind, obj, f"Node didn't have enough allocatable resources: {short}", "NodeCapacity")
        system = (node["metadata"].get("labels") or {}).get(OS_LABEL, "")
        if system != "linux":
            why = f'pod resize is only supported on linux nodes, node "{node["metadata"]["name"]}" is "{system}"'
            raise _refused(kind, obj, why, "UnsupportedPlatform")


def _short(spec: Object, node: Object) -> Iterator[str]:
    """What the node has too little of; cpu in thousandths."""
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    wanted = pod_amounts(spec, "requests")
    for name, measure in (("cpu", Quantity.milli_value), ("memory", Quantity.value)):
        asked, there = measure(wanted.get(name, ZERO)), measure(Quantity.parse(allocatable.get(name, 0)))
        if asked > there:
            yield f"{name}, requested: {asked}, allocatable: {there}"


def _refused(kind: Kind, obj: Object, why: str, cause: str) -> errors.StatusError:
    error = errors.forbidden_object(kind, obj["metadata"]["name"], why)
    error.details = {**(error.details or {}), "causes": [{"reason": cause}]}
    return error
