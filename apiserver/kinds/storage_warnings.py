"""What the server warns about in PersistentVolumes and in claims that it accepts."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.kinds.kind import Object
from apiserver.kinds.pods.warnings import term_labels
from miniplane.apimachinery.quantity import Quantity

BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_ANNOTATIONS = {
    BETA_CLASS: 'deprecated since v1.8; use "storageClassName" attribute instead',
    "volume.beta.kubernetes.io/mount-options": 'deprecated since v1.31; use "mountOptions" attribute instead',
}
_SOURCES = (
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
)
_RECYCLE = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."


def volume_warnings(volume: Object) -> Iterator[str]:
    """Of a PersistentVolume."""
    notes, spec = volume["metadata"].get("annotations") or {}, volume["spec"]
    yield from (f"metadata.annotations[{key}]: {text}" for key, text in _ANNOTATIONS.items() if key in notes)
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield f"spec.persistentVolumeReclaimPolicy: {_RECYCLE}"
    terms = ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()
    for index, term in enumerate(terms):
        yield from term_labels(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]")
    yield from (f"spec.{shown}: {text}" for name, shown, text in _SOURCES if spec.get(name) is not None)


def claim_warnings(claim: Object) -> Iterator[str]:
    """Of a PersistentVolumeClaim."""
    if BETA_CLASS in (claim["metadata"].get("annotations") or {}):
        yield f"metadata.annotations[{BETA_CLASS}]: {_ANNOTATIONS[BETA_CLASS]}"
    yield from claim_spec_warnings(claim["spec"], "spec")


def claim_spec_warnings(spec: Object, path: str) -> Iterator[str]:
    """Of a PersistentVolumeClaimSpec: sizes that are no whole number of bytes."""
    for side in ("requests", "limits"):
        size = Quantity.parse(((spec.get("resources") or {}).get(side) or {}).get("storage", "0"))
        if size.milli_value() % 1000:
            at = f"{path}.resources.{side}[storage]"
            yield f'{at}: fractional byte value "{size.canonical()}" is invalid, must be an integer'
