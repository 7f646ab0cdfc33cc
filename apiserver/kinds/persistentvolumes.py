"""v1 PersistentVolume and PersistentVolumeClaim."""

from __future__ import annotations

from typing import Any

from apiserver.field import FieldError
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pod_defaults import default_source
from apiserver.kinds.storage_validation import claim_spec, claim_status, claim_update, volume_spec, volume_update
from apiserver.kinds.storage_warnings import claim_warnings, volume_warnings
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE


class ClaimStrategy(Strategy):
    """PersistentVolumeClaim."""

    metadata_again = 2
    delete_answers_object = True

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"phase": "Pending"}
        _drop_data_sources(obj["spec"], {})
        _pair_data_sources(obj["spec"])

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return claim_spec(obj["spec"], "spec")

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_update(obj, old, context)
        _drop_data_sources(obj["spec"], old["spec"])

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return claim_update(obj, old)

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return claim_status(obj)

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        return [] if context.subresource else list(claim_warnings(obj))


_SOURCES = {("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")}


def _drop_data_sources(spec: Object, before: Object) -> None:
    """What dataSource never took is dropped without a word, and so are references across namespaces, which are an
    alpha feature (KEP-1495, KEP-3294)."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if (reference or {}).get("namespace") and before.get("dataSourceRef") is None:
        del spec["dataSourceRef"]
    if before.get("dataSource") is not None or before.get("dataSourceRef") is not None:
        return
    named = source is not None and (source.get("apiGroup") or "", source.get("kind", "")) in _SOURCES
    if source is not None and spec.get("dataSourceRef") is None and not named:
        del spec["dataSource"]


def _pair_data_sources(spec: Object) -> None:
    """dataSource and dataSourceRef say the same, unless the reference crosses namespaces (KEP-1495, KEP-3294)."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {key: value for key, value in reference.items() if key != "namespace"}


class VolumeStrategy(Strategy):
    """PersistentVolume."""

    metadata_again = 2
    delete_answers_object = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
        spec.setdefault("volumeMode", "Filesystem")
        default_source(spec)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": context.now}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return volume_spec(obj["spec"])

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return volume_update(obj, old)

    def prepare_for_status_update(self, obj: Object, old: Object, context: Context) -> None:
        """Another phase is dated, unless the client does so (KEP-3762)."""
        super().prepare_for_status_update(obj, old, context)
        name, live, status = "lastPhaseTransitionTime", old.get("status") or {}, obj.get("status") or {}
        if live.get("phase") != status.get("phase"):
            if status.get(name) in (None, live.get(name)):
                obj.setdefault("status", {})[name] = context.now
        elif status.get(name) is None and live.get(name) is not None:
            obj.setdefault("status", {})[name] = live[name]

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        return [] if context.subresource else list(volume_warnings(obj))


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
