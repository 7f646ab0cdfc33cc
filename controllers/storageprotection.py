"""Protection of volumes and claims that are in use (KEP-498): the finalizer comes back where it is missing, and goes
when an object is being deleted and nobody uses it any more."""

from __future__ import annotations

from collections.abc import Iterable

from controllers import pods
from controllers.controller import Controller, Loop, own_key
from miniplane.client.api import Object
from miniplane.client.resources import PODS, VOLUME_ATTRIBUTES_CLASSES, VOLUME_CLAIMS, VOLUMES, Resource

VOLUME_FINALIZER, CLAIM_FINALIZER = "kubernetes.io/pv-protection", "kubernetes.io/pvc-protection"
CLASS_FINALIZER = "kubernetes.io/vac-protection"
BY_CLAIM, BY_CLASS = "claim", "volumeAttributesClass"


def claims_of(pod: Object) -> list[str]:
    """Keys of the claims that a scheduled pod mounts, ephemeral ones included."""
    if not pods.node_of(pod):
        return []
    namespace, found = pod["metadata"]["namespace"], []
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            found.append(f"{namespace}/{volume['persistentVolumeClaim']['claimName']}")
        elif volume.get("ephemeral"):
            found.append(f"{namespace}/{pod['metadata']['name']}-{volume['name']}")
    return found


def classes_of(obj: Object) -> list[str]:
    """The volume attributes classes that a claim or volume has or is to get."""
    status = obj.get("status") or {}
    named = (
        obj["spec"].get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return sorted({name for name in named if name})


async def _settle(loop: Loop, resource: Resource, key: str, finalizer: str, in_use: bool) -> None:
    found = loop[resource].get(key)
    if found is None:
        return
    finalizers = found["metadata"].get("finalizers") or []
    if pods.is_terminating(found):
        if finalizer in finalizers and not in_use:
            patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": [finalizer]}}
            await loop.patch(resource, found, patch, patch_type="strategic")
    elif finalizer not in finalizers:
        await loop.patch(resource, found, {"metadata": {"finalizers": [finalizer]}}, patch_type="strategic")


async def reconcile_claim(loop: Loop, key: str) -> None:
    await _settle(loop, VOLUME_CLAIMS, key, CLAIM_FINALIZER, bool(loop[PODS].store.by_index(BY_CLAIM, key)))


async def reconcile_volume(loop: Loop, key: str) -> None:
    phase = ((loop[VOLUMES].get(key) or {}).get("status") or {}).get("phase")
    await _settle(loop, VOLUMES, key, VOLUME_FINALIZER, phase == "Bound")


async def reconcile_class(loop: Loop, key: str) -> None:
    used = any(loop[resource].store.by_index(BY_CLASS, key) for resource in (VOLUME_CLAIMS, VOLUMES))
    await _settle(loop, VOLUME_ATTRIBUTES_CLASSES, key, CLASS_FINALIZER, used)


def _claims_of_pod(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """A pod matters when it goes, or comes to a node."""
    return (
        {key for pod in (old, new) if pod is not None for key in claims_of(pod)} if old is None or new is None else ()
    )


def _named_classes(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    return {name for obj in (old, new) if obj is not None for name in classes_of(obj)}


CLAIMS = Controller(
    name="pvc-protection",
    watches={VOLUME_CLAIMS: own_key, PODS: _claims_of_pod},
    indexes={(PODS, BY_CLAIM): claims_of},
    reconcile=reconcile_claim,
)
PERSISTENT_VOLUMES = Controller(name="pv-protection", watches={VOLUMES: own_key}, reconcile=reconcile_volume)
ATTRIBUTES_CLASSES = Controller(
    name="vac-protection",
    watches={VOLUME_ATTRIBUTES_CLASSES: own_key, VOLUME_CLAIMS: _named_classes, VOLUMES: _named_classes},
    indexes={(VOLUME_CLAIMS, BY_CLASS): classes_of, (VOLUMES, BY_CLASS): classes_of},
    reconcile=reconcile_class,
)
