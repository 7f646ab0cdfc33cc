"""apps/v1 StatefulSet."""

from __future__ import annotations

from apiserver.field import FieldError, forbidden, invalid
from apiserver.kinds.kind import Column, Context, Kind, Object
from apiserver.kinds.workload import Workload, apps_kind, non_negative, selector_faults, template_faults
from apiserver.kinds.workload_columns import CONTAINERS, IMAGES, count, ratio
from apiserver.table import AGE

FREE_FIELDS = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


class StatefulSetStrategy(Workload):
    """StatefulSet."""

    counts = (
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
    )
    within = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")

    def default_spec(self, spec: Object) -> None:
        if not spec.get("podManagementPolicy"):
            spec["podManagementPolicy"] = "OrderedReady"
        update = spec.setdefault("updateStrategy", {})
        if not update.get("type"):
            update["type"] = "RollingUpdate"
        if update["type"] == "RollingUpdate":
            update.setdefault("rollingUpdate", {}).setdefault("partition", 0)
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        for name in ("whenDeleted", "whenScaled"):
            if not retention.get(name):
                retention[name] = "Retain"
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        for claim in spec.get("volumeClaimTemplates") or ():
            claim.setdefault("apiVersion", "v1")
            claim.setdefault("kind", "PersistentVolumeClaim")
            claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
            claim.setdefault("status", {}).setdefault("phase", "Pending")

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"replicas": 0, "availableReplicas": 0}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        found: list[FieldError] = []
        policy = spec.get("podManagementPolicy", "")
        if policy not in ("OrderedReady", "Parallel"):
            found.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
        found += self._update_strategy(spec.get("updateStrategy") or {})
        found += non_negative(spec.get("replicas"), "spec.replicas")
        found += non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
        found += selector_faults(spec, "statefulset")
        found += template_faults(spec, context)
        return found

    def _update_strategy(self, update: Object) -> list[FieldError]:
        path = "spec.updateStrategy"
        match update.get("type"):
            case "OnDelete":
                if update.get("rollingUpdate") is not None:
                    why = "only allowed for updateStrategy 'RollingUpdate'"
                    return [invalid(f"{path}.rollingUpdate", update["rollingUpdate"], why)]
                return []
            case "RollingUpdate":
                rolling = update.get("rollingUpdate") or {}
                return non_negative(rolling.get("partition"), f"{path}.rollingUpdate.partition")
        return [invalid(path, update, "must be 'RollingUpdate' or 'OnDelete'")]

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context)
        rest, before = ({k: v for k, v in o["spec"].items() if k not in FREE_FIELDS} for o in (obj, old))
        if rest != before:
            names = ", ".join(f"'{name}'" for name in FREE_FIELDS[:-1])
            why = f"updates to statefulset spec for fields other than {names} and '{FREE_FIELDS[-1]}' are forbidden"
            found.append(forbidden("spec", why))
        return found


STATEFUL_COLUMNS = (
    Column("Ready", ratio(count("status", "readyReplicas"), count("spec", "replicas"))),
    AGE,
    CONTAINERS,
    IMAGES,
)

KINDS: tuple[Kind, ...] = (apps_kind("StatefulSet", "statefulsets", "sts", StatefulSetStrategy(), STATEFUL_COLUMNS),)
