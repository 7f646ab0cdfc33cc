"""Definitions become kinds: names are accepted, kinds served, and with a definition go its objects."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from apiserver.encoding import decode
from apiserver.handlers.commit import deletion_of, write_of
from apiserver.kinds.custom import kinds_of
from apiserver.kinds.definitions import CLEANUP, RESOURCE, condition, set_condition
from apiserver.kinds.kind import Kind, Object
from apiserver.storage.types import Event, Record, Stale, Unavailable

if TYPE_CHECKING:
    from apiserver.server import App

log = logging.getLogger("miniplane.apiserver")


class CustomResources:
    """Follows the stored definitions. Every replica serves what is established; whoever sees a change first writes the
    conditions (a lost race is somebody else's success)."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._kinds: dict[str, tuple[int, list[Kind]]] = {}
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
            self._kinds.pop(name, None)
        else:
            self._take(event.record)
            self._settle(event.record)
        self._publish()

    def _take(self, record: Record) -> None:
        definition = decode(record)
        generation = definition["metadata"].get("generation", 0)
        if not condition(definition, "Established"):
            self._kinds.pop(record.key.name, None)
            return
        try:
            kinds = kinds_of(definition, self._app.registry.schemas, self._app.webhook_client)
        except Exception:
            log.exception("the definition %s cannot be served", record.key.name)
            kinds = []
        self._kinds[record.key.name] = (generation, kinds)

    def _publish(self) -> None:
        self._app.registry.set_custom(kind for _, kinds in self._kinds.values() for kind in kinds)

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

    @staticmethod
    def _pending(definition: Object) -> bool:
        accepted = (definition.get("status") or {}).get("acceptedNames") or {}
        return not condition(definition, "Established") or accepted != definition["spec"]["names"]

    async def _accept(self, definition: Object) -> None:
        """Accept the names unless another definition of the group has them, then establish."""
        status = definition.setdefault("status", {})
        now = self._app.now()
        conflict = self._conflict(definition)
        if conflict:
            set_condition(status, "NamesAccepted", "False", *conflict, now)
            if not condition(definition, "Established"):
                set_condition(status, "Established", "False", "NotAccepted", "not all names are accepted", now)
        else:
            status["acceptedNames"] = definition["spec"]["names"]
            set_condition(status, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now)
            established = "the initial names have been accepted"
            set_condition(status, "Established", "True", "InitialNamesAccepted", established, now)
        await self._write(definition)

    def _conflict(self, definition: Object) -> tuple[str, str] | None:
        spec = definition["spec"]
        taken: dict[str, set[str]] = {"plural": set(), "kind": set()}
        for other in self._app.cluster.list(RESOURCE):
            if other["metadata"]["name"] == definition["metadata"]["name"] or other["spec"]["group"] != spec["group"]:
                continue
            names = (other.get("status") or {}).get("acceptedNames") or {}
            taken["plural"] |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
            taken["kind"] |= {names.get("kind", ""), names.get("listKind", "")}
        names = spec["names"]
        checks = (
            ("PluralConflict", names.get("plural"), "plural"),
            ("SingularConflict", names.get("singular"), "plural"),
            ("KindConflict", names.get("kind"), "kind"),
            ("ListKindConflict", names.get("listKind"), "kind"),
        )
        for reason, name, what in checks:
            if name and name in taken[what]:
                return reason, f'"{name}" is already in use'
        for name in names.get("shortNames") or ():
            if name in taken["plural"]:
                return "ShortNamesConflict", f'"{name}" is already in use'
        return None

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
        spec = definition["spec"]
        resource = f"{spec['names']['plural']}.{spec['group']}"
        waiting = await self._delete_instances(resource, definition)
        if waiting:
            return
        metadata["finalizers"] = [name for name in metadata["finalizers"] if name != CLEANUP]
        if metadata["finalizers"]:
            await self._write(definition)
        else:
            await self._app.store.submit([deletion_of(self._kind(), definition, int(metadata["resourceVersion"]))])

    async def _delete_instances(self, resource: str, definition: Object) -> bool:
        """Whether objects with finalizers hold the definition back; they are looked at again when one goes."""
        _, kinds = self._kinds.get(definition["metadata"]["name"], (0, []))
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
