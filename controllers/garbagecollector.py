"""Garbage collection: what its owners left behind goes; background, foreground and orphaning deletion.

The graph of owners and dependents is built from informers over every deletable kind (metadata only, unless another
loop has the whole objects already). Each reconciled key is the uid of one object.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from controllers.controller import Controller, Loop, Retry
from controllers.discovery import discover
from controllers.pods import is_terminating
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.informer import Handler, Informer, key_of
from miniplane.client.resources import Resource

logger = logging.getLogger("garbagecollector")

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
IGNORED = frozenset((("", "events"), ("events.k8s.io", "events")))
NEEDED = frozenset(("list", "watch", "delete"))
DISCOVERY_PERIOD = 10.0
DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)


def owners_of(obj: Object) -> list[Object]:
    return obj["metadata"].get("ownerReferences") or []


def finalizers(obj: Object) -> list[str]:
    return obj["metadata"].get("finalizers") or []


def is_foreground(obj: Object) -> bool:
    """Waits for its dependents to go first."""
    return is_terminating(obj) and FOREGROUND in finalizers(obj)


class Graph:
    """Objects by uid, and who depends on whom; dependents may be known before their owner (a "virtual" owner)."""

    def __init__(self) -> None:
        self.places: dict[str, tuple[Resource, str]] = {}
        self.dependents: dict[str, dict[str, None]] = {}
        self.kinds: dict[tuple[str, str], Resource] = {}
        self.informers: dict[Resource, Informer] = {}
        self.changed = asyncio.Event()

    def get(self, uid: str) -> tuple[Resource, Object] | None:
        place = self.places.get(uid)
        if place is None:
            return None
        obj = self.informers[place[0]].get(place[1])
        return (place[0], obj) if obj is not None and obj["metadata"]["uid"] == uid else None

    def children(self, uid: str) -> list[tuple[Resource, Object]]:
        found = (self.get(child) for child in self.dependents.get(uid, ()))
        return [child for child in found if child is not None]

    def update(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        if old is not None:
            self._unlink(old)
        if new is not None:
            uid = new["metadata"]["uid"]
            self.places[uid] = (resource, key_of(new))
            for owner in owners_of(new):
                self.dependents.setdefault(owner["uid"], {})[uid] = None
        elif old is not None:
            self.places.pop(old["metadata"]["uid"], None)

    def _unlink(self, obj: Object) -> None:
        for owner in owners_of(obj):
            children = self.dependents.get(owner["uid"])
            if children is not None:
                children.pop(obj["metadata"]["uid"], None)
                if not children:
                    del self.dependents[owner["uid"]]


def keys_after(graph: Graph, old: Object | None, new: Object | None) -> Iterable[str]:
    """The objects to look at after a change that the graph knows already."""
    obj = new or old or {}
    uid = obj["metadata"]["uid"]
    keys = [uid] if new is not None and (owners_of(new) or is_terminating(new)) else []
    if new is None:
        keys += graph.dependents.get(uid, ())
    for owner in owners_of(old) if old is not None else ():
        known = graph.get(owner["uid"])
        if known is not None and is_foreground(known[1]):
            keys.append(owner["uid"])
    return keys


# reconciling one object


async def reconcile(loop: Loop, uid: str) -> None:
    graph: Graph = loop.state
    found = graph.get(uid)
    if found is None:
        return
    resource, obj = found
    if is_terminating(obj):
        if ORPHAN in finalizers(obj):
            await _orphan(loop, resource, obj)
        elif is_foreground(obj):
            await _foreground(loop, resource, obj)
    elif owners_of(obj):
        await _collect(loop, resource, obj)


async def _patch(loop: Loop, resource: Resource, obj: Object, **metadata: object) -> None:
    """Change metadata of the object as we know it; a conflict is tried again with what it is then."""
    meta = obj["metadata"]
    patch = {"metadata": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"], **metadata}}
    try:
        await loop.client.patch(resource, meta["name"], meta.get("namespace"), patch)
    except StatusError as error:
        if error.code == 409:
            raise Retry(str(error)) from error
        if error.code != 404:
            raise


async def _drop_finalizer(loop: Loop, resource: Resource, obj: Object, name: str) -> None:
    kept = [one for one in finalizers(obj) if one != name]
    await _patch(loop, resource, obj, finalizers=kept or None)


async def _drop_owners(loop: Loop, resource: Resource, obj: Object, gone: set[str]) -> None:
    kept = [ref for ref in owners_of(obj) if ref["uid"] not in gone]
    if len(kept) != len(owners_of(obj)):
        await _patch(loop, resource, obj, ownerReferences=kept or None)


async def _orphan(loop: Loop, resource: Resource, obj: Object) -> None:
    """Dependents lose this owner, then it may go."""
    uid = obj["metadata"]["uid"]
    children = loop.state.children(uid)
    await asyncio.gather(*(_drop_owners(loop, kind, child, {uid}) for kind, child in children))
    await _drop_finalizer(loop, resource, obj, ORPHAN)


async def _foreground(loop: Loop, resource: Resource, obj: Object) -> None:
    """Dependents that block go first, then the owner."""
    uid, graph = obj["metadata"]["uid"], loop.state
    children = graph.children(uid)
    blocking = [child for _, child in children if _blocks(child, uid)]
    if not blocking:
        await _drop_finalizer(loop, resource, obj, FOREGROUND)
        return
    for _, child in children:
        if not is_terminating(child):
            loop.enqueue(child["metadata"]["uid"])


def _blocks(child: Object, owner_uid: str) -> bool:
    return any(ref["uid"] == owner_uid and ref.get("blockOwnerDeletion") for ref in owners_of(child))


async def _collect(loop: Loop, resource: Resource, obj: Object) -> None:
    """Delete what has no owner left; forget owners that are gone while another one stays."""
    solid, gone, waiting = set(), set(), set()
    for ref in owners_of(obj):
        _tell_misplaced(loop, resource, obj, ref)
        owner = await _owner(loop, obj, ref)
        if owner is None:
            gone.add(ref["uid"])
        elif is_foreground(owner):
            waiting.add(ref["uid"])
        else:
            solid.add(ref["uid"])
    if solid:
        if gone or waiting:
            await _drop_owners(loop, resource, obj, gone | waiting)
        return
    await _delete(loop, resource, obj, waiting=bool(waiting))


async def _delete(loop: Loop, resource: Resource, obj: Object, *, waiting: bool) -> None:
    uid = obj["metadata"]["uid"]
    policy = "Background"
    if ORPHAN in finalizers(obj):
        policy = "Orphan"
    elif FOREGROUND in finalizers(obj) or (waiting and loop.state.dependents.get(uid)):
        policy = "Foreground"
    meta = obj["metadata"]
    options = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": policy,
        "preconditions": {"uid": uid, "resourceVersion": meta["resourceVersion"]},
    }
    try:
        await loop.client.delete(resource, meta["name"], meta.get("namespace"), options)
    except StatusError as error:
        if error.code == 409:
            raise Retry(str(error)) from error
        if error.code != 404:
            raise


def _is_meant(known: tuple[Resource, Object], ref: Object, namespace: str | None) -> bool:
    """Whether the object with the uid of a reference is the one that the rest of it names."""
    resource, meta = known[0], known[1]["metadata"]
    same = (resource.api_version, resource.kind, meta["name"]) == (ref.get("apiVersion"), ref.get("kind"), ref["name"])
    return same and meta.get("namespace") in (None, namespace)


def _tell_misplaced(loop: Loop, resource: Resource, obj: Object, ref: Object) -> None:
    """An owner in another namespace is none: its dependent says so before it goes."""
    meta, known = obj["metadata"], loop.state.get(ref["uid"])
    if known is None or known[1]["metadata"].get("namespace") in (None, meta.get("namespace")):
        return
    about = {name: meta[name] for name in ("namespace", "name", "uid") if name in meta}
    namespace = meta.get("namespace", "")
    shown = f"{ref['apiVersion']}/{ref['kind']}, namespace: {namespace}, name: {ref['name']}, uid: {ref['uid']}"
    loop.event(
        {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": about},
        "Warning",
        "OwnerRefInvalidNamespace",
        f'ownerRef [{shown}] does not exist in namespace "{namespace}"',
    )


async def _owner(loop: Loop, obj: Object, ref: Object) -> Object | None:
    """The owner that a reference means; None where there is none. What the graph does not know is asked for."""
    graph: Graph = loop.state
    namespace = obj["metadata"].get("namespace")
    known = graph.get(ref["uid"])
    if known is not None and _is_meant(known, ref, namespace):
        return known[1]
    resource = graph.kinds.get((ref.get("apiVersion", ""), ref.get("kind", "")))
    if resource is None:
        raise Retry(f"no resource is served for owner {ref.get('apiVersion')} {ref.get('kind')}")
    if resource.namespaced and not namespace:
        raise Retry(f"cluster-scoped {obj['metadata']['name']} names an owner that has a namespace")
    try:
        found = await loop.client.get(resource, ref["name"], namespace if resource.namespaced else None)
    except StatusError as error:
        if error.code == 404:
            return None
        raise
    return found if found["metadata"]["uid"] == ref["uid"] else None


# following every kind


async def follow(loop: Loop) -> None:
    """Watch every kind that can be deleted, custom ones as they come and go."""
    tasks: dict[Resource, asyncio.Task[None]] = {}
    try:
        while True:
            try:
                await _refresh(loop, tasks)
            except (StatusError, OSError, TimeoutError) as error:
                logger.debug("discovery: %r", error)
                await asyncio.sleep(1)
                continue
            try:
                await asyncio.wait_for(loop.state.changed.wait(), DISCOVERY_PERIOD)
                await asyncio.sleep(0.1)  # a definition is served a moment after it is stored
            except TimeoutError:
                pass
    finally:
        for task in tasks.values():
            task.cancel()


async def _refresh(loop: Loop, tasks: dict[Resource, asyncio.Task[None]]) -> None:
    graph: Graph = loop.state
    graph.changed.clear()
    served = await discover(loop.client)
    graph.kinds = {(one.resource.api_version, one.resource.kind): one.resource for one in served}
    wanted = {
        one.resource
        for one in served
        if one.verbs >= NEEDED and (one.resource.group, one.resource.plural) not in IGNORED
    }
    for resource in wanted - set(graph.informers):
        if resource in loop.informers:
            informer = loop.informers[resource]
        else:
            informer = Informer(loop.client, resource, metadata_only=True)
            tasks[resource] = asyncio.create_task(informer.run())
        graph.informers[resource] = informer
        informer.add_handler(_handler(loop, resource))
    for resource in set(graph.informers) - wanted:
        _forget(graph, resource, tasks)


def _handler(loop: Loop, resource: Resource) -> Handler:
    graph: Graph = loop.state

    def handle(old: Object | None, new: Object | None) -> None:
        if resource == DEFINITIONS:
            graph.changed.set()
        graph.update(resource, old, new)
        for key in keys_after(graph, old, new):
            loop.enqueue(key)

    return handle


def _forget(graph: Graph, resource: Resource, tasks: dict[Resource, asyncio.Task[None]]) -> None:
    """A kind that is served no more: its objects are gone with it."""
    if resource not in tasks:
        return
    tasks.pop(resource).cancel()
    informer = graph.informers.pop(resource)
    for obj in informer.store.objects.values():
        graph.update(resource, obj, None)


CONTROLLER = Controller(
    name="garbagecollector",
    component="garbage-collector-controller",
    watches={},
    reconcile=reconcile,
    state=Graph,
    workers=20,
    run=follow,
)
