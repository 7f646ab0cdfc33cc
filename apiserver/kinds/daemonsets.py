"""apps/v1 DaemonSet."""

from __future__ import annotations

from apiserver.field import FieldError, invalid, not_supported, required
from apiserver.gointegers import bounded
from apiserver.kinds.kind import Column, Context, Kind, Object
from apiserver.kinds.pod import validate_pod_template
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.workload import (
    Workload,
    apps_kind,
    immutable_selector,
    int_or_percent,
    not_matching,
    over_hundred,
    restart_faults,
    rolling_shown,
    scaled,
)
from apiserver.kinds.workload_columns import CONTAINERS, IMAGES, SELECTOR, at, count, format_labels
from apiserver.table import AGE
from apiserver.validation import label_selector


class DaemonSetStrategy(Workload):
    """DaemonSet."""

    metadata_again = 1
    counts = (
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    )
    ready_text = ""
    names_hosts = False

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
        counts = before.isascii() and before.isdigit()
        value = str(bounded(before) + 1) if changed and counts else before
        obj["metadata"].setdefault("annotations", {})[key] = value

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        selector = spec.get("selector")
        found = label_selector(selector, "spec.selector") + not_matching(spec)
        if selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions"):
            found.append(invalid("spec.selector", selector, "empty selector is invalid for daemonset"))
        found += validate_pod_template(spec.get("template") or {}, "spec.template", context)
        found += restart_faults(spec, "DaemonSet")
        found += not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        found += _update_strategy(spec.get("updateStrategy") or {})
        return found + not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """The real server judges the spec twice, and tells its causes as often."""
        return self.validate(obj, context) * 2 + immutable_selector(obj, old)


def _update_strategy(update: Object) -> list[FieldError]:
    path, rolling = "spec.updateStrategy", update.get("rollingUpdate")
    match update.get("type"):
        case "OnDelete":
            return []
        case "RollingUpdate":
            return _rolling(rolling or {}, f"{path}.rollingUpdate")
    shown = {"Type": update.get("type", ""), "RollingUpdate": rolling_shown(rolling)}
    return [not_supported(path, shown, ("RollingUpdate", "OnDelete"))]


def _rolling(rolling: Object, path: str) -> list[FieldError]:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    found: list[FieldError] = []
    for check in (int_or_percent, over_hundred):
        found += check(unavailable, f"{path}.maxUnavailable") + check(surge, f"{path}.maxSurge")
    if scaled(unavailable) and scaled(surge):
        found.append(invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif not scaled(unavailable) and not scaled(surge):
        found.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return found


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
