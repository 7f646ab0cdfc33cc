"""apps/v1 Deployment."""

from __future__ import annotations

from apiserver.field import FieldError, forbidden, invalid, not_supported
from apiserver.kinds.kind import Column, Context, Kind, Object
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.workload import (
    Workload,
    apps_kind,
    immutable_selector,
    int_or_percent,
    over_hundred,
    rolling_shown,
    scaled,
    selector_faults,
    template_faults,
)
from apiserver.kinds.workload_columns import CONTAINERS, IMAGES, SELECTOR, count, ratio
from apiserver.table import AGE


class DeploymentStrategy(Workload):
    """Deployment."""

    status_keeps = ("labels",)
    counts = (
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    )
    within = ("updatedReplicas", "readyReplicas", "availableReplicas")

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("replicas", 1)
        strategy = spec.setdefault("strategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", "25%")
            rolling.setdefault("maxSurge", "25%")
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        found = not_negative("spec.replicas", spec.get("replicas"))
        found += selector_faults(spec, "deployment")
        found += template_faults(spec, context)
        found += self._strategy(spec.get("strategy") or {})
        found += not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        found += not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
        found += self._deadline(spec)
        return found

    def _deadline(self, spec: Object) -> list[FieldError]:
        deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
        if deadline is None:
            return []
        found = not_negative("spec.progressDeadlineSeconds", deadline)
        if deadline <= ready:
            found.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
        return found

    def _strategy(self, strategy: Object) -> list[FieldError]:
        rolling = strategy.get("rollingUpdate")
        match strategy.get("type"):
            case "Recreate":
                if rolling is not None:
                    why = "may not be specified when strategy `type` is 'Recreate'"
                    return [forbidden("spec.strategy.rollingUpdate", why)]
                return []
            case "RollingUpdate":
                return self._rolling(rolling or {}, "spec.strategy.rollingUpdate")
        shown = {"Type": strategy.get("type", ""), "RollingUpdate": rolling_shown(rolling)}
        return [not_supported("spec.strategy", shown, ("Recreate", "RollingUpdate"))]

    def _rolling(self, rolling: Object, path: str) -> list[FieldError]:
        unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        found = int_or_percent(unavailable, f"{path}.maxUnavailable")
        found += int_or_percent(surge, f"{path}.maxSurge")
        if scaled(unavailable) == 0 and scaled(surge) == 0:
            found.append(invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
        return found + over_hundred(unavailable, f"{path}.maxUnavailable")

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context)
        return found + immutable_selector(obj, old)


DEPLOYMENT_COLUMNS = (
    Column("Ready", ratio(count("status", "readyReplicas"), count("spec", "replicas"))),
    Column("Up-to-date", count("status", "updatedReplicas")),
    Column("Available", count("status", "availableReplicas")),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)

KINDS: tuple[Kind, ...] = (apps_kind("Deployment", "deployments", "deploy", DeploymentStrategy(), DEPLOYMENT_COLUMNS),)
