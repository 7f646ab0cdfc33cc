"""apps/v1 ReplicaSet."""

from __future__ import annotations

from apiserver.field import FieldError
from apiserver.kinds.kind import Context, Kind, Object
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.workload import (
    Workload,
    apps_kind,
    immutable_selector,
    selector_faults,
    template_faults,
)
from apiserver.kinds.workload_columns import REPLICAS, SELECTOR


class ReplicaSetStrategy(Workload):
    """ReplicaSet."""

    metadata_again = 1
    within = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    counts = ("replicas", *within, "terminatingReplicas", "observedGeneration")

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("replicas", 1)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        found = not_negative("spec.replicas", spec.get("replicas"))
        found += not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        found += selector_faults(spec, "deployment")
        found += template_faults(spec, context)
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """The real server judges the spec twice, and tells its causes as often."""
        return self.validate(obj, context) * 2 + immutable_selector(obj, old)


KINDS: tuple[Kind, ...] = (
    apps_kind(
        "ReplicaSet",
        "replicasets",
        "rs",
        ReplicaSetStrategy(),
        (*REPLICAS, SELECTOR),
    ),
)
