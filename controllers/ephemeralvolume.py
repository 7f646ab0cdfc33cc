"""Generic ephemeral volumes (KEP-1698): the claim of each, made for its pod and gone with it."""

from __future__ import annotations

from controllers import ownership, pods
from controllers.controller import Controller, Loop, Retry, own_key
from controllers.slices import owner_reference
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import PODS, VOLUME_CLAIMS


def new_claim(pod: Object, volume: Object) -> Object:
    """The claim of an ephemeral volume, as its template says."""
    template = volume["ephemeral"]["volumeClaimTemplate"]
    given = template.get("metadata") or {}
    meta = {name: given[name] for name in ("labels", "annotations") if given.get(name)}
    meta["name"] = f"{pod['metadata']['name']}-{volume['name']}"
    meta["namespace"] = pod["metadata"]["namespace"]
    meta["ownerReferences"] = [owner_reference(pod, PODS.api_version, PODS.kind)]
    return {"metadata": meta, "spec": template["spec"]}


async def _create(loop: Loop, pod: Object, volume: Object) -> None:
    """Make the claim where it is missing. Raises Retry where that fails, or where another one has its name."""
    wanted = new_claim(pod, volume)
    key = ownership.key(wanted)
    found = loop[VOLUME_CLAIMS].get(key)
    try:
        if found is None:
            await loop.create(VOLUME_CLAIMS, wanted)
            return
        problem = f"PVC {key} was not created for pod {ownership.key(pod)} (pod is not owner)"
        owner = ownership.controller_of(found)
        if owner is not None and owner["uid"] == pod["metadata"]["uid"]:
            return
    except StatusError as error:
        problem = f"create PVC {wanted['metadata']['name']}: {error.message}"
    loop.event(pod, "Warning", "FailedBinding", f"ephemeral volume {volume['name']}: {problem}")
    raise Retry(problem)


async def reconcile(loop: Loop, key: str) -> None:
    pod = loop[PODS].get(key)
    if pod is None or pods.is_terminating(pod):
        return
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if volume.get("ephemeral"):
            await _create(loop, pod, volume)


def _with_claims(loop: Loop, old: Object | None, new: Object | None) -> tuple[str, ...]:
    """New pods that have such volumes."""
    if old is not None or new is None:
        return ()
    volumes = (new.get("spec") or {}).get("volumes") or ()
    return tuple(own_key(loop, old, new)) if any(volume.get("ephemeral") for volume in volumes) else ()


def _of_deleted_claim(loop: Loop, old: Object | None, new: Object | None) -> tuple[str, ...]:
    """The pod of a claim that went."""
    owner = ownership.controller_of(old) if old is not None and new is None else None
    return (f"{old['metadata']['namespace']}/{owner['name']}",) if old and owner and owner["kind"] == PODS.kind else ()


CONTROLLER = Controller(
    name="ephemeral-volume",
    component="ephemeral_volume",
    watches={PODS: _with_claims, VOLUME_CLAIMS: _of_deleted_claim},
    reconcile=reconcile,
)
