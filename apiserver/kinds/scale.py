"""autoscaling/v1 Scale: the view of a workload that only shows how many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.field import FieldError, invalid
from apiserver.kinds.kind import Column, Context, Object, Projection, Subresource
from apiserver.kinds.workload_columns import count, format_selector
from apiserver.table import AGE

COLUMNS = (
    Column("Desired", count("spec", "replicas"), type="integer"),
    Column("Available", count("status", "replicas"), type="integer"),
    AGE,
)

SelectorText = Callable[[Any], str]


def selector_string(selector: Any) -> str:
    """A LabelSelector in query form."""
    text = format_selector(selector)
    return "" if text == "<none>" else text


def set_string(selector: Any) -> str:
    """A plain map (ReplicationController) in query form."""
    return ",".join(f"{key}={selector[key]}" for key in sorted(selector or {}))


def scale_of(obj: Object, selector_text: SelectorText = selector_string) -> Object:
    """The Scale of a workload."""
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    scale: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": spec["replicas"]} if spec.get("replicas") else {},
        "status": {"replicas": status.get("replicas", 0)},
    }
    text = selector_text(spec.get("selector"))
    if text:
        scale["status"]["selector"] = text
    return scale


def write_scale(obj: Object, scale: Object, context: Context) -> list[FieldError]:
    """Take the wanted number of replicas over into the workload."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas < 0:
        return [invalid("spec.replicas", replicas, "must be greater than or equal to 0")]
    obj["spec"]["replicas"] = replicas
    return []


def scale_subresource(selector_text: SelectorText = selector_string) -> Subresource:
    """`/scale` of a built-in workload."""
    return Subresource(
        "scale",
        ("get", "patch", "update"),
        gvk=("autoscaling", "v1", "Scale"),
        projection=Projection(lambda obj: scale_of(obj, selector_text), write_scale, COLUMNS),
    )
