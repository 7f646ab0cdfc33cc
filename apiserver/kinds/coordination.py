"""coordination.k8s.io/v1: Lease."""

from __future__ import annotations

from apiserver.field import FieldError, invalid
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE


class LeaseStrategy(Strategy):
    """Lease."""

    disabled_fields = ("spec.strategy", "spec.preferredHolder")  # CoordinatedLeaderElection, KEP-4355
    create_on_update = True
    unconditional_update = False

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, found = obj.get("spec") or {}, []
        duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if duration is not None and duration <= 0:
            found.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
        if transitions is not None and transitions < 0:
            found.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
        return found


KINDS: tuple[Kind, ...] = (
    Kind(
        "coordination.k8s.io",
        "v1",
        "Lease",
        "leases",
        True,
        LeaseStrategy(),
        columns=(Column("Holder", at("spec", "holderIdentity", default="")), AGE),
    ),
)
