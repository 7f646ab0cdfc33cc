"""The claims of a StatefulSet's pods: made before the pod, and owned by whoever takes them along
(KEP-1847, `persistentVolumeClaimRetentionPolicy`)."""

from __future__ import annotations

from controllers import ownership
from controllers.controller import Loop
from controllers.slices import owner_reference
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import PODS, STATEFUL_SETS, VOLUME_CLAIMS


def name_of(template: Object) -> str:
    """The name of a template of claims; nothing makes its author give it one."""
    return str(template["metadata"].get("name", ""))


def _names(owner: Object, pod: Object) -> list[str]:
    templates = owner["spec"].get("volumeClaimTemplates") or ()
    return [f"{name_of(template)}-{pod['metadata']['name']}" for template in templates]


def new_claim(owner: Object, template: Object, pod: Object) -> Object:
    """The claim of this template for the pod."""
    given = template["metadata"]
    selector = (owner["spec"].get("selector") or {}).get("matchLabels") or {}
    meta: Object = {
        "name": f"{name_of(template)}-{pod['metadata']['name']}",
        "namespace": owner["metadata"]["namespace"],
        "labels": {**(given.get("labels") or {}), **selector},
    }
    if given.get("annotations"):
        meta["annotations"] = given["annotations"]
    return {"metadata": meta, "spec": template["spec"]}


async def create(loop: Loop, owner: Object, pod: Object) -> None:
    """Create the pod's claims that do not exist; raises StatusError where the server refuses one."""
    for template in owner["spec"].get("volumeClaimTemplates") or ():
        claim = new_claim(owner, template, pod)
        if loop[VOLUME_CLAIMS].get(ownership.key(claim)) is not None:
            continue
        text, about = f"Claim {claim['metadata']['name']}", f"Pod {pod['metadata']['name']} in StatefulSet"
        try:
            await loop.create(VOLUME_CLAIMS, claim)
        except StatusError as error:
            if error.code == 409:
                continue
            failed = f"create {text} for {about} {owner['metadata']['name']} failed error: {error.message}"
            loop.event(owner, "Warning", "FailedCreate", failed)
            raise
        done = f"create {text} {about} {owner['metadata']['name']} success"
        loop.event(owner, "Normal", "SuccessfulCreate", done)


def _refers(ref: Object, obj: Object, kind: str) -> bool:
    return bool(ref["kind"] == kind and ref["name"] == obj["metadata"]["name"])


def owner_references(claim: Object, owner: Object, pod: Object, *, condemned: bool) -> list[Object]:
    """What the claim's owner references should be.

    The pod owns it when scaling down deletes claims and the pod is beyond the replicas; otherwise the set does when
    its deletion deletes claims. References of others stay; a claim with another controller gets none of ours.
    """
    policy = owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    found = claim["metadata"].get("ownerReferences") or []
    kept = [ref for ref in found if not (_refers(ref, owner, "StatefulSet") or _refers(ref, pod, "Pod"))]
    if any(ref.get("controller") for ref in kept):
        return kept
    if condemned and policy.get("whenScaled") == "Delete":
        return [*kept, owner_reference(pod, PODS.api_version, PODS.kind)]
    if policy.get("whenDeleted") == "Delete":
        return [*kept, ownership.reference(owner, STATEFUL_SETS)]
    return kept


async def retain(loop: Loop, owner: Object, pod: Object, *, condemned: bool) -> None:
    """Write the owner references of the pod's claims where they are not what the policy says."""
    for name in _names(owner, pod):
        claim = loop[VOLUME_CLAIMS].get(f"{owner['metadata']['namespace']}/{name}")
        if claim is None:
            continue
        wanted = owner_references(claim, owner, pod, condemned=condemned)
        if wanted != (claim["metadata"].get("ownerReferences") or []):
            meta = {**claim["metadata"], "ownerReferences": wanted}
            await loop.update(VOLUME_CLAIMS, {**claim, "metadata": meta})
