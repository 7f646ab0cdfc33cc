"""Rows <-> records and events; the bounds of the event log."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Select, delete, select, update

from apiserver.storage import tables
from apiserver.storage.types import Event, Key, Record

NO_LABELS: Mapping[str, str] = {}


def interned(labels: Mapping[str, str]) -> Mapping[str, str]:
    """The labels with shared strings: thousands of pods carry the same few."""
    if not labels:
        return NO_LABELS
    return {sys.intern(key): sys.intern(value) for key, value in labels.items()}


def log_row(event: Event, now: int) -> tuple[Any, ...]:
    """What the table `log` holds of an event, in the order of its columns."""
    record, previous = event.record, event.previous
    labels = orjson.dumps(record.labels) if record.labels else b"{}"
    replaced = previous.revision if previous is not None else 0
    return (
        event.revision, *record.key, event.type, record.uid, record.version_at, labels, replaced, now, record.data
    )  # fmt: skip


def object_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the table `objects` holds after an event, from its row of `log`."""
    revision, resource, namespace, name = row[:4]
    return (resource, namespace, name, revision)


def current() -> Select[Any]:
    """The rows of `log` that `objects` names; nothing but nulls for one that is lost."""
    return select(tables.log).select_from(
        tables.objects.outerjoin(tables.log, tables.log.c.revision == tables.objects.c.revision)
    )


def page(since: int, size: int) -> Select[Any]:
    """Rows of events after a revision for `event_of`, oldest first."""
    before = tables.log.alias("before")
    of_before = (
        before.c.body.label("previous"),
        before.c.version_at.label("previous_at"),
        before.c.labels.label("previous_labels"),
    )
    both = tables.log.outerjoin(before, before.c.revision == tables.log.c.previous_revision)
    asked = select(tables.log, *of_before).select_from(both).where(tables.log.c.revision > since)
    return asked.order_by(tables.log.c.revision).limit(size)


def record_of(row: Any) -> Record:
    """A record from a row of `log`. Raises ValueError for one that is not there."""
    if row.revision is None:
        raise ValueError("the log has lost what an object holds")
    key = Key(sys.intern(row.resource), sys.intern(row.namespace), row.name)
    return Record(key, row.revision, row.uid, bytes(row.body), _labels(row.labels), row.version_at)


def _labels(stored: bytes) -> Mapping[str, str]:
    return interned(orjson.loads(stored)) if len(stored) > 2 else NO_LABELS


def event_of(row: Any) -> Event:
    """An event from a row of `page`."""
    record, previous = record_of(row), None
    if row.previous is not None:
        labels = _labels(row.previous_labels)
        previous = Record(record.key, row.previous_revision, row.uid, bytes(row.previous), labels, row.previous_at)
    return Event(row.type, row.revision, record, previous)


@dataclass(slots=True, frozen=True)
class WatchHistory:
    """How much of the past watches can resume from: whatever bound is met first."""

    events: int = 20_000
    bytes: int = 16 * 1024 * 1024
    seconds: int = 3600


class Bounds:
    """The log's length by batches, oldest first, to tell up to which revision to compact."""

    def __init__(self, history: WatchHistory) -> None:
        self.history = history
        self.batches: deque[tuple[int, int, int, int]] = deque()  # (last revision, rows, bytes, time)
        self.rows = self.size = 0

    def add(self, revision: int, rows: int, size: int, now: int) -> None:
        self.batches.append((revision, rows, size, now))
        self.rows += rows
        self.size += size

    @property
    def idle_limit(self) -> float:
        """Seconds after which to look again though nothing is written: what ages out goes without a write."""
        return max(1.0, min(60.0, self.history.seconds / 10))

    def excess(self, now: int) -> int:
        """The revision up to which the log is to go, 0 for nothing. Compacts in steps, not for every write."""
        history, cut = self.history, 0
        slack = 1.1
        over = self.rows > history.events * slack or self.size > history.bytes * slack
        while self.batches:
            revision, rows, size, then = self.batches[0]
            too_many = over and (self.rows > history.events or self.size > history.bytes)
            if not too_many and now - then <= history.seconds:
                break
            self.batches.popleft()
            self.rows -= rows
            self.size -= size
            cut = revision
        return cut


def sweep(connection: Connection, after: int, until: int) -> None:
    """Delete what nobody can ask for once the events up to `until` are compacted: what they replaced, and the last
    content of what they deleted. Those up to `after` are swept already."""
    events = tables.log.c.revision.between(after + 1, until)
    replaced = select(tables.log.c.previous_revision).where(events)
    connection.execute(delete(tables.log).where(tables.log.c.revision.in_(replaced)))
    connection.execute(delete(tables.log).where(events, tables.log.c.type == "DELETED"))
    connection.execute(update(tables.revision).values(swept=until))


def sizes(events: Sequence[Event]) -> int:
    """Bytes that the log holds for these events: what they replaced is held for the events before them."""
    return sum(len(event.record.data) for event in events)
