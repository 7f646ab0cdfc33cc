"""coordination.k8s.io/v1: Lease."""

from __future__ import annotations

from apiserver.field import FieldError, invalid
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE


class LeaseStrategy(Strategy):
    """Lease."""

    create_on_update = True
    unconditional_update = False

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        _drop_coordination(obj, {})

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        _drop_coordination(obj, old)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, found = obj.get("spec") or {}, []
        duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if duration is not None and duration <= 0:
            found.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
        if transitions is not None and transitions < 0:
            found.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
        return found


def _drop_coordination(obj: Object, old: Object) -> None:
    """Fields of coordinated leader election (KEP-4355), off by default: dropped unless the object has them."""
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    for name in ("strategy", "preferredHolder"):
        if before.get(name) is None:
            spec.pop(name, None)


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
