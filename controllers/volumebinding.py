"""PersistentVolumes and claims: each claim gets the smallest volume that fits it (KEP-less: the PV controller)."""

from __future__ import annotations

from collections.abc import Iterable

from controllers import pods
from controllers.controller import Controller, Loop, own_key
from miniplane.apimachinery import selectors
from miniplane.apimachinery.quantity import Quantity
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import STORAGE_CLASSES, VOLUME_CLAIMS, VOLUMES

PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BOUND, BY_CONTROLLER = "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"


def _class_of(obj: Object) -> str:
    return str(obj["spec"].get("storageClassName") or "")


def _capacity(volume: Object) -> Quantity:
    return Quantity.parse((volume["spec"].get("capacity") or {}).get("storage", "0"))


def _wanted(claim: Object) -> Quantity:
    return Quantity.parse(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))


def _is_for(volume: Object, claim: Object) -> bool:
    """The volume names this claim (a uid is there once it is bound)."""
    ref, meta = volume["spec"].get("claimRef"), claim["metadata"]
    if not ref or ref.get("name") != meta["name"] or ref.get("namespace") != meta["namespace"]:
        return False
    return ref.get("uid", "") in ("", meta["uid"])


def fits(volume: Object, claim: Object) -> bool:
    spec = claim["spec"]
    if pods.is_terminating(volume) or (volume["spec"].get("claimRef") and not _is_for(volume, claim)):
        return False
    if _class_of(volume) != _class_of(claim) or _capacity(volume) < _wanted(claim):
        return False
    if volume["spec"].get("volumeMode", "Filesystem") != spec.get("volumeMode", "Filesystem"):
        return False
    if not set(spec.get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ()):
        return False
    return not spec.get("selector") or selectors.from_object(spec["selector"]).matches(pods.labels_of(volume))


def choose(claim: Object, volumes: Iterable[Object]) -> Object | None:
    """A volume reserved for the claim, or the smallest that fits."""
    found = [volume for volume in volumes if fits(volume, claim)]
    reserved = [volume for volume in found if volume["spec"].get("claimRef")]
    pool = reserved or found
    return min(pool, key=lambda one: (_capacity(one).value(), one["metadata"]["name"])) if pool else None


async def reconcile(loop: Loop, key: str) -> None:
    """A key with a namespace is a claim, one without a volume."""
    if "/" in key:
        claim = loop[VOLUME_CLAIMS].get(key)
        if claim is not None and not pods.is_terminating(claim):
            await _sync_claim(loop, claim)
    else:
        volume = loop[VOLUMES].get(key)
        if volume is not None:
            await _sync_volume(loop, volume)


async def _sync_claim(loop: Loop, claim: Object) -> None:
    name = claim["spec"].get("volumeName")
    if name:
        volume = loop[VOLUMES].get(name)
        if volume is None:
            await _without_volume(loop, claim)
        elif not volume["spec"].get("claimRef") or _is_for(volume, claim):
            await _bind(loop, volume, claim)
        return
    volume = None if _waits(loop, claim) else choose(claim, loop[VOLUMES].store.objects.values())
    if volume is not None:
        await _bind(loop, volume, claim)
        return
    claim = await _wait(loop, claim)
    await _claim_phase(loop, claim, {**(claim.get("status") or {}), "phase": "Pending"})


async def _wait(loop: Loop, claim: Object) -> Object:
    """Say what a claim without a volume waits for; what makes volumes learns from an annotation that it is to."""
    name = _class_of(claim)
    if _waits(loop, claim):
        text = "waiting for first consumer to be created before binding"
        loop.event(claim, "Normal", "WaitForFirstConsumer", text)
    elif not name:
        text = "no persistent volumes available for this claim and no storage class is set"
        loop.event(claim, "Normal", "FailedBinding", text)
    elif (found := loop[STORAGE_CLASSES].get(name)) is None:
        text = f'storageclass.storage.k8s.io "{name}" not found'
        loop.event(claim, "Warning", "ProvisioningFailed", text)
    else:
        claim = await _provision(loop, claim, str(found["provisioner"]))
    return claim


async def _provision(loop: Loop, claim: Object, provisioner: str) -> Object:
    """Leave the claim to a provisioner outside."""
    if _annotation(claim, PROVISIONER) != provisioner:
        names = {PROVISIONER: provisioner, f"volume.beta.{PROVISIONER.removeprefix('volume.')}": provisioner}
        claim = await loop.update(VOLUME_CLAIMS, {**claim, "metadata": _annotated(claim, **names)})
    text = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    loop.event(claim, "Normal", "ExternalProvisioning", text)
    return claim


