"""Watches: who sees which event as what, and the bounded queues they are read from."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Protocol

from apiserver.storage.types import Event, EventType, Record

log = logging.getLogger("miniplane.storage")
QUEUE_FRAMES, QUEUE_BYTES = 20_000, 32 * 1024 * 1024
"""A watcher that falls further behind is closed; its client resumes from its last resourceVersion."""
RING_EVENTS, RING_BYTES = 8192, 16 * 1024 * 1024


class View(Hashable, Protocol):
    """A selection and an encoding. Watchers with equal views share every frame."""

    def matches(self, record: Record) -> bool: ...

    def frame(self, event: EventType, record: Record) -> bytes: ...


def transition(event: Event, matches: Callable[[Record], bool]) -> tuple[EventType, Record] | None:
    """What a selection sees of an event (`cacher/cache_watcher.go`, convertToWatchEvent).

    An object that leaves the selection is DELETED with its old content and the new resourceVersion.
    """
    before = event.previous is not None and matches(event.previous)
    if event.type == "DELETED":
        return ("DELETED", event.record) if before else None
    after = matches(event.record)
    if after:
        return ("MODIFIED" if before else "ADDED"), event.record
    if before and event.previous is not None:
        return "DELETED", event.previous.reversioned(event.revision)
    return None


class Watcher:
    """One client's queue."""

    def __init__(self, hub: Hub, scope: tuple[str, str], view: View) -> None:
        self._hub, self._scope, self._view = hub, scope, view
        self._queue: list[bytes] = []
        self._size = self._backlog = 0
        self._delivered = hub.revision
        self._waiter: asyncio.Future[None] | None = None
        self.closed = self._nudged = False
        self.skip_until = 0  # a client that asked for a future revision hears nothing before it

    @property
    def revision(self) -> int:
        """Everything up to here that this watcher may see has been taken from the queue."""
        return self._delivered if self._queue else self._hub.revision

    @property
    def queued(self) -> int:
        """How many frames wait."""
        return len(self._queue)

    def push(self, frame: bytes) -> None:
        """Queue one frame; a full queue closes the watcher."""
        self._queue.append(frame)
        self._size += len(frame)
        if len(self._queue) - self._backlog > QUEUE_FRAMES or self._size > QUEUE_BYTES:
            self._queue.clear()
            self._hub.cut_off += 1
            self.close()
        self._wake()

    def prepend(self, frames: list[bytes]) -> None:
        """Put older frames before what waits. They do not count as falling behind: the log bounds them, and a client
        that was cut off because of them would come back for the same ones."""
        self._queue[:0] = frames
        self._backlog += len(frames)

    def delivered(self, revision: int) -> None:
        """Nothing after this revision has reached the client yet: bookmarks stay behind what waits."""
        self._delivered = min(revision, self._delivered)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def nudge(self) -> None:
        """Let whoever waits go on without a frame."""
        self._nudged = True
        self._wake()

    async def next(self) -> list[bytes]:
        """All frames that wait, at least one; empty once the watch is closed, and once for each nudge."""
        while not self._queue:
            if self.closed or self._nudged:
                self._nudged = False
                return []
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        frames, self._queue = self._queue, []
        self._size = self._backlog = 0
        self._delivered = self._hub.revision
        return frames

    def close(self) -> None:
        """End the watch: no further frame is queued."""
        if not self.closed:
            self.closed = True
            self._hub.remove(self._scope, self._view, self)
            self._wake()


class Hub:
    """Every open watch, and the recent past as a ring of events."""

    def __init__(self) -> None:
        self.revision = 0
        self.ring: deque[Event] = deque()
        self._ring_size = 0
        self.cut_off = 0  # watchers whose queue was full
        self.ring_start = 0  # events after this revision are in the ring
        self._scopes: dict[tuple[str, str], dict[View, dict[Watcher, None]]] = {}

    def start(self, revision: int) -> None:
        """Begin with an empty ring."""
        self.ring.clear()
        self._ring_size = 0
        self.revision = self.ring_start = revision

    def publish(self, event: Event) -> None:
        """Hand an event to every watcher whose selection it touches, each view encoded once."""
        self.revision = event.revision
        self._remember(event)
        key = event.record.key
        for scope in {(key.resource, ""), (key.resource, key.namespace)}:
            for view, watchers in list(self._scopes.get(scope, {}).items()):
                self._show(event, view, watchers)

    def _show(self, event: Event, view: View, watchers: dict[Watcher, None]) -> None:
        try:
            seen = transition(event, view.matches)
            if seen is None:
                return
            frame = view.frame(*seen)
        except Exception:  # one selection's fault must not keep a commit from everybody else
            log.exception("revision %d cannot be shown to a watch of %s", event.revision, event.record.key.resource)
            for watcher in list(watchers):
                watcher.close()
            return
        for watcher in list(watchers):
            if event.revision > watcher.skip_until:
                watcher.push(frame)

    def _remember(self, event: Event) -> None:
        self.ring.append(event)
        self._ring_size += len(event.record.data)
        while len(self.ring) > RING_EVENTS or self._ring_size > RING_BYTES:
            gone = self.ring.popleft()
            self._ring_size -= len(gone.record.data)
            self.ring_start = gone.revision

    def backlog(self, resource: str, namespace: str, since: int) -> Iterator[Event]:
        """The ring's events of a collection after `since`."""
        newest_first = []
        for event in reversed(self.ring):
            if event.revision <= since:
                break
            key = event.record.key
            if key.resource == resource and namespace in ("", key.namespace):
                newest_first.append(event)
        return reversed(newest_first)

    def subscribe(self, resource: str, namespace: str, since: int, view: View) -> Watcher:
        """Backlog from the ring and subscription in one step: no gap, no repeat."""
        watcher = Watcher(self, (resource, namespace), view)
        watcher.skip_until = since
        watcher.delivered(since)
        seen = (transition(event, view.matches) for event in self.backlog(resource, namespace, since))
        watcher.prepend([view.frame(*change) for change in seen if change is not None])
        self._scopes.setdefault((resource, namespace), {}).setdefault(view, {})[watcher] = None
        return watcher

    def remove(self, scope: tuple[str, str], view: View, watcher: Watcher) -> None:
        views = self._scopes.get(scope)
        watchers = views.get(view) if views else None
        if views is None or watchers is None:
            return
        watchers.pop(watcher, None)
        if not watchers:
            del views[view]
        if not views:
            del self._scopes[scope]

    def watchers(self) -> int:
        """How many watches are open."""
        return sum(len(watchers) for views in self._scopes.values() for watchers in views.values())

    def queued(self) -> int:
        """How many frames wait to be read."""
        scopes = self._scopes.values()
        return sum(w.queued for views in scopes for watchers in views.values() for w in watchers)

    def close(self) -> None:
        """End every watch."""
        for views in list(self._scopes.values()):
            for watchers in list(views.values()):
                for watcher in list(watchers):
                    watcher.close()
