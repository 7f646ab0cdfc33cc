"""EndpointSlices as both slice controllers see them: identity of endpoints, order of ports, writing a plan (upstream:
k8s.io/endpointslice/util)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from controllers import pods
from controllers.controller import Loop
from controllers.endpoints import HEADLESS, is_terminating_namespace
from controllers.godump import Fields, dump, fnv128a
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import ENDPOINT_SLICES

SERVICE_NAME, MANAGED_BY = "kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by"
RESERVED = (SERVICE_NAME, MANAGED_BY, HEADLESS)
BY_SERVICE = "slice-service"
EDIT_DELAY = 1.0
"""Seconds until an edit by somebody else is undone."""

STRUCTS: dict[str, Fields] = {
    "v1.EndpointPort": (
        ("Name", "name", "*string"),
        ("Protocol", "protocol", "*v1.Protocol"),
        ("Port", "port", "*int32"),
        ("AppProtocol", "appProtocol", "*string"),
    ),
}

Port = tuple[str | None, str | None, int | None, str | None]


def _port(port: Object) -> Port:
    return port.get("name"), port.get("protocol"), port.get("port"), port.get("appProtocol")


@lru_cache(maxsize=4096)
def _hash(port: Port) -> bytes:
    fields = dict(zip(("name", "protocol", "port", "appProtocol"), port, strict=True))
    return fnv128a(dump(fields, "v1.EndpointPort", STRUCTS))


def sorted_ports(ports: Iterable[Object]) -> list[Object]:
    return sorted(ports, key=lambda port: _hash(_port(port)))


def ports_key(ports: Iterable[Object] | None) -> tuple[Port, ...]:
    """Slices with equal keys offer the same ports."""
    return tuple(sorted((_port(port) for port in ports or ()), key=_hash))


def identity(endpoint: Object) -> tuple[Any, ...]:
    """What makes two endpoints the same one, however its condition changed."""
    target = endpoint.get("targetRef") or {}
    addresses = tuple(sorted(endpoint.get("addresses") or ()))
    return addresses, endpoint.get("hostname"), target.get("namespace"), target.get("name")


def equal(one: Object, other: Object) -> bool:
    """Whether endpoints of one identity are equal in everything else."""
    names = ("nodeName", "zone")
    if any(one.get(name) != other.get(name) for name in names):
        return False
    conditions = (one.get("conditions") or {}, other.get("conditions") or {})
    if any(conditions[0].get(name) != conditions[1].get(name) for name in ("ready", "serving", "terminating")):
        return False
    return bool(_target(one) == _target(other))


def _target(endpoint: Object) -> Any:
    return {key: value for key, value in (endpoint.get("targetRef") or {}).items() if key != "resourceVersion"}


def owner_reference(owner: Object, api_version: str, kind: str) -> Object:
    """`metav1.NewControllerRef`."""
    meta = owner["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned_by(obj: Object, owner: Object) -> bool:
    uid = owner["metadata"]["uid"]
    return any(ref.get("uid") == uid for ref in obj["metadata"].get("ownerReferences") or ())


def name_prefix(name: str) -> str:
    """`NAME-`, unless that leaves no room for the generated suffix's rules."""
    return f"{name}-" if len(name) < 253 else name


@dataclass(slots=True)
class Plan:
    """What to write: decided first, written last."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    """Type, reason and message of what is to be told about the owner."""

    def recycle(self, owner: Object) -> None:
        """Creates take the place of deletes where possible: one write and one event instead of two."""
        kept = []
        for old in self.delete:
            new = self.create[-1] if self.create else None
            if new is not None and old["addressType"] == new["addressType"] and owned_by(old, owner):
                self.create.pop()
                self.update.append({**new, "metadata": {**new["metadata"], "name": old["metadata"]["name"]}})
            else:
                kept.append(old)
        self.delete = kept


class Written:
    """Generations of the slices that we wrote: a higher one is somebody else's edit."""

    def __init__(self) -> None:
        self._generations: dict[str, int] = {}
        self._deleted: dict[str, None] = {}

    def note(self, found: Object) -> None:
        self._generations[found["metadata"]["uid"]] = int(found["metadata"].get("generation") or 0)

    def deleting(self, found: Object) -> None:
        self._deleted[found["metadata"]["uid"]] = None

    def is_edit(self, found: Object) -> bool:
        meta = found["metadata"]
        known = self._generations.get(meta["uid"])
        return known is None or int(meta.get("generation") or 0) > known

    def is_foreign_deletion(self, found: Object) -> bool:
        uid = found["metadata"]["uid"]
        self._generations.pop(uid, None)
        return self._deleted.pop(uid, self) is self


async def write(loop: Loop, plan: Plan, owner: Object) -> None:
    """Creates, updates, deletes. An owner that goes away gets no new slices."""
    written: Written = loop.state.written
    for obj in plan.create if not pods.is_terminating(owner) else ():
        try:
            written.note(await loop.create(ENDPOINT_SLICES, obj))
        except StatusError as error:
            if is_terminating_namespace(error):
                return
            raise
    for obj in plan.update:
        written.note(await loop.update(ENDPOINT_SLICES, obj))
    for obj in plan.delete:
        written.deleting(obj)
        await loop.delete(ENDPOINT_SLICES, obj)


def service_values(found: Object) -> Iterable[str]:
    """`namespace/service manager`."""
    labels = pods.labels_of(found)
    return (f"{found['metadata']['namespace']}/{labels.get(SERVICE_NAME, '')} {labels.get(MANAGED_BY, '')}",)


INDEXES = {(ENDPOINT_SLICES, BY_SERVICE): service_values}


def existing(loop: Loop, key: str, manager: str) -> list[Object]:
    """The slices of a Service that this controller manages, those on their way out apart; sorted by name."""
    found = loop[ENDPOINT_SLICES].store.by_index(BY_SERVICE, f"{key} {manager}")
    kept = [one for one in found if not pods.is_terminating(one)]
    return sorted(kept, key=lambda one: str(one["metadata"]["name"]))


def _service_key(found: Object) -> str:
    return f"{found['metadata']['namespace']}/{pods.labels_of(found).get(SERVICE_NAME, '')}"


def keys_for(loop: Loop, manager: str, old: Object | None, new: Object | None) -> Iterable[str]:
    """Edits of our slices by others are looked at after EDIT_DELAY, deletions at once."""
    written: Written = loop.state.written
    ours = [found is not None and pods.labels_of(found).get(MANAGED_BY) == manager for found in (old, new)]
    if new is None:
        return (_service_key(old),) if old and ours[0] and written.is_foreign_deletion(old) else ()
    if old is not None and ours[0] and (not ours[1] or _service_key(old) != _service_key(new)):
        loop.enqueue(_service_key(old), EDIT_DELAY)
    if ours[1] and (written.is_edit(new) or (old is not None and not ours[0])):
        loop.enqueue(_service_key(new), EDIT_DELAY)
    return ()
