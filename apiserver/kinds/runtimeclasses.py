"""node.k8s.io/v1: RuntimeClass."""

from __future__ import annotations

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, immutable
from apiserver.kinds.kind import Column, Context, Kind, Object
from apiserver.kinds.pods import resources, scheduling
from apiserver.kinds.pods.checks import Scope, each
from apiserver.kinds.strategies import Free
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE
from apiserver.validation import labels


class RuntimeClassStrategy(Free):
    """RuntimeClass: how nodes run pods."""

    unconditional_update = False

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        handler = obj.get("handler", "")
        found = each("handler", handler, rules.dns1123_label(handler))
        if obj.get("overhead") is not None:
            found += resources.requirements({"limits": obj["overhead"].get("podFixed")}, "overhead", Scope())
        placement = obj.get("scheduling") or {}
        found += labels(placement.get("nodeSelector"), "scheduling.nodeSelector")
        tolerations = placement.get("tolerations") or []
        found += scheduling.tolerations(tolerations, "scheduling.tolerations")
        return found + [
            duplicate(f"scheduling.tolerations[{index}]", item)
            for index, item in enumerate(tolerations)
            if item in tolerations[:index]
        ]

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        changed = obj.get("handler") != old.get("handler")
        return self.validate(obj, context) + ([immutable("handler", obj.get("handler", ""))] if changed else [])


KINDS: tuple[Kind, ...] = (
    Kind(
        "node.k8s.io",
        "v1",
        "RuntimeClass",
        "runtimeclasses",
        False,
        RuntimeClassStrategy(),
        columns=(Column("Handler", at("handler", default="")), AGE),
    ),
)
