"""v1 PersistentVolume and PersistentVolumeClaim."""

from __future__ import annotations

from typing import Any

from apiserver.field import FieldError, required
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.storage_validation import claim_spec, claim_update, volume_spec, volume_update
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE


class ClaimStrategy(Strategy):
    """PersistentVolumeClaim."""

    delete_answers_object = True

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"phase": "Pending"}
        _pair_data_sources(obj["spec"])

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return claim_spec(obj["spec"], "spec")

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return claim_update(obj, old)

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return [] if obj["spec"].get("accessModes") else [required("Spec.accessModes")]


def _pair_data_sources(spec: Object) -> None:
    """dataSource and dataSourceRef say the same, unless the reference crosses namespaces (KEP-1495, KEP-3294)."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {key: value for key, value in reference.items() if key != "namespace"}


class VolumeStrategy(Strategy):
    """PersistentVolume."""

    delete_answers_object = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
        spec.setdefault("volumeMode", "Filesystem")
        if spec.get("hostPath") is not None:
            spec["hostPath"].setdefault("type", "")

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"phase": "Pending"}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return volume_spec(obj["spec"])

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return volume_update(obj, old)


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _modes(modes: Any) -> str:
    return ",".join(short for mode, short in _MODES.items() if mode in (modes or ()))


def _claim_bound(obj: Object, *path: str) -> Any:
    return at(*path)(obj) if (obj.get("spec") or {}).get("volumeName") else None


def _deleting(obj: Object, default: str) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str((obj.get("status") or {}).get("phase", default))


CLAIM_COLUMNS = (
    Column("Status", lambda obj: _deleting(obj, "")),
    Column("Volume", at("spec", "volumeName", default="")),
    Column("Capacity", lambda obj: (_claim_bound(obj, "status", "capacity") or {}).get("storage", "")),
    Column("Access Modes", lambda obj: _modes(_claim_bound(obj, "status", "accessModes"))),
    Column("StorageClass", at("spec", "storageClassName", default="")),
    Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default="<unset>")),
    AGE,
    Column("VolumeMode", at("spec", "volumeMode", default="<unset>"), priority=1),
)


def _claim(obj: Object) -> str:
    reference = (obj.get("spec") or {}).get("claimRef")
    return f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else ""


VOLUME_COLUMNS = (
    Column("Capacity", lambda obj: ((obj.get("spec") or {}).get("capacity") or {}).get("storage", "")),
    Column("Access Modes", lambda obj: _modes((obj.get("spec") or {}).get("accessModes"))),
    Column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy", default="")),
    Column("Status", lambda obj: _deleting(obj, "")),
    Column("Claim", _claim),
    Column("StorageClass", at("spec", "storageClassName", default="")),
    Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default="<unset>")),
    Column("Reason", at("status", "reason", default="")),
    AGE,
    Column("VolumeMode", at("spec", "volumeMode", default="<unset>"), priority=1),
)


KINDS: tuple[Kind, ...] = (
    Kind(
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        True,
        ClaimStrategy(),
        short_names=("pvc",),
        columns=CLAIM_COLUMNS,
        subresources=(Subresource("status", STATUS),),
    ),
    Kind(
        "",
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        False,
        VolumeStrategy(),
        short_names=("pv",),
        columns=VOLUME_COLUMNS,
        subresources=(Subresource("status", STATUS),),
    ),
)
