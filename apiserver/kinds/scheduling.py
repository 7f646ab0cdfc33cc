"""scheduling.k8s.io/v1: PriorityClass."""

from __future__ import annotations

from apiserver import errors
from apiserver.field import FieldError, forbidden, immutable
from apiserver.kinds.kind import Column, Context, Kind, Object
from apiserver.kinds.pods.checks import one_of
from apiserver.kinds.strategies import Counted
from apiserver.kinds.workload_columns import at, count, yes
from apiserver.table import AGE

HIGHEST = 1_000_000_000
"""Of classes that users make; what is above belongs to the system."""
SYSTEM = {
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
}
"""Priority and description of the classes that every cluster has."""
POLICIES = ("Never", "PreemptLowerPriority")


def system_classes() -> list[Object]:
    """The objects of SYSTEM."""
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name, "generation": 1},
            "value": value,
            "description": description,
            "preemptionPolicy": "PreemptLowerPriority",
        }
        for name, (value, description) in SYSTEM.items()
    ]


class PriorityClassStrategy(Counted):
    """PriorityClass."""

    def default(self, obj: Object) -> None:
        if obj.get("preemptionPolicy") is None:
            obj["preemptionPolicy"] = "PreemptLowerPriority"

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
        found: list[FieldError] = []
        if name.startswith("system-"):
            known, _ = SYSTEM.get(name, (None, ""))
            if known is None or known != value or obj.get("globalDefault"):
                why = "priority class names with 'system-' prefix are reserved for system use only"
                found.append(forbidden("metadata.name", f"{why}. error: {_unlike_system(name, obj)}"))
        elif value > HIGHEST:
            why = f"maximum allowed value of a user defined priority is {HIGHEST}"
            found.append(forbidden("value", why))
        return found + one_of("preemptionPolicy", obj["preemptionPolicy"], POLICIES)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        if obj.get("value", 0) != old.get("value", 0):
            found.append(forbidden("value", "may not be changed in an update."))
        if obj.get("preemptionPolicy") != old.get("preemptionPolicy"):
            found.append(immutable("preemptionPolicy", obj.get("preemptionPolicy")))
        return found

    def check_delete(self, obj: Object, context: Context) -> None:
        name = obj["metadata"]["name"]
        if name in SYSTEM:
            why = "this is a system priority class and cannot be deleted"
            raise errors.forbidden_request("scheduling.k8s.io", "priorityclasses", name, why)


def _unlike_system(name: str, obj: Object) -> str:
    if name not in SYSTEM:
        return f"{name} is not a known system priority class"
    value = SYSTEM[name][0]
    if obj.get("value", 0) != value:
        return f"value of {name} PriorityClass must be {value}"
    return f"globalDefault of {name} PriorityClass must be false"


KINDS: tuple[Kind, ...] = (
    Kind(
        "scheduling.k8s.io",
        "v1",
        "PriorityClass",
        "priorityclasses",
        False,
        PriorityClassStrategy(),
        short_names=("pc",),
        columns=(
            Column("Value", count("value"), type="integer"),
            Column("Global-Default", yes("globalDefault"), type="boolean"),
            AGE,
            Column("PreemptionPolicy", at("preemptionPolicy", default="")),
        ),
    ),
)