async def _without_volume(loop: Loop, claim: Object) -> None:
    """The volume that the claim names does not exist, or no more."""
    lost = bool(_annotation(claim, BOUND))
    if lost and pods.phase(claim) != "Lost":
        text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        loop.event(claim, "Warning", "ClaimLost", text)
    await _claim_phase(loop, claim, {"phase": "Lost" if lost else "Pending"})


def _waits(loop: Loop, claim: Object) -> bool:
    """Binding that waits for the first consumer is the scheduler's start."""
    found = loop[STORAGE_CLASSES].get(_class_of(claim)) if _class_of(claim) else None
    selected = _annotation(claim, "volume.kubernetes.io/selected-node")
    return found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer" and not selected


def _annotation(obj: Object, name: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(name) or "")


def _annotated(obj: Object, **names: str) -> Object:
    given = obj["metadata"].get("annotations") or {}
    return {**obj["metadata"], "annotations": {**given, **names}}


async def _bind(loop: Loop, volume: Object, claim: Object) -> None:
    """Volume first, then claim: each write of its own, and each is done again only where it is missing."""
    meta = claim["metadata"]
    ref = volume["spec"].get("claimRef") or {}
    if ref.get("uid") != meta["uid"]:
        full = {
            "kind": "PersistentVolumeClaim",
            "apiVersion": "v1",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
            "resourceVersion": meta["resourceVersion"],
        }
        ours = {} if ref else {BY_CONTROLLER: "yes"}
        body = {**volume, "metadata": _annotated(volume, **ours), "spec": {**volume["spec"], "claimRef": full}}
        volume = await loop.update(VOLUMES, body)
    await _volume_phase(loop, volume, "Bound")
    if not _annotation(claim, BOUND) or claim["spec"].get("volumeName") != volume["metadata"]["name"]:
        ours = {} if claim["spec"].get("volumeName") else {BY_CONTROLLER: "yes"}
        spec = {**claim["spec"], "volumeName": volume["metadata"]["name"]}
        claim = await loop.update(
            VOLUME_CLAIMS, {**claim, "metadata": _annotated(claim, **{BOUND: "yes"}, **ours), "spec": spec}
        )
    wanted = {
        "phase": "Bound",
        "accessModes": volume["spec"].get("accessModes"),
        "capacity": volume["spec"]["capacity"],
    }
    await _claim_phase(loop, claim, wanted)


async def _claim_phase(loop: Loop, claim: Object, status: Object) -> None:
    old = claim.get("status") or {}
    if any(old.get(key) != value for key, value in status.items()):
        await loop.update(VOLUME_CLAIMS, {**claim, "status": {**old, **status}}, "status")


async def _volume_phase(loop: Loop, volume: Object, phase: str) -> None:
    if pods.phase(volume) != phase:
        await loop.update(VOLUMES, {**volume, "status": {**(volume.get("status") or {}), "phase": phase}}, "status")


async def _sync_volume(loop: Loop, volume: Object) -> None:
    ref = volume["spec"].get("claimRef")
    if not ref or not ref.get("uid"):
        await _volume_phase(loop, volume, "Available")
        return
    claim = loop[VOLUME_CLAIMS].get(f"{ref['namespace']}/{ref['name']}")
    if claim is not None and claim["metadata"]["uid"] == ref["uid"]:
        return
    if claim is None:
        try:
            await loop.client.get(VOLUME_CLAIMS, ref["name"], ref["namespace"])
            return
        except StatusError as error:
            if error.code != 404:
                raise
    await _volume_phase(loop, volume, "Released")
    if volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete" and not pods.is_terminating(volume):
        name = volume["metadata"]["name"]
        text = f'error getting deleter volume plugin for volume "{name}": no volume plugin matched'
        loop.event(volume, "Warning", "VolumeFailedDelete", text)


def _volume_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """The volume itself, and the claims that wait for one."""
    waiting = [key for key, claim in loop[VOLUME_CLAIMS].store.objects.items() if pods.phase(claim) != "Bound"]
    if new is None and old is not None and old["spec"].get("claimRef"):
        ref = old["spec"]["claimRef"]
        waiting.append(f"{ref.get('namespace')}/{ref.get('name')}")
    return [*own_key(loop, old, new), *waiting]


def _claim_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    name = (new or old or {})["spec"].get("volumeName")
    return [*own_key(loop, old, new), name] if name else own_key(loop, old, new)


CONTROLLER = Controller(
    name="persistentvolume-binder",
    component="persistentvolume-controller",
    watches={VOLUMES: _volume_keys, VOLUME_CLAIMS: _claim_keys, STORAGE_CLASSES: lambda loop, old, new: ()},
    reconcile=reconcile,
    workers=1,
)
