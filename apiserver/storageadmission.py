"""Admission of volumes and claims: protection while in use, default storage class, growth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.kinds.kind import Context, Kind, Object
from miniplane.apimachinery.quantity import Quantity

if TYPE_CHECKING:
    from apiserver.request import Request

PROTECTION = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "volumeattributesclasses.storage.k8s.io": "kubernetes.io/vac-protection",
}
CLASSES = "storageclasses.storage.k8s.io"
DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
STATED_CLASS = "volume.beta.kubernetes.io/storage-class"


class DefaultStorageClass(Plugin):
    """A claim that names no class gets the default one: of several, the newest."""

    name = "DefaultStorageClass"
    sees_status = False
    resources = frozenset({"persistentvolumeclaims"})
    looks_at = (CLASSES,)

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != "persistentvolumeclaims" or old is not None or _class_of(obj) is not None:
            return
        found = [one for one in context.cluster.list(CLASSES) if _is_default(one)]
        found.sort(key=lambda one: str(one["metadata"]["name"]))
        found.sort(key=lambda one: str(one["metadata"]["creationTimestamp"]), reverse=True)
        if found:
            obj["spec"]["storageClassName"] = found[0]["metadata"]["name"]


def _is_default(storage_class: Object) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return any(annotations.get(name) == "true" for name in DEFAULT_CLASS)


def _class_of(claim: Object) -> str | None:
    """The class a claim names, "" included; None where it names none."""
    stated = (claim["metadata"].get("annotations") or {}).get(STATED_CLASS)
    found = (claim.get("spec") or {}).get("storageClassName")
    return stated if stated is not None else found


class StorageObjectInUseProtection(Plugin):
    """Volumes, claims and attribute classes get a finalizer that a controller takes away when nobody uses them."""

    name = "StorageObjectInUseProtection"
    resources = frozenset(PROTECTION)
    looks_at = ()

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        finalizer = PROTECTION.get(kind.resource)
        if finalizer is None or old is not None:
            return
        present = obj["metadata"].get("finalizers") or []
        if finalizer not in present:
            obj["metadata"]["finalizers"] = [*present, finalizer]


class PersistentVolumeClaimResize(Plugin):
    """A claim grows only when it is bound and its class allows it."""

    name = "PersistentVolumeClaimResize"
    sees_status = False
    resources = frozenset({"persistentvolumeclaims"})
    looks_at = (CLASSES,)

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != "persistentvolumeclaims" or old is None or context.subresource:
            return
        if _size(obj) <= _size(old):
            return
        name = obj["metadata"]["name"]
        if (old.get("status") or {}).get("phase") != "Bound":
            raise errors.forbidden_object(kind, name, "Only bound persistent volume claims can be expanded")
        wanted = _class_of(obj)
        found = context.cluster.get(CLASSES, "", wanted) if wanted and wanted == _class_of(old) else None
        if found is None or not found.get("allowVolumeExpansion"):
            why = (
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
                "support resize"
            )
            raise errors.forbidden_object(kind, name, why)


def _size(claim: Object) -> Quantity:
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return Quantity.parse(requests.get("storage", "0"))
