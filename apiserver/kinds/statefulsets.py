"""apps/v1 StatefulSet."""

from __future__ import annotations

from apiserver import validation as rules
from apiserver.field import FieldError, forbidden, invalid, not_supported
from apiserver.kinds.kind import Column, Context, Kind, Object
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.storage_warnings import claim_spec_warnings
from apiserver.kinds.workload import (
    Workload,
    apps_kind,
    int_or_percent,
    over_hundred,
    scaled,
    selector_faults,
    template_faults,
)
from apiserver.kinds.workload_columns import CONTAINERS, IMAGES, count, ratio
from apiserver.table import AGE

RETENTION = ("Retain", "Delete")
FREE_FIELDS = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


NEGATIVE_HISTORY = (
    "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
)


class StatefulSetStrategy(Workload):
    """StatefulSet."""

    disabled_fields = (*Workload.disabled_fields, "spec.updateStrategy.rollingUpdate.maxUnavailable")  # KEP-961
    counts = (
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    )
    names_hosts = False  # its own name must be a label
    ready_text = "cannot be greater than status.readyReplicas"
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

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        """Those of updates have the path of a claim's spec in them, in capitals."""
        if context.subresource:
            return []
        found, spec = super().warnings(obj, old, context), obj["spec"]
        at = "" if old is None else ".Spec"
        for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            found += claim_spec_warnings(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}]{at}")
        if spec.get("revisionHistoryLimit", 0) < 0:
            found.append(NEGATIVE_HISTORY)
        return found

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"replicas": 0, "availableReplicas": 0}

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return rules.dns1123_label(name, prefix=prefix)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return self._spec(obj["spec"], {}, context)

    def _spec(self, spec: Object, before: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        policy = spec.get("podManagementPolicy", "")
        if policy not in ("OrderedReady", "Parallel"):
            found.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
        found += _update_strategy(spec.get("updateStrategy") or {})
        for name, kept in (spec.get("persistentVolumeClaimRetentionPolicy") or {}).items():
            if kept not in RETENTION:
                found.append(not_supported(f"spec.persistentVolumeClaimRetentionPolicy.{name}", kept, RETENTION))
        found += not_negative("spec.replicas", spec.get("replicas"))
        found += not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        found += not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
        service = spec.get("serviceName")
        if service and service != before.get("serviceName"):
            found += [invalid("spec.serviceName", service, text) for text in rules.dns1123_label(service)]
        found += selector_faults(spec, "statefulset")
        return found + template_faults(_with_claims(spec), context, owner="StatefulSet", unreadable="")

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self._spec(obj["spec"], old["spec"], context)
        rest, before = ({k: v for k, v in o["spec"].items() if k not in FREE_FIELDS} for o in (obj, old))
        if rest != before:
            names = ", ".join(f"'{name}'" for name in FREE_FIELDS[:-1])
            why = f"updates to statefulset spec for fields other than {names} and '{FREE_FIELDS[-1]}' are forbidden"
            found.append(forbidden("spec", why))
        return found


def _with_claims(spec: Object) -> Object:
    """The spec with a volume for each claim template, as its pods will have them; these win over volumes of the
    template with the same name."""
    claims = [claim["metadata"].get("name", "") for claim in spec.get("volumeClaimTemplates") or ()]
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    if not claims:
        return spec
    volumes = [volume for volume in pod.get("volumes") or () if volume.get("name") not in claims]
    volumes += [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims if name]
    return {**spec, "template": {**template, "spec": {**pod, "volumes": volumes}}}


def _update_strategy(update: Object) -> list[FieldError]:
    path, rolling = "spec.updateStrategy", update.get("rollingUpdate")
    match update.get("type"):
        case "OnDelete":
            why = "only allowed for updateStrategy 'RollingUpdate'"
            return [invalid(f"{path}.rollingUpdate", _shown(rolling), why)] if rolling is not None else []
        case "RollingUpdate":
            return _rolling(rolling or {}, f"{path}.rollingUpdate")
    shown = {"Type": update.get("type", ""), "RollingUpdate": _shown(rolling)}
    return [invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")]


def _shown(rolling: Object | None) -> Object | None:
    """As the internal Go type is shown in errors."""
    if rolling is None:
        return None
    return {"Partition": rolling.get("partition", 0), "MaxUnavailable": rolling.get("maxUnavailable")}


def _rolling(rolling: Object, path: str) -> list[FieldError]:
    found = not_negative(f"{path}.partition", rolling.get("partition"))
    most = rolling.get("maxUnavailable")
    if most is None:
        return found
    found += int_or_percent(most, f"{path}.maxUnavailable")
    if scaled(most) == 0:
        found.append(invalid(f"{path}.maxUnavailable", most, "cannot be 0"))
    return found + over_hundred(most, f"{path}.maxUnavailable")


STATEFUL_COLUMNS = (
    Column("Ready", ratio(count("status", "readyReplicas"), count("spec", "replicas"))),
    AGE,
    CONTAINERS,
    IMAGES,
)

KINDS: tuple[Kind, ...] = (apps_kind("StatefulSet", "statefulsets", "sts", StatefulSetStrategy(), STATEFUL_COLUMNS),)
