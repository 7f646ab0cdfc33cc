"""The store: current objects in memory for reads, the writer thread for changes, the hub for watches."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, select

from apiserver.storage import log, migrate, tables
from apiserver.storage.collection import Collection, differences, first_previous
from apiserver.storage.engine import open_engine
from apiserver.storage.log import WatchHistory
from apiserver.storage.peers import PeerGroup, Peers
from apiserver.storage.state import POSITION
from apiserver.storage.tail import Tail
from apiserver.storage.tasks import Group, Picture, Task
from apiserver.storage.types import Claim, Compacted, Event, Key, Record, Unavailable, Write
from apiserver.storage.waiters import Waiters
from apiserver.storage.watch import Hub, View, Watcher, transition
from apiserver.storage.writer import Writer

# the class below has a method called `list`
Answers = list[tuple[Any, Any]]
Events = list[Event]
Frames = list[bytes]
Listeners = list[Callable[[Event], None]]
Looks = list[asyncio.Future[None]]
Names = list[str]
Records = list[Record]
Writes = list[Write]
PAGE = 1000
SWITCH_INTERVAL = 0.0005
"""Seconds. The loop and the writer hand each other the interpreter for every batch; Python's default of 5 ms would be
the largest part of a write's latency."""


class Store:
    """Reads are synchronous look-ups on the event loop; writes are awaited until they are committed."""

    def __init__(
        self, engine: Engine, loop: asyncio.AbstractEventLoop, history: WatchHistory, peers: Peers | None = None
    ) -> None:
        self.engine, self._loop, self._peers = engine, loop, peers
        self.hub = Hub()
        self._collections: dict[str, Collection] = {}
        self._claims: dict[str, dict[str, Key]] = {}
        self.bounds = log.Bounds(history)
        self.writer = Writer(engine, loop, self._deliver, self._replace, self.bounds, peers)
        self._waiters = Waiters(loop, self.writer)
        self._held: dict[Key, tuple[Claim, ...]] = {}
        self._baseline: dict[Key, tuple[Record, tuple[Claim, ...]]] | None = None
        self.closed = False
        self.listeners: dict[str, Listeners] = {}  # called for every change of a resource
        self.replicated = engine.dialect.name == "postgresql"
        self._tail = Tail(engine, loop, self._wake) if self.replicated else None
        self._looking = self._look_again = False
        self._looks: Looks = []

    @classmethod
    async def open(
        cls, url: str, *, watch_history: WatchHistory | None = None, peers: PeerGroup | None = None
    ) -> Store:
        """Open (and create or migrate) a database and load it; `peers` share its SQLite file.

        Raises NewerDatabase, Unavailable for a damaged row, OSError / SQLAlchemyError where it cannot be opened.
        """
        sys.setswitchinterval(SWITCH_INTERVAL)
        engine = open_engine(url)
        history, joined = watch_history or WatchHistory(), Peers(peers) if peers is not None else None
        try:
            if joined is not None:
                await asyncio.to_thread(joined.wait_for_first)
            await asyncio.to_thread(migrate.prepare, engine)
            store = cls(engine, asyncio.get_running_loop(), history, joined)
            await asyncio.to_thread(store._load)
        except ValueError as error:
            engine.dispose()
            raise Unavailable(f"a row is damaged: {error}") from error
        except BaseException:
            engine.dispose()
            raise
        store.writer.start()
        if store._tail is not None:
            store._tail.start()
        if joined is not None:
            joined.join(store.revision, store._loop, store._wake)
        return store

    def _load(self) -> None:
        with self.engine.connect() as connection:
            if self.replicated:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            self.writer.state.load(connection)
            self._load_bounds(connection)
            connection.rollback()
        self._show(self.writer.state.picture())

    def _show(self, picture: Picture) -> None:
        """Fill the empty cache."""
        for record in picture.records.values():
            collection = self._collection(record.key.resource)
            collection.sorted = False
            collection.put(record, None)
        for key, claims in picture.owned.items():
            self._hold(key, claims)
        self.hub.start(picture.revision)

    def _replace(self, picture: Picture) -> None:
        """Show another state whose way here nobody can tell: watches end, and their clients are told to list again."""
        before, self._collections = self._collections, {}
        self._claims, self._held = {}, {}
        self._show(picture)
        self.hub.close()
        for resource in before.keys() | self._collections.keys():
            self._collection(resource).changed = picture.revision
            for listener in list(self.listeners.get(resource, ())):
                for change in differences(before.get(resource), self._collection(resource), picture.revision):
                    listener(change)

    def _load_bounds(self, connection: Connection) -> None:
        columns = (tables.log.c.revision, tables.log.c.created_at)
        kept = select(*columns).where(tables.log.c.revision > self.compacted)
        rows = connection.execute(kept.order_by(tables.log.c.revision)).all()
        if not rows:
            return
        average = 4096
        for start in range(0, len(rows), PAGE):
            page = rows[start : start + PAGE]
            self.bounds.add(page[-1].revision, len(page), len(page) * average, page[-1].created_at)

    async def close(self) -> None:
        """Finish what waits, end watches, close the database."""
        if self.closed:
            return
        self.closed = True
        self.hub.close()
        if self._tail is not None:
            await asyncio.to_thread(self._tail.stop)
        self._waiters.hand_over()
        await asyncio.to_thread(self.writer.stop)
        if self._peers is not None:
            self._peers.close(self._loop)
        self.engine.dispose()

    @property
    def revision(self) -> int:
        """Of the newest event that readers see."""
        return self.hub.revision

    @property
    def compacted(self) -> int:
        """Watches and lists from before this revision are refused."""
        return self.writer.state.compacted

    def _collection(self, resource: str) -> Collection:
        found = self._collections.get(resource)
        if found is None:
            found = self._collections[resource] = Collection()
        return found

    def get(self, key: Key) -> Record | None:
        """The current object of a key."""
        collection = self._collections.get(key.resource)
        return collection.records.get((key.namespace, key.name)) if collection is not None else None

    def list(
        self, resource: str, namespace: str = "", *, label_index: tuple[str, str] | None = None
    ) -> Sequence[Record]:
        """The current objects of a resource in storage order; with `label_index` only those with that label."""
        collection = self._collections.get(resource)
        return collection.list(namespace, label_index) if collection is not None else []

    def count(self, resource: str) -> int:
        """How many objects a resource has."""
        collection = self._collections.get(resource)
        return len(collection.records) if collection is not None else 0

    def resources(self) -> Names:
        """Every resource that has had an object."""
        return list(self._collections)

    def changed(self, resource: str) -> int:
        """The revision of the last change of a resource."""
        collection = self._collections.get(resource)
        return collection.changed if collection is not None else 0

    def claims(self, space: str) -> Mapping[str, Key]:
        """Who holds what in a space of claims."""
        return self._claims.get(space, {})

    async def submit(self, writes: Sequence[Write]) -> Records:
        """Commit some writes together: the new records.

        Raises Exists, Stale, ClaimTaken or Unavailable; then nothing was written.
        """
        if self.closed:
            raise Unavailable("the server is shutting down")
        return await self._waiters.enter(lambda done: Group(writes, done))  # type: ignore[no-any-return]

    async def _in_writer(self, run: Callable[[Connection], Any], *, reads: bool = True) -> Any:
        return await self._waiters.enter(lambda done: Task(run, done, reads))

    def _deliver(self, events: Events, answers: Answers) -> None:
        """On the loop, after the commit: readers and watchers first, then the one who asked."""
        self.apply(events)
        self._waiters.answer(answers)

    def apply(self, events: Sequence[Event]) -> None:
        """The one door for changes, ours and foreign: cache, claims, watches."""
        for change in events:
            collection = self._collection(change.record.key.resource)
            if change.type == "DELETED":
                collection.remove(change.record, change.previous)
            else:
                collection.put(change.record, change.previous)
            if change.claims is not None:
                self._hold(change.record.key, change.claims)
            self.hub.publish(change)
            for listener in self.listeners.get(change.record.key.resource, ()):
                listener(change)

    def _hold(self, key: Key, claims: tuple[Claim, ...]) -> None:
        """What an object holds from now on, for readers."""
        for claim in self._held.pop(key, ()):
            if claim not in claims and self._claims.get(claim.space, {}).get(claim.value) == key:
                del self._claims[claim.space][claim.value]
        for claim in claims:
            self._claims.setdefault(claim.space, {})[claim.value] = key
        if claims:
            self._held[key] = claims

    @property
    def behind(self) -> bool:
        """Whether another process has told of a commit that readers do not see yet. Replicas on PostgreSQL cannot
        know that without asking the database."""
        return self._peers is not None and self._peers.newest > self.hub.revision

    async def consistent(self) -> None:
        """Make sure that reads see every commit, other processes' included. Raises Unavailable."""
        if self.replicated:
            await self._in_writer(self._sync)
        wanted = self._peers.newest if self._peers is not None else 0
        while self.revision < wanted and not self.closed:
            look: asyncio.Future[None] = self._loop.create_future()
            self._looks.append(look)
            self._wake()
            await look

    def _wake(self) -> None:
        """Somebody has committed: look at the log. Who commits while we look is seen by one more look."""
        if self._looking:
            self._look_again = True
            return
        if self.closed:
            return
        self._looking, self._look_again = True, False
        self._waiters.enter(lambda done: Task(self._sync, done)).add_done_callback(self._looked)

    def _looked(self, done: asyncio.Future[None]) -> None:
        self._looking = False
        looks, self._looks = self._looks, []
        error = done.exception()
        for look in looks:
            if not look.done():
                look.set_exception(error) if error is not None else look.set_result(None)
        if self._look_again and error is None:  # a tail that has lost the database comes back when it has reconnected
            self._wake()

    def _sync(self, connection: Connection) -> None:
        self._loop.call_soon_threadsafe(self._deliver, self.writer.follow(connection), [])

    async def lag(self, seconds: float) -> int | None:
        """How many revisions readers are behind the database; None where it does not say within `seconds`."""
        if not self.replicated and self._peers is None:
            return self.writer.state.revision - self.revision
        position = select(tables.revision.c.value)
        try:
            async with asyncio.timeout(seconds):
                value = await self._in_writer(lambda connection: connection.execute(position).scalar_one())
        except (TimeoutError, Unavailable):
            return None
        return max(int(value) - self.revision, 0)

    async def watch(self, resource: str, namespace: str, since: int, view: View) -> Watcher:
        """Follow a collection from the events after `since`. Raises Compacted.

        What is older than the ring is read from the log first; then backlog and subscription are one step.
        """
        if since < self.compacted:
            raise Compacted(since, self.compacted)
        asked, frames = since, Frames()
        while since < self.hub.ring_start:
            page, since = await self._in_writer(partial(self._page, since=since))
            for change in page:
                key = change.record.key
                if key.resource == resource and namespace in ("", key.namespace):
                    seen = transition(change, view.matches)
                    if seen is not None:
                        frames.append(view.frame(*seen))
        watcher = self.hub.subscribe(resource, namespace, since, view)
        if frames:
            watcher.prepend(frames)
            watcher.delivered(asked)
        return watcher

    def _page(self, connection: Connection, since: int) -> tuple[Events, int]:
        """A page of the log after `since`, and the revision it reaches. Raises Compacted."""
        _, compacted = connection.execute(POSITION).one()  # by another process, of which we may not have heard
        events = [log.event_of(row) for row in connection.execute(log.page(since, PAGE))]
        if since < compacted or not events:
            raise Compacted(since, compacted)
        return events, events[-1].revision

    async def snapshot(self, resource: str, namespace: str, revision: int) -> Records:
        """A collection as it was at an older revision: later changes taken back. Raises Compacted."""
        if revision < self.compacted:
            raise Compacted(revision, self.compacted)
        before: dict[Key, Record | None] = {}
        since = revision
        while since < self.hub.ring_start:
            page, since = await self._in_writer(partial(self._page, since=since))
            first_previous(page, before)
        now = {record.key: record for record in self.list(resource, namespace)}
        first_previous((change for change in self.hub.ring if change.revision > since), before)
        for key, record in before.items():
            if key.resource != resource or namespace not in ("", key.namespace):
                continue
            if record is None:
                now.pop(key, None)
            else:
                now[key] = record
        return sorted(now.values(), key=lambda record: f"{record.key.namespace}/{record.key.name}")

    async def compact(self, revision: int | None = None) -> None:
        """Forget the log up to a revision (default: everything)."""
        cut = self.revision if revision is None else revision
        await self._in_writer(lambda connection: self.writer.compact(connection, cut), reads=False)

    def shutting_down(self) -> None:
        """End every watch (their clients resume elsewhere), and wait no more for a database that is silent."""
        self.hub.close()
        self._waiters.hurry()

    def mark_baseline(self) -> None:
        """Remember the present state for `reset`."""
        records = (record for found in self._collections.values() for record in found.records.values())
        self._baseline = {record.key: (record, self._held.get(record.key, ())) for record in records}

    async def reset(self) -> None:
        """Go back to the baseline: what came since is deleted, what went is put back, with proper events."""
        baseline = self._baseline or {}
        writes: Writes = []
        for collection in self._collections.values():
            for record in collection.records.values():
                kept, claims = baseline.get(record.key, (None, ()))
                if kept is None:
                    writes.append(_rewrite(record, "DELETED", record.revision, ()))
                elif kept.data != record.data:
                    writes.append(_rewrite(kept, "MODIFIED", record.revision, claims))
        gone = [entry for key, entry in baseline.items() if self.get(key) is None]
        writes += [_rewrite(kept, "ADDED", 0, claims) for kept, claims in gone]
        if writes:
            await self.submit(writes)
            self.mark_baseline()


def _rewrite(record: Record, kind: Any, expected: int, claims: tuple[Claim, ...] | None) -> Write:
    end = record.version_at + len(str(record.revision))
    template = (record.data[: record.version_at], record.data[end:])
    return Write(record.key, kind, expected, template, record.uid, record.labels, claims)
