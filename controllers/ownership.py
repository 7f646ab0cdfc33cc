"""Who controls what: adopting and releasing by selector, as every workload controller does it (upstream:
ControllerRefManager)."""

from __future__ import annotations

from collections.abc import Iterable

from controllers import pods
from controllers.controller import KeysFor, Loop
from controllers.slices import owner_reference
from miniplane.apimachinery.selectors import LabelSelector
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import PODS, Resource

BY_CONTROLLER, BY_NAMESPACE = "controller", "namespace"


def controller_of(obj: Object) -> Object | None:
    """The owner reference that controls the object."""
    for ref in obj["metadata"].get("ownerReferences") or ():
        if ref.get("controller"):
            return dict(ref)
    return None


def controller_values(obj: Object) -> Iterable[str]:
    """By the controller's uid; what has none is found under its namespace."""
    ref = controller_of(obj)
    return (ref["uid"],) if ref else (f"orphan {obj['metadata'].get('namespace', '')}",)


def namespace_values(obj: Object) -> Iterable[str]:
    return (obj["metadata"].get("namespace", ""),)


INDEXES = {(PODS, BY_CONTROLLER): controller_values}


def key(obj: Object) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def reference(owner: Object, resource: Resource) -> Object:
    return owner_reference(owner, resource.api_version, resource.kind)


async def claim(
    loop: Loop, resource: Resource, owner: Object, kind: Resource, selector: LabelSelector, *, adopt: bool = True
) -> list[Object]:
    """The objects that the owner controls: those that match its selector; others are released, orphans adopted."""
    store, uid = loop[kind].store, owner["metadata"]["uid"]
    found = []
    for obj in store.by_index(BY_CONTROLLER, uid):
        if selector.matches(pods.labels_of(obj)):
            found.append(obj)
        elif not pods.is_terminating(owner):
            await _release(loop, kind, obj, uid)
    if pods.is_terminating(owner) or not adopt:
        return found
    for obj in store.by_index(BY_CONTROLLER, f"orphan {owner['metadata']['namespace']}"):
        if selector.matches(pods.labels_of(obj)) and not pods.is_terminating(obj) and not pods.is_finished(obj):
            adopted = await _adopt(loop, resource, owner, kind, obj)
            if adopted is not None:
                found.append(adopted)
    return found


async def _adopt(loop: Loop, resource: Resource, owner: Object, kind: Resource, obj: Object) -> Object | None:
    refs = [*(obj["metadata"].get("ownerReferences") or ()), reference(owner, resource)]
    return await _set_owners(loop, kind, obj, refs)


async def _release(loop: Loop, kind: Resource, obj: Object, uid: str) -> None:
    refs = [ref for ref in obj["metadata"].get("ownerReferences") or () if ref["uid"] != uid]
    await _set_owners(loop, kind, obj, refs)


async def _set_owners(loop: Loop, kind: Resource, obj: Object, refs: list[Object]) -> Object | None:
    meta = obj["metadata"]
    patch = {
        "metadata": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"], "ownerReferences": refs or None}
    }
    try:
        return await loop.patch(kind, obj, patch)
    except StatusError as error:
        if error.code == 404:
            return None
        raise


def dependents_keys(kind: Resource, owners: Resource) -> KeysFor:
    """Keys of the controllers of a changed object: the one it has, the one it had, and for an orphan those that may
    want it."""

    def keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
        found = set()
        for obj in (old, new):
            ref = controller_of(obj) if obj is not None else None
            if obj is not None and ref is not None and ref["kind"] == owners.kind:
                found.add(f"{obj['metadata']['namespace']}/{ref['name']}")
        if new is not None and controller_of(new) is None:
            for owner in loop[owners].store.by_index(BY_NAMESPACE, new["metadata"]["namespace"]):
                if selector_of(owner).matches(pods.labels_of(new)):
                    found.add(key(owner))
        return found

    return keys


def selector_of(owner: Object) -> LabelSelector:
    """The selector of a workload: a LabelSelector, or a plain map for ReplicationControllers."""
    from miniplane.apimachinery import selectors

    given = owner["spec"].get("selector") or {}
    if "matchLabels" in given or "matchExpressions" in given:
        return selectors.from_object(given)
    return selectors.from_set(given) if given else selectors.NOTHING
