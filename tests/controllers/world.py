"""An API in memory under a real control loop: writes take effect at once, informers learn of them when told to."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import orjson

from apiserver.patch.merge_patch import apply_merge
from controllers.controller import Controller, Loop
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.events import EventRecorder
from miniplane.client.informer import Informers, key_of
from miniplane.client.resources import Resource


class World:
    """The objects by resource and key; `writes` lists what controllers wrote."""

    def __init__(self) -> None:
        self.objects: dict[Resource, dict[str, Object]] = {}
        self.pending: list[tuple[Resource, str, Object]] = []
        self.writes: list[tuple[str, Resource, str]] = []
        self.version = 100
        self.serial = 0
        self.informers = Informers(self)  # type: ignore[arg-type]

    # what tests do

    def loop(self, controller: Controller) -> Loop:
        return Loop(controller, self, self.informers, EventRecorder(self))  # type: ignore[arg-type]

    def put(self, resource: Resource, obj: Object) -> Object:
        """Create or replace, as somebody else would."""
        key = key_of(obj)
        old = self.objects.setdefault(resource, {}).get(key)
        self.version += 1
        self.serial += 1
        meta = {
            "uid": f"uid-{self.serial}",
            "creationTimestamp": "2030-01-02T03:04:05Z",
            **copy.deepcopy(obj["metadata"]),
        }
        if old is not None:
            meta.update(uid=old["metadata"]["uid"])
        meta["resourceVersion"] = str(self.version)
        meta["generation"] = (old["metadata"].get("generation", 0) if old else 0) + 1
        new = {"apiVersion": resource.api_version, "kind": resource.kind, **copy.deepcopy(obj), "metadata": meta}
        self.objects[resource][key] = new
        self.pending.append((resource, "MODIFIED" if old else "ADDED", new))
        return new

    def remove(self, resource: Resource, key: str) -> None:
        old = self.objects[resource].pop(key)
        self.version += 1
        gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
        self.pending.append((resource, "DELETED", gone))

    def deliver(self, count: int | None = None) -> None:
        """Let informers see the next events; each kind's events stay in order."""
        for resource, kind, obj in self.pending[:count]:
            self.informers[resource]._apply(kind, obj)
        del self.pending[:count]

    async def work(self, loops: Sequence[Loop], limit: int = 1000) -> None:
        """One key of each loop."""
        for loop in loops:
            if loop.queue._queue:
                key = await loop.queue.get()
                assert key is not None
                await loop._one(key)
                loop.queue.done(key)

    async def settle(self, loops: Sequence[Loop]) -> None:
        """Deliver and work until nothing is left; keys that wait for a timer are due at once."""
        for _ in range(200):
            self.deliver()
            for loop in loops:
                for key in list(loop.queue._timers):
                    loop.queue._timers[key].cancel()
                    loop.queue._due(key)
            if not self.pending and all(loop.queue.idle for loop in loops):
                return
            while any(loop.queue._queue for loop in loops):
                await self.work(loops)
        raise AssertionError("the loops never settle")

    # the client that loops see

    async def get(self, resource: Resource, name: str, namespace: str | None = None, subresource: str = "") -> Object:
        found = self.objects.get(resource, {}).get(f"{namespace}/{name}" if namespace else name)
        if found is None:
            raise StatusError(404, "NotFound", f'{resource.plural} "{name}" not found')
        return found

    async def create(self, resource: Resource, obj: Object) -> Object:
        meta = obj["metadata"]
        if "name" not in meta:
            self.serial += 1
            obj = {**obj, "metadata": {**meta, "name": f"{meta['generateName']}{self.serial}"}}
        if key_of(obj) in self.objects.get(resource, {}):
            raise StatusError(409, "AlreadyExists", "exists")
        self.writes.append(("create", resource, key_of(obj)))
        return self.put(resource, obj)

    async def update(self, resource: Resource, obj: Object, subresource: str = "") -> Object:
        old = await self.get(resource, obj["metadata"]["name"], obj["metadata"].get("namespace"))
        if (
            obj["metadata"].get("resourceVersion", old["metadata"]["resourceVersion"])
            != old["metadata"]["resourceVersion"]
        ):
            raise StatusError(409, "Conflict", "the object has been modified")
        self.writes.append(("update", resource, key_of(obj)))
        if subresource == "status":
            obj = {**old, "status": obj.get("status")}
        return self.put(resource, obj)

    async def patch(self, resource: Resource, name: str, namespace: str | None, patch: Any, **options: Any) -> Object:
        """A merge patch."""
        old = await self.get(resource, name, namespace)
        self.writes.append(("patch", resource, key_of(old)))
        return self.put(resource, apply_merge(old, orjson.dumps(patch)))

    async def delete(self, resource: Resource, name: str, namespace: str | None = None, options: Any = None) -> Object:
        old = await self.get(resource, name, namespace)
        wanted = ((options or {}).get("preconditions") or {}).get("uid")
        if wanted and wanted != old["metadata"]["uid"]:
            raise StatusError(409, "Conflict", "another uid")
        self.writes.append(("delete", resource, key_of(old)))
        self.remove(resource, key_of(old))
        return {"kind": "Status", "status": "Success"}


def pod(name: str, address: str = "10.1.0.1", *, ready: bool = True, node: str = "n1", **meta: Any) -> Object:
    """A running pod of app=web with port 8080 named http."""
    return {
        "metadata": {"name": name, "namespace": "ns", "labels": {"app": "web"}, **meta},
        "spec": {"nodeName": node, "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}] if address else [],
            "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2030-01-02T03:04:06Z"}],
        },
    }


def service(name: str = "web", **spec: Any) -> Object:
    """A Service of app=web: port 80 to the port named http."""
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    given = {"selector": {"app": "web"}, "ports": [port], "clusterIP": "10.96.0.9", "ipFamilies": ["IPv4"], **spec}
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": given}


def node(name: str = "n1", zone: str = "") -> Object:
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    return {"metadata": {"name": name, "labels": labels}}
