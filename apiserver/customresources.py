"""Definitions become kinds: names are accepted, kinds served, and with a definition go its objects."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from apiserver.encoding import decode
from apiserver.handlers.commit import deletion_of, write_of
from apiserver.kinds.custom import kinds_of
from apiserver.kinds.definition_status import condition, protected, set_condition, settled
from apiserver.kinds.definitions import CLEANUP, RESOURCE
from apiserver.kinds.kind import Kind, Object
from apiserver.storage.types import Event, Record, Stale, Unavailable

if TYPE_CHECKING:
    from apiserver.server import App

IN_PROGRESS = ("InstanceDeletionInProgress", "CustomResource deletion is in progress")
ENDED = ("InstanceDeletionCompleted", "removed all instances")
NEVER_BEGUN = ("NeverEstablished", "resource was never established")
log = logging.getLogger("miniplane.apiserver")


class CustomResources:
    """Follows the stored definitions. Every replica serves what is established; whoever sees a change first writes the
    conditions (a lost race is somebody else's success)."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._kinds: dict[str, list[Kind]] = {}
        self._since: dict[str, tuple[int, int]] = {}  # the generation of a definition that was seen, and its revision
        self._refused: dict[str, str] = {}  # definitions without all of their names -> their group
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Serve what is there and follow what comes."""
        self._app.store.listeners.setdefault(RESOURCE, []).append(self._changed)
        for record in self._app.store.list(RESOURCE):
            self._take(record)
            self._settle(record)
        self._publish()

    def _changed(self, event: Event) -> None:
        name = event.record.key.name
        if event.type == "DELETED":
            for known in (self._kinds, self._refused, self._since):
                known.pop(name, None)
        else:
            self._take(event.record)
            self._settle(event.record)
        self._publish()
        if self._refused:
            self._look_again(decode(event.record)["spec"]["group"], name)

    def _take(self, record: Record) -> None:
        definition = decode(record)
        generation = definition["metadata"].get("generation", 0)
        if self._since.get(record.key.name, (0, 0))[0] != generation:
            self._since[record.key.name] = generation, record.revision
        if not condition(definition, "Established"):
            self._kinds.pop(record.key.name, None)
            return
        try:
            since = self._since[record.key.name][1]
            kinds = kinds_of(definition, self._app.registry.schemas, self._app.webhook_client, since)
        except Exception:
            log.exception("the definition %s cannot be served", record.key.name)
            kinds = []
        self._kinds[record.key.name] = kinds

    def _publish(self) -> None:
        self._app.registry.set_custom(kind for kinds in self._kinds.values() for kind in kinds)

    def _settle(self, record: Record) -> None:
        definition = decode(record)
        if definition["metadata"].get("deletionTimestamp"):
            work = self._remove(definition)
        elif self._pending(definition):
            work = self._accept(definition)
        else:
            return
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: object) -> None:
        try:
            await work  # type: ignore[misc]
        except (Stale, Unavailable):
            return
        except Exception:
            log.exception("a custom resource definition could not be brought up to date")

    def _pending(self, definition: Object) -> bool:
        """Whether its names or the approval of its group have to be looked at again."""
        accepted = (definition.get("status") or {}).get("acceptedNames") or {}
        if condition(definition, "Established") and accepted == definition["spec"]["names"]:
            self._refused.pop(definition["metadata"]["name"], None)
            return protected(definition["spec"]["group"])
        self._refused[definition["metadata"]["name"]] = definition["spec"]["group"]
        return True

    async def _accept(self, definition: Object) -> None:
        """Write the status that the definition gets among those of its group, where it has another one."""
        group = definition["spec"]["group"]
        others = [other for other in self._app.cluster.list(RESOURCE) if other["spec"]["group"] == group]
        status = settled(definition, others, self._app.now())
        if status != definition.get("status"):
            definition["status"] = status
            await self._write(definition)

    def _look_again(self, group: str, name: str) -> None:
        """Names have become free: those of the group that waited for them get another chance."""
        waiting = {one for one, its in self._refused.items() if its == group and one != name}
        for record in self._app.store.list(RESOURCE) if waiting else ():
            if record.key.name in waiting:
                self._settle(record)

    async def _write(self, definition: Object) -> None:
        kind = self._kind()
        revision = int(definition["metadata"]["resourceVersion"])
        await self._app.store.submit([write_of(kind, definition, revision, None)])

    def _kind(self) -> Kind:
        return self._app.registry.companion("apiextensions.k8s.io", "v1", "CustomResourceDefinition")

    async def _remove(self, definition: Object) -> None:
        """Delete the instances, then let the definition go."""
        metadata = definition["metadata"]
        if CLEANUP not in (metadata.get("finalizers") or ()):
            return
        status = dict(definition.get("status") or {})
        set_condition(status, "Terminating", "True", *IN_PROGRESS, self._app.now())
        if status != definition.get("status"):
            definition["status"] = status
            await self._write(definition)  # and is called again
            return
        spec = definition["spec"]
        resource = f"{spec['names']['plural']}.{spec['group']}"
        waiting = await self._delete_instances(resource, definition)
        if waiting:
            return
        metadata["finalizers"] = [name for name in metadata["finalizers"] if name != CLEANUP]
        if metadata["finalizers"]:
            ended = ENDED if condition(definition, "Established") else NEVER_BEGUN
            set_condition(status, "Terminating", "False", *ended, self._app.now())
            definition["status"] = status
            await self._write(definition)
        else:
            await self._app.store.submit([deletion_of(self._kind(), definition, int(metadata["resourceVersion"]))])

    async def _delete_instances(self, resource: str, definition: Object) -> bool:
        """Whether objects with finalizers hold the definition back; they are looked at again when one goes."""
        kinds = self._kinds.get(definition["metadata"]["name"], [])
        if not kinds:
            kinds = kinds_of(definition, self._app.registry.schemas, self._app.webhook_client)
        waiting = False
        for record in list(self._app.store.list(resource)):
            obj = decode(record)
            if obj["metadata"].get("finalizers"):
                waiting = True
                if not obj["metadata"].get("deletionTimestamp"):
                    obj["metadata"] |= {"deletionTimestamp": self._app.now(), "deletionGracePeriodSeconds": 0}
                    await self._app.store.submit([write_of(kinds[0], obj, record.revision, None)])
            else:
                await self._app.store.submit([deletion_of(kinds[0], obj, record.revision)])
        if waiting:
            self._watch_instances(resource, definition["metadata"]["name"])
        return waiting

    def _watch_instances(self, resource: str, name: str) -> None:
        listeners = self._app.store.listeners.setdefault(resource, [])

        def gone(event: Event) -> None:
            if event.type == "DELETED" and not self._app.store.count(resource):
                if gone in listeners:
                    listeners.remove(gone)
                record = next((r for r in self._app.store.list(RESOURCE) if r.key.name == name), None)
                if record is not None:
                    self._settle(record)

        if not any(getattr(listener, "__name__", "") == "gone" for listener in listeners):
            listeners.append(gone)
