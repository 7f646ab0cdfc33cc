"""autoscaling: HorizontalPodAutoscaler in v2 (stored) and v1, converted into each other."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, forbidden, invalid, not_supported, required
from apiserver.kinds.autoscaling_conversion import METRICS, convert, cpu
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.pods.resources import container_resource_name
from apiserver.kinds.workload import STATUS_SUBRESOURCE
from apiserver.kinds.workload_columns import count
from apiserver.table import AGE
from miniplane.apimachinery.quantity import Quantity

GROUP = "autoscaling"
DEFAULT_UTILIZATION = 80
PERIOD, WINDOW = 1800, 3600
"""Seconds, the most of a policy's period and of a stabilization window."""
SELECT = ("Disabled", "Max", "Min")
POLICIES = ("Percent", "Pods")
SOURCES = ("ContainerResource", "External", "Object", "Pods", "Resource")
TARGETS = ("Utilization", "Value", "AverageValue")


def _policy(kind: str, value: int) -> Object:
    return {"type": kind, "value": value, "periodSeconds": 15}


def _default_behavior(behavior: Object) -> None:
    """GenerateHPAScaleUpRules, GenerateHPAScaleDownRules."""
    up, down = behavior.setdefault("scaleUp", {}), behavior.setdefault("scaleDown", {})
    up.setdefault("stabilizationWindowSeconds", 0)
    for rules_of, policies in ((up, [_policy("Pods", 4), _policy("Percent", 100)]), (down, [_policy("Percent", 100)])):
        rules_of.setdefault("selectPolicy", "Max")
        if rules_of.get("policies") is None:
            rules_of["policies"] = policies


class AutoscalerStrategy(Strategy):
    """HorizontalPodAutoscaler. Its rules speak of v2's fields whatever the version of a request."""

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("minReplicas", 1)
        if obj["apiVersion"] != "autoscaling/v2":
            if METRICS not in (obj["metadata"].get("annotations") or {}):
                spec.setdefault("targetCPUUtilizationPercentage", DEFAULT_UTILIZATION)
            return
        if not spec.get("metrics"):
            spec["metrics"] = [cpu(DEFAULT_UTILIZATION)]
        if spec.get("behavior") is not None:
            _default_behavior(spec["behavior"])

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        if obj["apiVersion"] == "autoscaling/v2":
            obj["status"] = {"desiredReplicas": 0, "currentMetrics": None}
        else:
            obj["status"] = {"currentReplicas": 0, "desiredReplicas": 0}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return _spec(convert(obj, "autoscaling/v2")["spec"], 1)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        least = 0 if (old.get("spec") or {}).get("minReplicas") == 0 else 1
        return _spec(convert(obj, "autoscaling/v2")["spec"], least)

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        status, names = obj.get("status") or {}, ("currentReplicas", "desiredReplicas")
        return [fault for name in names for fault in not_negative(f"status.{name}", status.get(name))]


