"""Rows <-> records and events; the bounds of the event log."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

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
    what = (event.revision, *record.key, event.type, record.uid, record.version_at, labels, record.data)
    if previous is None:
        return (*what, 0, 0, None, now)
    return (*what, previous.revision, previous.version_at, previous.data, now)


def object_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the table `objects` holds after an event, from its row of `log`."""
    revision, resource, namespace, name, _, uid, version_at, labels, body = row[:9]
    return (resource, namespace, name, uid, revision, version_at, labels, body)


def record_of(row: Any) -> Record:
    """A record from a row of `objects` or `log`."""
    key = Key(sys.intern(row.resource), sys.intern(row.namespace), row.name)
    labels = interned(orjson.loads(row.labels)) if len(row.labels) > 2 else NO_LABELS
    return Record(key, row.revision, row.uid, bytes(row.body), labels, row.version_at)


def event_of(row: Any) -> Event:
    record = record_of(row)
    previous = None
    if row.previous is not None:
        body = bytes(row.previous)
        labels = interned((orjson.loads(body)["metadata"]).get("labels") or {})
        previous = Record(record.key, row.previous_revision, row.uid, body, labels, row.previous_at)
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


def sizes(events: Sequence[Event]) -> int:
    return sum(len(e.record.data) + (len(e.previous.data) if e.previous else 0) for e in events)
