"""What is stored, as the writer knows it: objects, claims, revision. Writes are planned on it without SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from apiserver.storage import log, tables
from apiserver.storage.claims import Claims, Plan
from apiserver.storage.tasks import Group, Picture
from apiserver.storage.types import ClaimTaken, Event, Exists, Key, Record, Stale, Write

POSITION = select(tables.revision.c.value, tables.revision.c.compacted)


class State:
    """The database at `revision`, whose log begins after `compacted`."""

    def __init__(self) -> None:
        self.records: dict[Key, Record] = {}
        self.claims = Claims()
        self.revision = self.compacted = 0

    def load(self, connection: Connection) -> None:
        """Read everything. The transaction must see one state of the database: under our lock, or a snapshot."""
        value, compacted = connection.execute(POSITION).one()
        records = [log.record_of(row) for row in connection.execute(log.current())]
        self.claims.load(connection)
        self.records = {record.key: record for record in records}
        self.revision, self.compacted = value, compacted

    def picture(self) -> Picture:
        """All of it, for another thread."""
        return Picture(dict(self.records), dict(self.claims.owned), self.revision)

    def events_of(self, rows: Sequence[Any]) -> list[Event]:
        """The events that follow our revision, from their rows of `log`: what they replace, we have."""
        found: list[Event] = []
        now: dict[Key, Record | None] = {}
        for row in rows:
            record = log.record_of(row)
            before = now[record.key] if record.key in now else self.records.get(record.key)
            found.append(Event(row.type, row.revision, record, before if row.previous_revision else None))
            now[record.key] = None if row.type == "DELETED" else record
        return found

    def take_over(self, connection: Connection, events: Sequence[Event]) -> None:
        """Events of other processes; they are told what their objects hold."""
        self.claims.take_over(events, Claims.of(connection, {event.record.key for event in events}))
        for event in events:
            self._put(event.record.key, None if event.type == "DELETED" else event.record, event.revision)

    def plan(self, plan: Plan, group: Group) -> Any:
        """Check and apply one group in memory: its records, or the exception that refuses it."""
        events, undo = len(plan.events), len(plan.undo)
        claimed, released = len(plan.claimed), len(plan.released)
        try:
            if len(group.writes) > 1:
                self.claims.release(plan, group.writes)
            return [self._plan_write(plan, write) for write in group.writes]
        except (Exists, Stale, ClaimTaken) as refusal:
            for step in reversed(plan.undo[undo:]):
                step()
            del plan.events[events:], plan.undo[undo:], plan.claimed[claimed:], plan.released[released:]
            return refusal

    def _plan_write(self, plan: Plan, write: Write) -> Record:
        key = write.key
        current = self.records.get(key)
        if write.expected == 0 and current is not None:
            raise Exists(key)
        if write.expected != 0 and (current is None or current.revision != write.expected):
            raise Stale(key, current)
        claims = self.claims.plan(plan, write)
        before, revision = self.revision, self.revision + 1
        plan.undo.append(lambda: self._put(key, current, before))
        head, tail = write.template
        known = current is not None and current.labels == write.labels
        labels = current.labels if known and current is not None else log.interned(write.labels)
        record = Record(key, revision, write.uid, b"%s%d%s" % (head, revision, tail), labels, len(head))
        self._put(key, None if write.type == "DELETED" else record, revision)
        plan.events.append(Event(write.type, revision, record, current, claims))
        return record

    def _put(self, key: Key, record: Record | None, revision: int) -> None:
        """From this revision on the key has this record, or none."""
        self.revision = revision
        if record is None:
            self.records.pop(key, None)
        else:
            self.records[key] = record
