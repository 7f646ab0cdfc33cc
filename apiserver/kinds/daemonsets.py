"""apps/v1 DaemonSet."""

from __future__ import annotations

from apiserver.field import FieldError, invalid, not_supported
from apiserver.kinds.kind import Column, Context, Kind, Object
from apiserver.kinds.workload import (
    Workload,
    apps_kind,
    immutable_selector,
    int_or_percent,
    non_negative,
    scaled,
    selector_faults,
    template_faults,
)
from apiserver.kinds.workload_columns import CONTAINERS, IMAGES, SELECTOR, at, count, format_labels
from apiserver.table import AGE


class DaemonSetStrategy(Workload):
    """DaemonSet."""

    counts = (
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
    )
    within = ()

    def default_spec(self, spec: Object) -> None:
        update = spec.setdefault("updateStrategy", {})
        if not update.get("type"):
            update["type"] = "RollingUpdate"
        if update["type"] == "RollingUpdate":
            rolling = update.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", 1)
            rolling.setdefault("maxSurge", 0)
        spec.setdefault("revisionHistoryLimit", 10)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        zero = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
        obj["status"] = dict.fromkeys(zero, 0)
        annotations = obj["metadata"].setdefault("annotations", {})
        annotations["deprecated.daemonset.template.generation"] = "1"

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_update(obj, old, context)
        key = "deprecated.daemonset.template.generation"
        before = (old["metadata"].get("annotations") or {}).get(key, "1")
        changed = obj["spec"].get("template") != old["spec"].get("template")
        value = str(int(before) + 1) if changed and before.isdigit() else before
        obj["metadata"].setdefault("annotations", {})[key] = value

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        found = selector_faults(spec, "daemonset")
        found += template_faults(spec, context)
        found += non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
        found += self._update_strategy(spec.get("updateStrategy") or {})
        found += non_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")
        return found

    def _update_strategy(self, update: Object) -> list[FieldError]:
        path = "spec.updateStrategy"
        match update.get("type"):
            case "OnDelete":
                return []
            case "RollingUpdate":
                rolling = update.get("rollingUpdate") or {}
                unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
                found = int_or_percent(unavailable, f"{path}.rollingUpdate.maxUnavailable")
                found += int_or_percent(surge, f"{path}.rollingUpdate.maxSurge")
                if scaled(unavailable) and scaled(surge):
                    why = "may not be set when maxUnavailable is non-zero"
                    found.append(invalid(f"{path}.rollingUpdate.maxSurge", surge, why))
                if not scaled(unavailable) and not scaled(surge):
                    why = "cannot be 0 when maxSurge is 0"
                    found.append(invalid(f"{path}.rollingUpdate.maxUnavailable", unavailable, why))
                return found
        return [not_supported(f"{path}.type", update.get("type", ""), ("RollingUpdate", "OnDelete"))]

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return self.validate(obj, context) + immutable_selector(obj, old)


def _node_selector(obj: Object) -> str:
    pod = at("spec", "template", "spec")(obj) or {}
    return format_labels(pod.get("nodeSelector"))


DAEMON_COLUMNS = (
    Column("Desired", count("status", "desiredNumberScheduled"), type="integer"),
    Column("Current", count("status", "currentNumberScheduled"), type="integer"),
    Column("Ready", count("status", "numberReady"), type="integer"),
    Column("Up-to-date", count("status", "updatedNumberScheduled"), type="integer"),
    Column("Available", count("status", "numberAvailable"), type="integer"),
    Column("Node Selector", _node_selector),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)

KINDS: tuple[Kind, ...] = (
    apps_kind("DaemonSet", "daemonsets", "ds", DaemonSetStrategy(), DAEMON_COLUMNS, scale=False),
)
