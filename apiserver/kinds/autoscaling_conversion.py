"""HorizontalPodAutoscaler between autoscaling/v2, as it is stored, and v1, which keeps what it has no field for in
annotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from apiserver.kinds.kind import Object

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, BEHAVIOR = f"{_PREFIX}metrics", f"{_PREFIX}behavior"
CONDITIONS, CURRENT = f"{_PREFIX}conditions", f"{_PREFIX}current-metrics"
_FIELDS = {
    "resource": (("name", "name"),),
    "pods": (("metricName", "metric.name"), ("selector", "metric.selector")),
    "object": (("target", "describedObject"), ("metricName", "metric.name"), ("selector", "metric.selector")),
    "external": (("metricName", "metric.name"), ("metricSelector", "metric.selector")),
    "containerResource": (("name", "name"), ("container", "container")),
}
"""Per source of a metric: a field of v1 and the path in v2."""
_KINDS = (("averageUtilization", "Utilization"), ("value", "Value"), ("averageValue", "AverageValue"))
"""What the type of a target follows from."""
_BEHAVIOR = (
    ("StabilizationWindowSeconds", "stabilizationWindowSeconds"),
    ("SelectPolicy", "selectPolicy"),
    ("Policies", "policies"),
    ("Tolerance", "tolerance"),
)
_POLICY = (("Type", "type"), ("Value", "value"), ("PeriodSeconds", "periodSeconds"))


def cpu(utilization: int) -> Object:
    """The metric that v1's targetCPUUtilizationPercentage stands for."""
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _is_cpu(metric: Object, side: str = "target") -> bool:
    resource = metric.get("resource") or {}
    found = (resource.get(side) or {}).get("averageUtilization")
    return metric.get("type") == "Resource" and resource.get("name") == "cpu" and found is not None


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _put(value: Object, path: str, found: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        value = value.setdefault(name, {})
    value[last] = found


def _source(kind: str) -> str:
    return kind[:1].lower() + kind[1:]


def _metric_to_v1(metric: Object, side: str = "target") -> Object:
    name = _source(metric.get("type", ""))
    if not name:  # what a controller could not measure
        return {"type": ""}
    source, shown = metric.get(name) or {}, {}
    for field, path in _FIELDS.get(name, ()):
        if _at(source, path) is not None:
            shown[field] = _at(source, path)
    values = source.get(side) or {}
    for field, path in _value_fields(name, side):
        if values.get(path) is not None:
            shown[field] = values[path]
    return {"type": metric.get("type", ""), name: shown}


def _value_fields(name: str, side: str) -> tuple[tuple[str, str], ...]:
    """(field of v1, field of v2's target or current)."""
    word = "target" if side == "target" else "current"
    average = "averageValue" if name == "object" else f"{word}AverageValue"
    return ((f"{word}AverageUtilization", "averageUtilization"), (f"{word}Value", "value"), (average, "averageValue"))


def _metric_to_v2(metric: Object, side: str = "target") -> Object:
    name = _source(metric.get("type", ""))
    if not name:
        return {"type": ""}
    source, made = metric.get(name) or {}, dict[str, Any]()
    for field, path in _FIELDS.get(name, ()):
        if source.get(field) is not None:
            _put(made, path, source[field])
    values = {path: source[field] for field, path in _value_fields(name, side) if source.get(field) is not None}
    if side == "target":
        kind = next((kind for path, kind in _KINDS if path in values), "")
        values = {"type": kind, **values}
    return {"type": metric.get("type", ""), name: {**made, side: values}}


def _behavior_to_text(behavior: Object) -> str:
    """As the internal Go type is encoded."""

    def rules(found: Object | None) -> Any:
        if found is None:
            return None
        policies = [{name: item.get(field) for name, field in _POLICY} for item in found.get("policies") or ()]
        return {**{name: found.get(field) for name, field in _BEHAVIOR}, "Policies": policies or None}

    shown = {"ScaleUp": rules(behavior.get("scaleUp")), "ScaleDown": rules(behavior.get("scaleDown"))}
    return orjson.dumps(shown).decode()


def _behavior(shown: Any) -> Object:
    """From the text of an annotation."""

    def rules(found: Object) -> Object:
        made = {field: found[name] for name, field in _BEHAVIOR if found.get(name) is not None}
        if "policies" in made:
            made["policies"] = [{field: item.get(name) for name, field in _POLICY} for item in made["policies"]]
            numbers = [policy[name] for policy in made["policies"] for name in ("value", "periodSeconds")]
            if any(type(number) is not int for number in [*numbers, made.get("stabilizationWindowSeconds", 0)]):
                raise TypeError(numbers)
        return made

    names = (("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown"))
    return {field: rules(shown[name]) for name, field in names if shown.get(name)} if shown else {}


def convert(obj: Object, target: str) -> Object:
    """Between autoscaling/v1 and v2."""
    if obj.get("apiVersion") == target:
        return obj
    return _to_v1(obj) if target == "autoscaling/v1" else to_v2(obj)


def _taken(annotations: Object, name: str, read: Callable[[Any], Any]) -> Any:
    """What an annotation holds, None where it is no JSON of its shape: it is dropped then, as the real server does."""
    try:
        return read(orjson.loads(annotations.pop(name, "null")))
    except (ValueError, TypeError, AttributeError):
        return None


def _metrics(side: str) -> Callable[[Any], list[Object]]:
    def read(found: Any) -> list[Object]:
        metrics = [_metric_to_v2(metric, side) for metric in found or ()]
        for metric in metrics:
            utilization = _at(metric, f"{_source(metric['type'])}.{side}.averageUtilization")
            if utilization is not None and type(utilization) is not int:
                raise TypeError(utilization)
        return metrics

    return read


def _conditions(found: Any) -> list[Object]:
    return [{str(name): value for name, value in condition.items()} for condition in found or ()]


def to_v2(obj: Object) -> Object:
    """v1 to v2: the annotations become fields again."""
    metadata, spec, status = dict(obj["metadata"]), dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    annotations = dict(metadata.pop("annotations", None) or {})
    metrics = _taken(annotations, METRICS, _metrics("target")) or []
    utilization = spec.pop("targetCPUUtilizationPercentage", None)
    if utilization is not None:
        metrics = [cpu(utilization), *metrics]
    if metrics:
        spec["metrics"] = metrics
    behavior = _taken(annotations, BEHAVIOR, _behavior)
    if behavior:
        spec["behavior"] = behavior
    current = status.pop("currentCPUUtilizationPercentage", None)
    if status.get("currentReplicas") == 0:
        del status["currentReplicas"]
    status.setdefault("desiredReplicas", 0)
    known = _taken(annotations, CURRENT, _metrics("current")) or []
    if current is not None:
        value = {"averageUtilization": current}
        known = [{"type": "Resource", "resource": {"name": "cpu", "current": value}}, *known]
    status["currentMetrics"] = known or None
    conditions = _taken(annotations, CONDITIONS, _conditions)
    if conditions:
        status["conditions"] = conditions
    if annotations:
        metadata["annotations"] = annotations
    return {**obj, "apiVersion": "autoscaling/v2", "metadata": metadata, "spec": spec, "status": status}


def _to_v1(obj: Object) -> Object:
    metadata, spec, status = dict(obj["metadata"]), dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    notes: dict[str, str] = {}
    metrics = spec.pop("metrics", None) or []
    processor = next((metric for metric in metrics if _is_cpu(metric)), None)
    if processor is not None:
        spec["targetCPUUtilizationPercentage"] = processor["resource"]["target"]["averageUtilization"]
    others = [_metric_to_v1(metric) for metric in metrics if metric is not processor]
    known = status.pop("currentMetrics", None) or []
    usage = next((metric for metric in known if _is_cpu(metric, "current")), None)
    if usage is not None:
        status["currentCPUUtilizationPercentage"] = usage["resource"]["current"]["averageUtilization"]
    measured = [_metric_to_v1(metric, "current") for metric in known if metric is not usage]
    behavior = spec.pop("behavior", None)
    for name, value in ((METRICS, others), (CURRENT, measured), (CONDITIONS, status.pop("conditions", None))):
        if value:
            notes[name] = orjson.dumps(value).decode()
    if behavior is not None:
        notes[BEHAVIOR] = _behavior_to_text(behavior)
    if notes:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **notes}
    status.setdefault("currentReplicas", 0)
    status.setdefault("desiredReplicas", 0)
    return {**obj, "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}
