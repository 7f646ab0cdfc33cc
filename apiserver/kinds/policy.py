"""policy/v1: PodDisruptionBudget (Eviction is a call on pods)."""

from __future__ import annotations

from typing import Any

from apiserver.conditions import condition_faults
from apiserver.field import FieldError, invalid, not_supported
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.workload import STATUS_SUBRESOURCE, int_or_percent, over_hundred
from apiserver.kinds.workload_columns import count
from apiserver.table import AGE
from apiserver.validation import label_selector

COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


class BudgetStrategy(Strategy):
    """PodDisruptionBudget."""

    unconditional_update = False

    has_generation = True

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = dict.fromkeys(COUNTS, 0)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, found = obj.get("spec") or {}, []
        available, unavailable = spec.get("minAvailable"), spec.get("maxUnavailable")
        if available is not None and unavailable is not None:
            found.append(invalid("spec", _go_spec(spec), "minAvailable and maxUnavailable cannot be both set"))
        for name, value in (("minAvailable", available), ("maxUnavailable", unavailable)):
            if value is not None:
                found += int_or_percent(value, f"spec.{name}") + over_hundred(value, f"spec.{name}")
        found += label_selector(spec.get("selector"), "spec.selector")
        policy = spec.get("unhealthyPodEvictionPolicy")
        if policy is not None and policy not in ("AlwaysAllow", "IfHealthyBudget"):
            supported = ("AlwaysAllow", "IfHealthyBudget")
            found.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, supported))
        return found

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        status = obj.get("status") or {}
        found = condition_faults(status.get("conditions") or (), "status.conditions")
        return found + [fault for name in COUNTS for fault in not_negative(f"status.{name}", status.get(name))]


def _go_spec(spec: Object) -> Object:
    """The spec as the internal Go type is shown in errors."""
    names = ("MinAvailable", "Selector", "MaxUnavailable", "UnhealthyPodEvictionPolicy")
    return {name: spec.get(name[0].lower() + name[1:]) for name in names}


def _bound(name: str) -> Any:
    def value(obj: Object) -> str:
        found = (obj.get("spec") or {}).get(name)
        return "N/A" if found is None else str(found)

    return value


KINDS: tuple[Kind, ...] = (
    Kind(
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        True,
        BudgetStrategy(),
        short_names=("pdb",),
        columns=(
            Column("Min Available", _bound("minAvailable")),
            Column("Max Unavailable", _bound("maxUnavailable")),
            Column("Allowed Disruptions", count("status", "disruptionsAllowed"), type="integer"),
            AGE,
        ),
        subresources=(STATUS_SUBRESOURCE,),
    ),
)
