"""The current objects of one resource, and how two states of it differ."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from apiserver.storage.types import Event, Key, Record


class Collection:
    """The current objects of one resource, in storage order ("namespace/name" by bytes), with a label index."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Record] = {}
        self.order: list[tuple[str, tuple[str, str]]] = []
        self.sorted = True
        self.labels: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
        self.changed = 0

    def put(self, record: Record, previous: Record | None) -> None:
        at = (record.key.namespace, record.key.name)
        if at not in self.records:
            entry = (f"{at[0]}/{at[1]}", at)
            if self.sorted:
                insort(self.order, entry)
            else:
                self.order.append(entry)
        self.records[at] = record
        if previous is None or previous.labels != record.labels:
            self._unlabel(previous, at)
            for pair in record.labels.items():
                self.labels.setdefault(pair, {})[at] = None
        self.changed = record.revision

    def remove(self, record: Record, previous: Record | None) -> None:
        at = (record.key.namespace, record.key.name)
        self._unlabel(previous, at)
        if self.records.pop(at, None) is not None:
            self._sort()
            entry = (f"{at[0]}/{at[1]}", at)
            index = bisect_left(self.order, entry)
            del self.order[index]
        self.changed = record.revision

    def _unlabel(self, previous: Record | None, at: tuple[str, str]) -> None:
        for pair in previous.labels.items() if previous is not None else ():
            holders = self.labels.get(pair)
            if holders is not None:
                holders.pop(at, None)
                if not holders:
                    del self.labels[pair]

    def _sort(self) -> None:
        if not self.sorted:
            self.order.sort()
            self.sorted = True

    def list(self, namespace: str, label: tuple[str, str] | None) -> list[Record]:
        records = self.records
        if label is not None:
            found = [at for at in self.labels.get(label, ()) if namespace in ("", at[0])]
            return [records[at] for at in sorted(found, key=lambda at: f"{at[0]}/{at[1]}")]
        self._sort()
        if not namespace:
            return [records[at] for _, at in self.order]
        low = bisect_left(self.order, (f"{namespace}/",))
        high = bisect_left(self.order, (f"{namespace}0",))  # "0" follows "/"
        return [records[at] for _, at in self.order[low:high]]


def differences(before: Collection | None, now: Collection, revision: int) -> Iterator[Event]:
    """What has come, changed and gone between two states of one resource."""
    old = before.records if before is not None else {}
    for at, record in now.records.items():
        previous = old.get(at)
        if previous is None or previous.revision != record.revision:
            yield Event("MODIFIED" if previous else "ADDED", record.revision, record, previous)
    for at, record in old.items():
        if at not in now.records:
            yield Event("DELETED", revision, record.reversioned(revision), record)


def first_previous(events: Iterable[Event], before: dict[Key, Record | None]) -> None:
    """For each key, what it was before the first of the events."""
    for change in events:
        before.setdefault(change.record.key, change.previous)
