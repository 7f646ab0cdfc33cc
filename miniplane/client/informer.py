"""A shared cache of one resource, kept up to date by list and watch (client-go's reflector and shared informer).

Differences from client-go, on purpose: `observe` lets a writer put the answer to its own write into the cache, so that
it reads its own writes without expectations; handlers still learn of the change from the watch, once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Client, Object
from miniplane.client.resources import Resource

logger = logging.getLogger("informer")

Handler = Callable[[Object | None, Object | None], None]
"""Called with (old, new): added (None, new), changed (old, new), deleted (old, None)."""
IndexFunction = Callable[[Object], Iterable[str]]

BACK_OFF_FIRST, BACK_OFF_CAP = 0.05, 1.0
"""Seconds between attempts to reach a server that is away; low, as the server is near."""
TOMBSTONES = 4096


def key_of(obj: Object) -> str:
    """`namespace/name`, or `name` for what has no namespace."""
    meta = obj["metadata"]
    namespace = meta.get("namespace")
    return f"{namespace}/{meta['name']}" if namespace else str(meta["name"])


def version_of(obj: Object) -> int:
    """The resourceVersion as a number: they are comparable within a resource (KEP-5504); 0 where there is none."""
    text = obj["metadata"].get("resourceVersion") or "0"
    return int(text) if text.isdigit() else 0


class Store:
    """Objects by key, with indexes."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self._functions: dict[str, IndexFunction] = {}
        self._indexes: dict[str, dict[str, dict[str, None]]] = {}

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Keep an index of that name; the same name twice is the same index."""
        if name in self._functions:
            return
        self._functions[name], self._indexes[name] = function, {}
        for key, obj in self.objects.items():
            self._insert(name, key, obj)

    def _insert(self, name: str, key: str, obj: Object) -> None:
        index = self._indexes[name]
        for value in self._functions[name](obj):
            index.setdefault(value, {})[key] = None

    def _remove(self, name: str, key: str, obj: Object) -> None:
        index = self._indexes[name]
        for value in self._functions[name](obj):
            keys = index.get(value)
            if keys is not None:
                keys.pop(key, None)
                if not keys:
                    del index[value]

    def put(self, key: str, obj: Object | None) -> None:
        """Store the object, or forget it (None)."""
        old = self.objects.get(key)
        for name in self._functions:
            if old is not None:
                self._remove(name, key, old)
            if obj is not None:
                self._insert(name, key, obj)
        if obj is None:
            self.objects.pop(key, None)
        else:
            self.objects[key] = obj

    def by_index(self, name: str, value: str) -> list[Object]:
        return [self.objects[key] for key in self._indexes[name].get(value, ())]

    def count(self, name: str, value: str) -> int:
        return len(self._indexes[name].get(value, ()))


class Informer:
    """`store` may be read at any time; objects in it are shared and must not be changed."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str | None = None,
        query: Mapping[str, str] | None = None,
        metadata_only: bool = False,
    ) -> None:
        self.client, self.resource, self.namespace = client, resource, namespace
        self.query = dict(query or {})
        self.metadata_only = metadata_only
        self.store = Store()
        self.synced = asyncio.Event()
        self._handlers: list[Handler] = []
        self._ahead: dict[str, Object | None] = {}  # keys that `observe` changed -> what handlers saw last
        self._tombstones: dict[str, int] = {}  # key -> resourceVersion of its deletion
        self._version = ""

    # reading

    def get(self, key: str) -> Object | None:
        return self.store.objects.get(key)

    def add_handler(self, handler: Handler) -> None:
        """Added later, it is told of what is there already."""
        self._handlers.append(handler)
        for obj in list(self.store.objects.values()):
            handler(None, obj)

    def _dispatch(self, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            try:
                handler(old, new)
            except Exception:
                logger.exception("handler of %s", self.resource.plural)

    # writing

    def observe(self, obj: Object) -> None:
        """The answer to a write of ours: newer than the cache, so readers see it at once."""
        key = key_of(obj)
        version, current = version_of(obj), self.store.objects.get(key)
        if version <= self._tombstones.get(key, 0) or (current is not None and version <= version_of(current)):
            return
        self._ahead.setdefault(key, current)
        self.store.put(key, obj)

    def forget(self, obj: Object) -> None:
        """A deletion of ours that took effect at once."""
        key = key_of(obj)
        current = self.store.objects.get(key)
        if current is not None and current["metadata"].get("uid") == obj["metadata"].get("uid"):
            self._ahead.setdefault(key, current)
            self.store.put(key, None)

    def _seen(self, key: str) -> Object | None:
        """What handlers saw last of this key."""
        return self._ahead[key] if key in self._ahead else self.store.objects.get(key)

    def _changed(self, key: str, obj: Object) -> None:
        old, current = self._seen(key), self.store.objects.get(key)
        if old is not None and version_of(old) >= version_of(obj):
            return
        if current is not None and key in self._ahead and version_of(current) > version_of(obj):
            self._ahead[key] = obj
        else:
            self._ahead.pop(key, None)
            self.store.put(key, obj)
        self._dispatch(old, obj)

    def _deleted(self, key: str, version: int) -> None:
        old, current = self._seen(key), self.store.objects.get(key)
        self._bury(key, version)
        if current is not None and key in self._ahead and version_of(current) > version:
            self._ahead[key] = None
        else:
            self._ahead.pop(key, None)
            self.store.put(key, None)
        if old is not None:
            self._dispatch(old, None)

    def _bury(self, key: str, version: int) -> None:
        self._tombstones[key] = version
        if len(self._tombstones) > TOMBSTONES:
            del self._tombstones[next(iter(self._tombstones))]

    def _replace(self, items: list[Object], version: int) -> None:
        """A new list: the difference to what was known goes to the handlers."""
        present = {key_of(obj): self._complete(obj) for obj in items}
        for key in [*self.store.objects, *self._ahead]:
            if key not in present and version_of(self.store.objects.get(key) or {"metadata": {}}) <= version:
                self._deleted(key, version)
        for key, obj in present.items():
            old = self._seen(key)
            if old is not None and old["metadata"].get("uid") != obj["metadata"].get("uid"):
                self._deleted(key, version_of(obj) - 1)
            self._changed(key, obj)

    def _complete(self, obj: Object) -> Object:
        """Items of a list carry no kind of their own."""
        obj.setdefault("apiVersion", self.resource.api_version)
        obj.setdefault("kind", self.resource.kind)
        return obj

    # list and watch

    async def run(self) -> None:
        """Until cancelled. Nothing that the server does or fails to do ends it."""
        pause = BACK_OFF_FIRST
        while True:
            try:
                if not self._version:
                    await self._relist()
                await self._watch()
                pause = BACK_OFF_FIRST
                continue
            except StatusError as error:
                if error.code == 410 or error.reason in ("Expired", "Gone"):
                    self._version = ""
                if error.code == 404:  # a server that does not serve the kind has none of it
                    self.synced.set()
                logger.debug("%s: %s", self.resource.plural, error)
            except (OSError, TimeoutError, ValueError, KeyError) as error:
                logger.debug("%s: %r", self.resource.plural, error)
            await asyncio.sleep(pause * (1 + random.random()))
            pause = min(pause * 2, BACK_OFF_CAP)

    async def _relist(self) -> None:
        query = {**self.query, "resourceVersion": "0"}
        items, version = await self.client.list(
            self.resource, self.namespace, query=query, metadata_only=self.metadata_only
        )
        self._replace(items, int(version))
        self._version = version
        self.synced.set()

    async def _watch(self) -> None:
        """One watch, until the server ends it (raises where it ends in less than a second without an event)."""
        query = {
            **self.query,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(300, 600)),
        }
        loop = asyncio.get_running_loop()
        started, before = loop.time(), self._version
        async with self.client.watch(
            self.resource, self.namespace, query=query, metadata_only=self.metadata_only
        ) as events:
            await self._follow(events)
        if loop.time() - started < 1 and self._version == before:
            raise ConnectionError("very short watch")

    async def _follow(self, events: AsyncIterator[Object]) -> None:
        async for event in events:
            kind, obj = event["type"], event["object"]
            if kind == "ERROR":
                raise StatusError.from_body(obj, 500)
            self._apply(kind, obj)
            self._version = obj["metadata"]["resourceVersion"]

    def _apply(self, kind: str, obj: Object) -> None:
        if kind in ("ADDED", "MODIFIED"):
            key = key_of(obj)
            old = self._seen(key)
            if kind == "ADDED" and old is not None and old["metadata"].get("uid") != obj["metadata"].get("uid"):
                self._deleted(key, version_of(obj) - 1)
            self._changed(key, obj)
        elif kind == "DELETED":
            self._deleted(key_of(obj), version_of(obj))


class Informers:
    """One informer per resource, shared by all who ask."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._informers: dict[Resource, Informer] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}

    def __getitem__(self, resource: Resource) -> Informer:
        if resource not in self._informers:
            self._informers[resource] = Informer(self.client, resource)
        return self._informers[resource]

    def __contains__(self, resource: Resource) -> bool:
        return resource in self._informers

    def observe(self, resource: Resource, obj: Any) -> None:
        if resource in self._informers:
            self._informers[resource].observe(obj)

    def forget(self, resource: Resource, obj: Any) -> None:
        if resource in self._informers:
            self._informers[resource].forget(obj)

    def start(self) -> None:
        """Start those that do not run yet."""
        for resource, informer in self._informers.items():
            if resource not in self._tasks:
                name = f"informer-{resource.plural}"
                self._tasks[resource] = asyncio.create_task(informer.run(), name=name)

    async def wait_synced(self) -> None:
        for informer in self._informers.values():
            await informer.synced.wait()

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
