"""autoscaling: HorizontalPodAutoscaler in v2 (stored) and v1, converted into each other."""

from __future__ import annotations

from typing import Any

from apiserver.field import FieldError, invalid, required
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.workload import STATUS_SUBRESOURCE
from apiserver.kinds.workload_columns import count
from apiserver.table import AGE

GROUP = "autoscaling"
DEFAULT_UTILIZATION = 80


def _cpu(utilization: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _is_cpu(metric: Object) -> bool:
    resource = metric.get("resource") or {}
    target = resource.get("target") or {}
    return metric.get("type") == "Resource" and resource.get("name") == "cpu" and "averageUtilization" in target


def convert(obj: Object, target: str) -> Object:
    """Between autoscaling/v1 and v2."""
    if obj.get("apiVersion") == target:
        return obj
    return _to_v1(obj) if target == "autoscaling/v1" else _to_v2(obj)


def _to_v2(obj: Object) -> Object:
    spec = dict(obj.get("spec") or {})
    utilization = spec.pop("targetCPUUtilizationPercentage", None)
    if utilization is not None:
        spec["metrics"] = [_cpu(utilization)]
    status = dict(obj.get("status") or {})
    current = status.pop("currentCPUUtilizationPercentage", None)
    if status.get("currentReplicas") == 0:
        del status["currentReplicas"]
    status.setdefault("desiredReplicas", 0)
    status["currentMetrics"] = None
    if current is not None:
        value = {"averageUtilization": current}
        status["currentMetrics"] = [{"type": "Resource", "resource": {"name": "cpu", "current": value}}]
    return {**obj, "apiVersion": "autoscaling/v2", "spec": spec, "status": status}


def _to_v1(obj: Object) -> Object:
    spec = dict(obj.get("spec") or {})
    metrics = spec.pop("metrics", None) or []
    spec.pop("behavior", None)
    cpu = next((metric for metric in metrics if _is_cpu(metric)), None)
    if cpu is not None:
        spec["targetCPUUtilizationPercentage"] = cpu["resource"]["target"]["averageUtilization"]
    status = dict(obj.get("status") or {})
    for name in ("currentMetrics", "conditions"):
        status.pop(name, None)
    status.setdefault("currentReplicas", 0)
    status.setdefault("desiredReplicas", 0)
    return {**obj, "apiVersion": "autoscaling/v1", "spec": spec, "status": status}


class AutoscalerStrategy(Strategy):
    """HorizontalPodAutoscaler."""

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("minReplicas", 1)
        if obj["apiVersion"] == "autoscaling/v2":
            if not spec.get("metrics"):
                spec["metrics"] = [_cpu(DEFAULT_UTILIZATION)]
        else:
            spec.setdefault("targetCPUUtilizationPercentage", DEFAULT_UTILIZATION)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        if obj["apiVersion"] == "autoscaling/v2":
            obj["status"] = {"desiredReplicas": 0, "currentMetrics": None}
        else:
            obj["status"] = {"currentReplicas": 0, "desiredReplicas": 0}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, found = obj["spec"], []
        low, high = spec.get("minReplicas"), spec.get("maxReplicas", 0)
        if low is not None and low < 1:
            found.append(invalid("spec.minReplicas", low, "must be greater than or equal to 1"))
        if high < 1:
            found.append(invalid("spec.maxReplicas", high, "must be greater than 0"))
        if low is not None and high < low:
            found.append(invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
        return found + _target(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")


def _target(reference: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for name in ("kind", "name"):
        if not reference.get(name):
            found.append(required(f"{path}.{name}"))
    version = reference.get("apiVersion", "")
    if "/" not in version and reference.get("kind") != "ReplicationController":
        found.append(invalid(f"{path}.apiVersion", version, "apiVersion must specify API group"))
    return found


def _reference(obj: Object) -> str:
    reference = (obj.get("spec") or {}).get("scaleTargetRef") or {}
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"


def _targets(obj: Object) -> str:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if "targetCPUUtilizationPercentage" in spec:
        current = status.get("currentCPUUtilizationPercentage")
        shown = f"{current}%" if current is not None else "<unknown>"
        return f"cpu: {shown}/{spec['targetCPUUtilizationPercentage']}%"
    found = [_metric(metric) for metric in spec.get("metrics") or ()]
    more = f" + {len(found) - 2} more..." if len(found) > 2 else ""
    return ", ".join(found[:2]) + more if found else "<none>"


def _metric(metric: Object) -> str:
    kind = metric.get("type", "")
    source: Any = metric.get(kind[:1].lower() + kind[1:]) or {}
    target = source.get("target") or {}
    name = source.get("name") or (source.get("metric") or {}).get("name", "")
    if target.get("averageUtilization") is not None:
        return f"{name}: <unknown>/{target['averageUtilization']}%"
    if target.get("averageValue") is not None:
        average = f"<unknown>/{target['averageValue']}"
        return f"{average} (avg)" if kind != "Resource" else f"{name}: {average}"
    return f"<unknown>/{target.get('value')}"


def _minimum(obj: Object) -> str:
    found = (obj.get("spec") or {}).get("minReplicas")
    return str(found) if found is not None else "<unset>"


COLUMNS = (
    Column("Reference", _reference),
    Column("Targets", _targets),
    Column("MinPods", _minimum),
    Column("MaxPods", count("spec", "maxReplicas")),
    Column("Replicas", count("status", "currentReplicas")),
    AGE,
)


def _kind(version: str) -> Kind:
    return Kind(
        GROUP,
        version,
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        True,
        AutoscalerStrategy(),
        short_names=("hpa",),
        categories=("all",),
        columns=COLUMNS,
        subresources=(STATUS_SUBRESOURCE,),
        stored_as=(GROUP, "v2"),
        convert=convert,
    )


KINDS: tuple[Kind, ...] = (_kind("v2"), _kind("v1"))
