"""PersistentVolumes and claims: each claim gets the smallest volume that fits it (KEP-less: the PV controller)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from controllers import pods
from controllers.controller import Controller, Loop, own_key
from miniplane.apimachinery import selectors
from miniplane.apimachinery.quantity import Quantity
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import STORAGE_CLASSES, VOLUME_CLAIMS, VOLUMES

PROVISIONER = "volume.kubernetes.io/storage-provisioner"
DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
PROVISIONED = "pv.kubernetes.io/provisioned-by"
"""Names what made the volume, outside, and will delete it."""
DELETABLE_PATH = re.compile("/tmp/.+")
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


def mismatch(volume: Object, claim: Object) -> str:
    """Why the volume does not satisfy the claim; empty where it does."""
    spec = claim["spec"]
    if pods.is_terminating(volume):
        return f'the volume is marked for deletion "{volume["metadata"]["name"]}"'
    if _capacity(volume) < _wanted(claim):
        return "requested PV is too small"
    if _class_of(volume) != _class_of(claim):
        return "storageClassName does not match"
    if volume["spec"].get("volumeMode", "Filesystem") != spec.get("volumeMode", "Filesystem"):
        return "incompatible volumeMode"
    served = set(volume["spec"].get("accessModes") or ())
    return "" if set(spec.get("accessModes") or ()) <= served else "incompatible accessMode"


def fits(volume: Object, claim: Object) -> bool:
    if mismatch(volume, claim) or (volume["spec"].get("claimRef") and not _is_for(volume, claim)):
        return False
    selector = claim["spec"].get("selector")
    return not selector or selectors.from_object(selector).matches(pods.labels_of(volume))


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
        await _sync_named(loop, claim, loop[VOLUMES].get(name))
        return
    volume = None if _waits(loop, claim) else choose(claim, loop[VOLUMES].store.objects.values())
    if volume is not None:
        await _bind(loop, volume, claim)
        return
    default = _default_class(loop) if claim["spec"].get("storageClassName") is None else None
    if default is not None:  # which is an update of the claim: it comes back
        await loop.update(VOLUME_CLAIMS, {**claim, "spec": {**claim["spec"], "storageClassName": default}})
        return
    claim = await _wait(loop, claim)
    await _claim_phase(loop, claim, {**(claim.get("status") or {}), "phase": "Pending"})


def _default_class(loop: Loop) -> str | None:
    """The class of claims that were made before there was a default one; the newest of several (KEP-3333)."""
    found = [one["metadata"] for one in loop[STORAGE_CLASSES].store.objects.values() if _is_default(one)]
    found.sort(key=lambda meta: str(meta["name"]))
    return str(max(found, key=lambda meta: str(meta["creationTimestamp"]))["name"]) if found else None


def _is_default(storage_class: Object) -> bool:
    return any(_annotation(storage_class, name) == "true" for name in DEFAULT_CLASS)


async def _sync_named(loop: Loop, claim: Object, volume: Object | None) -> None:
    """A claim that names its volume: because somebody asked for that one, or because they are bound."""
    bound = bool(_annotation(claim, BOUND))
    if volume is None:
        await _lost(
            loop, claim, ("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
        )
    elif _is_for(volume, claim):
        await _bind(loop, volume, claim)
    elif volume["spec"].get("claimRef"):
        name = volume["metadata"]["name"]
        if not bound:
            loop.event(claim, "Warning", "FailedBinding", f'volume "{name}" already bound to a different claim.')
        text = "Two claims are bound to the same volume, this one is bound incorrectly"
        await _lost(loop, claim, ("ClaimMisbound", text))
    elif not bound and (why := mismatch(volume, claim)):
        text = f'Cannot bind to requested volume "{volume["metadata"]["name"]}": {why}'
        loop.event(claim, "Warning", "VolumeMismatch", text)
        await _lost(loop, claim, ("", ""))
    else:
        await _bind(loop, volume, claim)


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


async def _lost(loop: Loop, claim: Object, told: tuple[str, str]) -> None:
    """The claim does not have the volume that it names: it is Lost, with an event (reason, message), where it was
    bound, and goes on waiting where it was not."""
    lost = bool(_annotation(claim, BOUND))
    if lost and pods.phase(claim) != "Lost":
        loop.event(claim, "Warning", *told)
    phase = "Lost" if lost else "Pending"
    await _claim_phase(loop, claim, {"phase": phase, "accessModes": None, "capacity": None})


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
        kept = {key: value for key, value in {**old, **status}.items() if value is not None}
        await loop.update(VOLUME_CLAIMS, {**claim, "status": kept}, "status")


async def _volume_phase(loop: Loop, volume: Object, phase: str, message: str = "") -> Object:
    """The volume in this phase, with what is to be said about it."""
    old = volume.get("status") or {}
    if pods.phase(volume) == phase and old.get("message", "") == message:
        return volume
    return await loop.update(VOLUMES, {**volume, "status": {**old, "phase": phase, "message": message}}, "status")


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
    if pods.phase(volume) != "Failed":
        volume = await _volume_phase(loop, volume, "Released")
    deletes = volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete" and not _annotation(volume, PROVISIONED)
    if deletes and not pods.is_terminating(volume):
        await _reclaim(loop, volume)


async def _reclaim(loop: Loop, volume: Object) -> None:
    """What kube-controller-manager can delete itself are host paths below /tmp. That is all it has plugins for, and
    the path is some node's: the volume alone goes here."""
    name, path = volume["metadata"]["name"], (volume["spec"].get("hostPath") or {}).get("path")
    if path is not None and DELETABLE_PATH.search(path):
        await loop.delete(VOLUMES, volume)
        return
    text = f'error getting deleter volume plugin for volume "{name}": no volume plugin matched'
    if path is not None:
        text = f"host_path deleter only supports /tmp/.+ but received provided {path}"
    if pods.phase(volume) != "Failed":
        await _volume_phase(loop, volume, "Failed", text)
        loop.event(volume, "Warning", "VolumeFailedDelete", text)


def _volume_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """The volume itself, and the claims that wait for one."""
    waiting = [key for key, claim in loop[VOLUME_CLAIMS].store.objects.items() if pods.phase(claim) != "Bound"]
    if new is None and old is not None and old["spec"].get("claimRef"):
        ref = old["spec"]["claimRef"]
        waiting.append(f"{ref.get('namespace')}/{ref.get('name')}")
    return [*own_key(loop, old, new), *waiting]


def _class_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """The claims that wait for a class of that name, or for any."""
    if new is None:
        return ()
    wanted, claims = (None, new["metadata"]["name"]), loop[VOLUME_CLAIMS].store.objects
    waiting = ((key, one) for key, one in claims.items() if pods.phase(one) != "Bound")
    return [key for key, one in waiting if one["spec"].get("storageClassName") in wanted]


def _claim_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    name = (new or old or {})["spec"].get("volumeName")
    return [*own_key(loop, old, new), name] if name else own_key(loop, old, new)


CONTROLLER = Controller(
    name="persistentvolume-binder",
    component="persistentvolume-controller",
    watches={VOLUMES: _volume_keys, VOLUME_CLAIMS: _claim_keys, STORAGE_CLASSES: _class_keys},
    reconcile=reconcile,
    workers=1,
)
