"""storage.k8s.io/v1: classes, drivers and attachments of volumes."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.kind import CellValue, Column, Kind, Object
from apiserver.kinds.storageclass_rules import (
    AttachmentStrategy,
    AttributesClassStrategy,
    CapacityStrategy,
    DriverStrategy,
    NodeStrategy,
    StorageClassStrategy,
)
from apiserver.kinds.strategies import STATUS_ONLY
from apiserver.kinds.workload_columns import at, yes
from apiserver.table import AGE

STORAGE = "storage.k8s.io"


def _join(*path: str) -> Any:
    return lambda obj: ",".join(at(*path, default=[])(obj))


def _class_name(*annotations: str) -> CellValue:
    """The name, and whether it is the class of those that name none: one of `annotations` says so."""

    def name(obj: Object) -> str:
        found = obj["metadata"].get("annotations") or {}
        default = any(found.get(annotation) == "true" for annotation in annotations)
        return f"{obj['metadata'].get('name', '')}{' (default)' if default else ''}"

    return name


KINDS: tuple[Kind, ...] = (
    Kind(
        STORAGE,
        "v1",
        "CSIDriver",
        "csidrivers",
        False,
        DriverStrategy(),
        columns=(
            Column("AttachRequired", at("spec", "attachRequired", default=True), type="boolean"),
            Column("PodInfoOnMount", yes("spec", "podInfoOnMount"), type="boolean"),
            Column("StorageCapacity", yes("spec", "storageCapacity"), type="boolean"),
            Column(
                "TokenRequests",
                lambda obj: (
                    ",".join(r.get("audience", "") for r in (obj.get("spec") or {}).get("tokenRequests") or ())
                    or "<unset>"
                ),
            ),
            Column("RequiresRepublish", yes("spec", "requiresRepublish"), type="boolean"),
            Column("Modes", _join("spec", "volumeLifecycleModes")),
            AGE,
        ),
    ),
    Kind(
        STORAGE,
        "v1",
        "CSINode",
        "csinodes",
        False,
        NodeStrategy(),
        columns=(Column("Drivers", lambda obj: len((obj.get("spec") or {}).get("drivers") or ()), type="integer"), AGE),
    ),
    Kind(
        STORAGE,
        "v1",
        "CSIStorageCapacity",
        "csistoragecapacities",
        True,
        CapacityStrategy(),
        columns=(
            Column("StorageClassName", at("storageClassName", default="")),
            Column("Capacity", at("capacity", default="<unset>")),
        ),
    ),
    Kind(
        STORAGE,
        "v1",
        "StorageClass",
        "storageclasses",
        False,
        StorageClassStrategy(),
        short_names=("sc",),
        columns=(
            Column("Provisioner", at("provisioner", default="")),
            Column("ReclaimPolicy", at("reclaimPolicy", default="Delete")),
            Column("VolumeBindingMode", at("volumeBindingMode", default="Immediate")),
            Column("AllowVolumeExpansion", yes("allowVolumeExpansion")),
            AGE,
        ),
        name_cell=_class_name(
            "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"
        ),
    ),
    Kind(
        STORAGE,
        "v1",
        "VolumeAttachment",
        "volumeattachments",
        False,
        AttachmentStrategy(),
        subresources=STATUS_ONLY,
        columns=(
            Column("Attacher", at("spec", "attacher", default=""), format="name"),
            Column("PV", at("spec", "source", "persistentVolumeName", default="")),
            Column("Node", at("spec", "nodeName", default="")),
            Column("Attached", yes("status", "attached"), type="boolean"),
            AGE,
        ),
    ),
    Kind(
        STORAGE,
        "v1",
        "VolumeAttributesClass",
        "volumeattributesclasses",
        False,
        AttributesClassStrategy(),
        short_names=("vac",),
        since=34,
        columns=(Column("DriverName", at("driverName", default="")), AGE),
        name_cell=_class_name("volumeattributesclass.alpha.kubernetes.io/is-default-class"),
    ),
)
