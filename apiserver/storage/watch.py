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
    """One client's queue. `listener` is called soon after a frame was queued or the watch was closed, once for many."""

    __slots__ = (
        "_backlog",
        "_delivered",
        "_group",
        "_hub",
        "_queue",
        "_size",
        "closed",
        "listener",
        "skip_until",
        "told",
    )

    def __init__(self, hub: Hub, group: Group) -> None:
        self._hub, self._group = hub, group
        self._queue: list[bytes] = []
        self._size = self._backlog = 0
        self._delivered = hub.revision
        self.listener: Callable[[], None] | None = None
        self.closed = self.told = False
        self.skip_until = 0  # a client that asked for a future revision hears nothing before it

    @property
    def view(self) -> View:
        """What it sees, shared by all who see the same."""
        return self._group.view

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
        self._hub.tell(self)

    def prepend(self, frames: list[bytes]) -> None:
        """Put older frames before what waits. They do not count as falling behind: the log bounds them, and a client
        that was cut off because of them would come back for the same ones."""
        self._queue[:0] = frames
        self._backlog += len(frames)

    def delivered(self, revision: int) -> None:
        """Nothing after this revision has reached the client yet: bookmarks stay behind what waits."""
        self._delivered = min(revision, self._delivered)

    def take(self) -> list[bytes]:
        """All frames that wait."""
        frames = self._queue
        if frames:
            self._queue = []
            self._size = self._backlog = 0
        self._delivered = self._hub.revision
        return frames

    def close(self) -> None:
        """End the watch: no further frame is queued."""
        if not self.closed:
            self.closed = True
            self._hub.remove(self._group, self)
            self._hub.tell(self)


class Group:
    """Watchers of one collection with equal views."""

    __slots__ = ("scope", "view", "watchers")

    def __init__(self, scope: tuple[str, str], view: View) -> None:
        self.scope, self.view = scope, view
        self.watchers: dict[Watcher, None] = {}


class Hub:
    """Every open watch, and the recent past as a ring of events."""

    def __init__(self) -> None:
        self.revision = 0
        self.ring: deque[Event] = deque()
        self._ring_size = 0
        self.cut_off = 0  # watchers whose queue was full
        self.ring_start = 0  # events after this revision are in the ring
        self._scopes: dict[tuple[str, str], dict[View, Group]] = {}
        self._to_tell: list[Watcher] = []

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
            for group in list(self._scopes.get(scope, {}).values()):
                self._show(event, group)

    def _show(self, event: Event, group: Group) -> None:
        view, watchers = group.view, group.watchers
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

    def tell(self, watcher: Watcher) -> None:
        """Its listener has something to look at."""
        if watcher.told or watcher.listener is None:
            return
        watcher.told = True
        self._to_tell.append(watcher)
        if len(self._to_tell) == 1:
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        told, self._to_tell = self._to_tell, []
        for watcher in told:
            watcher.told = False
            if watcher.listener is not None:
                watcher.listener()

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
        seen = (transition(event, view.matches) for event in self.backlog(resource, namespace, since))
        frames = [view.frame(*change) for change in seen if change is not None]
        groups = self._scopes.setdefault((resource, namespace), {})
        group = groups.get(view) or groups.setdefault(view, Group((resource, namespace), view))
        watcher = Watcher(self, group)
        watcher.skip_until = since
        watcher.delivered(since)
        watcher.prepend(frames)
        group.watchers[watcher] = None
        return watcher

    def remove(self, group: Group, watcher: Watcher) -> None:
        group.watchers.pop(watcher, None)
        groups = self._scopes.get(group.scope, {})
        if not group.watchers and groups.get(group.view) is group:
            del groups[group.view]
            if not groups:
                del self._scopes[group.scope]

    def watchers(self) -> int:
        """How many watches are open."""
        return sum(len(group.watchers) for groups in self._scopes.values() for group in groups.values())

    def queued(self) -> int:
        """How many frames wait to be read."""
        scopes = self._scopes.values()
        return sum(watcher.queued for groups in scopes for group in groups.values() for watcher in group.watchers)

    def close(self) -> None:
        """End every watch."""
        for groups in list(self._scopes.values()):
            for group in list(groups.values()):
                for watcher in list(group.watchers):
                    watcher.close()