def _spec(spec: Object, least: int) -> list[FieldError]:
    found: list[FieldError] = []
    low, high = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if low is not None and low < least:
        found.append(invalid("spec.minReplicas", low, f"must be greater than or equal to {least}"))
    if high == 0:
        found.append(required("spec.maxReplicas", "must be set and greater than 0"))
    if high < 0:
        found.append(invalid("spec.maxReplicas", high, "must be greater than or equal to 1"))
    if low is not None and high < low:
        found.append(invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    found += _target(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    metrics = spec.get("metrics") or []
    for index, metric in enumerate(metrics):
        found += _metric_spec(metric, f"spec.metrics[{index}]")
    if low == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        why = "must specify at least one Object or External metric to support scaling to zero replicas"
        found.append(forbidden("spec.metrics", why))
    for name in ("scaleUp", "scaleDown"):
        scaling = (spec.get("behavior") or {}).get(name)
        if scaling is not None:
            found += _scaling_rules(scaling, f"spec.behavior.{name}")
    return found


def _segments(reference: Object, path: str, names: tuple[str, ...]) -> list[FieldError]:
    found: list[FieldError] = []
    for name in names:
        value = reference.get(name, "")
        if not value:
            found.append(required(f"{path}.{name}"))
        found += [invalid(f"{path}.{name}", value, text) for text in rules.path_segment(value)]
    return found


def _target(reference: Object, path: str) -> list[FieldError]:
    found = _segments(reference, path, ("kind", "name"))
    version = reference.get("apiVersion", "")
    if version.count("/") > 1:
        return [*found, invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")]
    if not version.rpartition("/")[0] and reference.get("kind") != "ReplicationController":
        found.append(invalid(f"{path}.apiVersion", version, "apiVersion must specify API group"))
    return found


def _scaling_rules(scaling: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    window, select = scaling.get("stabilizationWindowSeconds"), scaling.get("selectPolicy")
    at = f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        found.append(invalid(at, window, "must be greater than or equal to zero"))
    if window is not None and window > WINDOW:
        found.append(invalid(at, window, f"must be less than or equal to {WINDOW}"))
    if select is not None and select not in SELECT:
        found.append(not_supported(f"{path}.selectPolicy", select, SELECT))
    if not scaling.get("policies"):
        found.append(required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(scaling.get("policies") or ()):
        found += _scaling_policy(policy, f"{path}.policies[{index}]")
    tolerance = scaling.get("tolerance")
    if tolerance is not None and Quantity.parse(tolerance).amount < 0:
        found.append(invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to 0"))
    return found


def _scaling_policy(policy: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if policy.get("type") not in POLICIES:
        found.append(not_supported(f"{path}.type", policy.get("type", ""), POLICIES))
    for name in ("value", "periodSeconds"):
        if policy.get(name, 0) <= 0:
            found.append(invalid(f"{path}.{name}", policy.get(name, 0), "must be greater than zero"))
    if policy.get("periodSeconds", 0) > PERIOD:
        found.append(
            invalid(f"{path}.periodSeconds", policy["periodSeconds"], f"must be less than or equal to {PERIOD}")
        )
    return found


_CHECKED = ("object", "external", "pods", "resource", "containerResource")
"""The sources in the order in which they are looked at; only the first one given is checked."""


def _metric_spec(metric: Object, path: str) -> list[FieldError]:
    kind, found = metric.get("type", ""), []
    expected = kind[:1].lower() + kind[1:]
    if not kind:
        found.append(required(f"{path}.type", "must specify a metric source type"))
    if kind not in SOURCES:
        found.append(not_supported(f"{path}.type", kind, SOURCES))
    given = [name for name in _CHECKED if metric.get(name) is not None]
    if given:
        found += _metric_source(given[0], metric[given[0]], f"{path}.{given[0]}")
    if kind not in SOURCES:
        found.append(not_supported(f"{path}.type", kind, SOURCES))
    elif expected not in given:
        found.append(required(f"{path}.{expected}", "must populate information for the given metric source"))
    if len(given) != 1:
        why = "must populate the given metric source only"
        found += [forbidden(f"{path}.{name}", why) for name in sorted(given) if name != expected]
    return found


def _metric_source(name: str, source: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    target, at = source.get("target") or {}, f"{path}.target"
    if name in ("resource", "containerResource"):
        found += _resource_names(name, source, path) + _metric_target(target, at)
        if target.get("averageUtilization") is None and target.get("averageValue") is None:
            why = "must set either a target raw value or a target utilization"
            return [*found, required(f"{at}.averageUtilization", why)]
        if target.get("averageUtilization") is not None and target.get("averageValue") is not None:
            why = "may not set both a target raw value and a target utilization"
            found.append(forbidden(f"{at}.averageValue", why))
        return found
    if name == "object":
        found += _segments(source.get("describedObject") or {}, f"{path}.describedObject", ("kind", "name"))
    metric = (source.get("metric") or {}).get("name", "")
    if not metric:
        found.append(required(f"{path}.metric.name", "must specify a metric name"))
    found += [invalid(f"{path}.metric.name", metric, text) for text in rules.path_segment(metric)]
    found += _metric_target(target, at)
    if target.get("averageValue") is None and (name == "pods" or target.get("value") is None):
        found.append(required(f"{at}.averageValue", _MISSING[name]))
    if name == "external" and target.get("averageValue") is not None and target.get("value") is not None:
        why = "may not set both a target value for metric and a per-pod target"
        found.append(forbidden(f"{at}.value", why))
    return found


_MISSING = {
    "object": "must set either a target value or averageValue",
    "external": "must set either a target value for metric or a per-pod target",
    "pods": "must specify a positive target averageValue",
}


def _resource_names(name: str, source: Object, path: str) -> list[FieldError]:
    resource, container = source.get("name", ""), source.get("container", "")
    if not resource:
        found = [required(f"{path}.name", "must specify a resource name")]
    else:
        found = container_resource_name(resource, f"{path}.name") if name == "containerResource" else []
    if name == "resource":
        return found
    if not container:
        return [*found, required(f"{path}.container", "must specify a container")]
    return found + [invalid(f"{path}.container", container, text) for text in rules.dns1123_label(container)]


def _metric_target(target: Object, path: str) -> list[FieldError]:
    kind, found = target.get("type", ""), []
    if not kind:
        found.append(required(f"{path}.type", "must specify a metric target type"))
    if kind not in TARGETS:
        found.append(invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue"))
    for name in ("value", "averageValue"):
        if target.get(name) is not None and Quantity.parse(target[name]).amount <= 0:
            found.append(invalid(f"{path}.{name}", Quantity.parse(target[name]).canonical(), "must be positive"))
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        found.append(invalid(f"{path}.averageUtilization", utilization, "must be greater than 0"))
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
    seen = status.get("currentMetrics") or []
    metrics = spec.get("metrics") or []
    found = [_metric(metric, seen[index] if index < len(seen) else {}) for index, metric in enumerate(metrics)]
    more = f" + {len(found) - 2} more..." if len(found) > 2 else ""
    return ", ".join(found[:2]) + more if found else "<none>"


def _metric(metric: Object, seen: Object) -> str:
    """What is measured and what is wanted, `cpu: 70%/80%`; `seen` is the status of this metric, or {}."""
    kind = metric.get("type", "")
    place = kind[:1].lower() + kind[1:]
    source: Any = metric.get(place) or {}
    target, current = source.get("target") or {}, (seen.get(place) or {}).get("current") or {}
    if kind in ("Resource", "ContainerResource"):
        if target.get("averageValue") is not None:
            return f"{source.get('name', '')}: {current.get('averageValue', '<unknown>')}/{target['averageValue']}"
        shown, wanted = (_percent(one.get("averageUtilization")) for one in (current, target))
        return f"{source.get('name', '')}: {shown or '<unknown>'}/{wanted or '<auto>'}"
    which = "averageValue" if kind == "Pods" or target.get("averageValue") is not None else "value"
    note = " (avg)" if which == "averageValue" and kind != "Pods" else ""
    return f"{current.get(which, '<unknown>')}/{target.get(which)}{note}"


def _percent(found: int | None) -> str:
    return "" if found is None else f"{found}%"


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
