"""What a controller is: a record, and the loop that runs it.

A controller is told of changes by informers, turns them into keys (`watches`), and makes the world as it should be for
one key at a time (`reconcile`). It keeps nothing that it could not learn again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Client, Object
from miniplane.client.events import EventRecorder
from miniplane.client.informer import IndexFunction, Informer, Informers
from miniplane.client.resources import Resource
from miniplane.client.workqueue import WorkQueue

logger = logging.getLogger("controllers")

KeysFor = Callable[["Loop", Object | None, Object | None], Iterable[str]]
"""(loop, old, new) -> keys to reconcile. old is None for what is added, new for what is deleted."""
Reconcile = Callable[["Loop", str], Awaitable[float | None]]
"""Answers the seconds after which the key is due again, or None."""

AWAY_CAP = 1.0
"""Longest pause after a failure that only says that the server is away."""


@dataclass(slots=True, frozen=True)
class Controller:
    """One control loop. `indexes` are added to the informers; `state` makes what the loop remembers; `run` is a
    background task beside the workers; `started` is called once when the caches are filled."""

    name: str
    watches: Mapping[Resource, KeysFor]
    reconcile: Reconcile
    component: str = ""
    indexes: Mapping[tuple[Resource, str], IndexFunction] = field(default_factory=dict)
    state: Callable[[], Any] = dict
    workers: int = 5
    base_delay: float = 0.005
    retries: int | None = None
    started: Callable[[Loop], None] | None = None
    run: Callable[[Loop], Awaitable[None]] | None = None


class Retry(Exception):
    """Raised by a reconcile function: not done, try again after a while."""


class Loop:
    """A running controller; what its functions get to work with."""

    def __init__(self, controller: Controller, client: Client, informers: Informers, recorder: EventRecorder) -> None:
        self.controller, self.client, self.informers, self.recorder = controller, client, informers, recorder
        self.queue = WorkQueue(controller.base_delay)
        self.state: Any = controller.state()
        for (resource, name), function in controller.indexes.items():
            informers[resource].store.add_index(name, function)
        for resource, keys_for in controller.watches.items():
            self.watch(resource, keys_for)

    def watch(self, resource: Resource, keys_for: KeysFor) -> None:
        def handle(old: Object | None, new: Object | None) -> None:
            for key in keys_for(self, old, new):
                self.queue.add(key)

        self.informers[resource].add_handler(handle)

    # for reconcile functions

    def __getitem__(self, resource: Resource) -> Informer:
        return self.informers[resource]

    def enqueue(self, key: str, after: float = 0.0) -> None:
        self.queue.add_after(key, after)

    def event(self, obj: Object, kind: str, reason: str, message: str) -> None:
        self.recorder.event(self.controller.component or self.controller.name, obj, kind, reason, message)

    async def create(self, resource: Resource, obj: Object) -> Object:
        """Create, and let the cache know at once."""
        found = await self.client.create(resource, obj)
        self.informers.observe(resource, found)
        return found

    async def update(self, resource: Resource, obj: Object, subresource: str = "") -> Object:
        found = await self.client.update(resource, obj, subresource)
        self.informers.observe(resource, found)
        return found

    async def patch(self, resource: Resource, obj: Object, patch: Any, **options: Any) -> Object:
        meta = obj["metadata"]
        found = await self.client.patch(resource, meta["name"], meta.get("namespace"), patch, **options)
        self.informers.observe(resource, found)
        return found

    async def delete(self, resource: Resource, obj: Object, **options: Any) -> None:
        """Delete this object (its uid is the precondition); not to find it is fine."""
        meta = obj["metadata"]
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": meta["uid"]}, **options}
        try:
            answer = await self.client.delete(resource, meta["name"], meta.get("namespace"), body)
        except StatusError as error:
            if error.code not in (404, 409):
                raise
            return
        if answer.get("kind") != "Status" and (answer.get("metadata") or {}).get("deletionTimestamp"):
            self.informers.observe(resource, answer)
        else:
            self.informers.forget(resource, obj)

    # running

    async def work(self) -> None:
        """One worker: until the queue is closed."""
        while (key := await self.queue.get()) is not None:
            try:
                await self._one(key)
            finally:
                self.queue.done(key)

    async def _one(self, key: str) -> None:
        try:
            again = await self.controller.reconcile(self, key)
        except (OSError, TimeoutError) as error:
            logger.debug("%s %s: %r", self.controller.name, key, error)
            self.queue.add_rate_limited(key, AWAY_CAP)
        except (StatusError, Retry) as error:
            logger.debug("%s %s: %s", self.controller.name, key, error)
            self._retry(key)
        except Exception:
            logger.exception("%s %s", self.controller.name, key)
            self._retry(key)
        else:
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)

    def _retry(self, key: str) -> None:
        limit = self.controller.retries
        if limit is not None and self.queue.failures(key) >= limit:
            self.queue.forget(key)
        else:
            self.queue.add_rate_limited(key)

    async def run(self, workers: int | None = None) -> None:
        """Workers and the background task, until cancelled."""
        if self.controller.started is not None:
            self.controller.started(self)
        tasks = [asyncio.create_task(self.work()) for _ in range(workers or self.controller.workers)]
        if self.controller.run is not None:
            tasks.append(asyncio.ensure_future(self.controller.run(self)))
        try:
            await asyncio.gather(*tasks)
        finally:
            self.queue.close()
            for task in tasks:
                task.cancel()


def own_key(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """The key of the changed object itself."""
    meta = (new or old or {})["metadata"]
    return (f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"],)


def split(key: str) -> tuple[str, str]:
    """`namespace/name` -> both."""
    namespace, _, name = key.rpartition("/")
    return namespace, name
