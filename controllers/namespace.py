"""Namespaces on their way out: their content goes, pods first (KEP-5080), then the finalizer `kubernetes`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from controllers import pods
from controllers.controller import Controller, Loop, own_key
from controllers.discovery import Served, discover
from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import NAMESPACES, PODS, Resource

FINALIZER = "kubernetes"
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0


@dataclass(slots=True)
class Remains:
    """What is still there: instances by resource, finalizers by name; errors met."""

    instances: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        return bool(self.instances or self.errors)

    def conditions(self) -> list[tuple[str, str, str, str]]:
        """(type, status, reason, message) of every condition, in the real server's words."""
        content = ("False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization")
        if self.errors:
            text = f"Failed to delete all resource types, {len(self.errors)} remaining: {', '.join(self.errors)}"
            content = ("True", "ContentDeletionFailed", text)
        remaining = ("False", "ContentRemoved", "All content successfully removed")
        if self.instances:
            listed = ", ".join(
                f"{name} has {count} resource instances" for name, count in sorted(self.instances.items())
            )
            remaining = ("True", "SomeResourcesRemain", f"Some resources are remaining: {listed}")
        held = ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished")
        if self.finalizers:
            listed = ", ".join(
                f"{name} in {count} resource instances" for name, count in sorted(self.finalizers.items())
            )
            held = ("True", "SomeFinalizersRemain", f"Some content in the namespace has finalizers remaining: {listed}")
        discovered = ("False", "ResourcesDiscovered", "All resources successfully discovered")
        parsed = ("False", "ParsedGroupVersions", "All legacy kube types successfully parsed")
        return [
            ("NamespaceDeletionDiscoveryFailure", *discovered),
            ("NamespaceDeletionGroupVersionParsingFailure", *parsed),
            ("NamespaceDeletionContentFailure", *content),
            ("NamespaceContentRemaining", *remaining),
            ("NamespaceFinalizersRemaining", *held),
        ]


def with_conditions(namespace: Object, wanted: Sequence[tuple[str, str, str, str]]) -> Object:
    """The namespace with these conditions; the time changes with the status alone."""
    status = namespace.get("status") or {}
    found = {one["type"]: one for one in status.get("conditions") or ()}
    for kind, value, reason, message in wanted:
        old = found.get(kind) or {}
        same = old.get("status") == value
        since = old.get("lastTransitionTime") if same else clock.text(clock.now())
        found[kind] = {"type": kind, "status": value, "reason": reason, "message": message, "lastTransitionTime": since}
    return {**namespace, "status": {**status, "conditions": list(found.values())}}


async def _list(loop: Loop, resource: Resource, namespace: str) -> list[Object]:
    return (await loop.client.list(resource, namespace, metadata_only=True))[0]


async def _empty(loop: Loop, served: Served, namespace: str, remains: Remains) -> None:
    """Delete the objects of one kind; note what stays."""
    resource = served.resource
    try:
        items = await _list(loop, resource, namespace)
        if items:
            await _delete(loop, served, namespace, items)
            items = await _list(loop, resource, namespace)
    except StatusError as error:
        if error.code not in (404, 405):
            remains.errors.append(error.message)
        return
    if items:
        remains.instances[f"{resource.plural}.{resource.group}"] += len(items)
    for item in items:
        remains.finalizers.update(item["metadata"].get("finalizers") or ())


async def _delete(loop: Loop, served: Served, namespace: str, items: Sequence[Object]) -> None:
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    if "deletecollection" in served.verbs:
        await loop.client.delete_collection(served.resource, namespace, options)
        return
    for item in items:
        try:
            await loop.client.delete(served.resource, item["metadata"]["name"], namespace, options)
        except StatusError as error:
            if error.code != 404:
                raise


async def empty(loop: Loop, namespace: str) -> Remains:
    """Delete the content: pods, and what else there is once they are gone."""
    served = [one for one in await discover(loop.client) if one.resource.namespaced and one.verbs >= {"list", "delete"}]
    remains = Remains()
    for one in served:
        if one.resource == PODS:
            await _empty(loop, one, namespace, remains)
    if not remains.any:
        for one in served:
            if one.resource != PODS:
                await _empty(loop, one, namespace, remains)
    return remains


async def reconcile(loop: Loop, key: str) -> float | None:
    namespace = loop[NAMESPACES].get(key)
    if namespace is None or not pods.is_terminating(namespace):
        loop.state.pop(key, None)
        return None
    kept = (namespace.get("spec") or {}).get("finalizers") or []
    if FINALIZER not in kept:
        return None
    remains = await empty(loop, key)
    namespace = await _report(loop, key, remains)
    if namespace is None:
        return None
    if remains.any:
        pause: float = loop.state.get(key, FIRST_PAUSE)
        loop.state[key] = min(pause * 2, LAST_PAUSE)
        return pause
    rest = [one for one in namespace["spec"].get("finalizers") or () if one != FINALIZER]
    body = {**namespace, "spec": {**namespace["spec"], "finalizers": rest}}
    await loop.client.update(NAMESPACES, body, "finalize")
    return None


async def _report(loop: Loop, name: str, remains: Remains) -> Object | None:
    """Write the conditions; answers the namespace as it is now, None where it is gone."""
    try:
        namespace = await loop.client.get(NAMESPACES, name)
        wanted = with_conditions(namespace, remains.conditions())
        return namespace if wanted == namespace else await loop.update(NAMESPACES, wanted, "status")
    except StatusError as error:
        if error.code == 404:
            return None
        raise


CONTROLLER = Controller(name="namespace", watches={NAMESPACES: own_key}, reconcile=reconcile, workers=10)
