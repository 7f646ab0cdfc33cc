"""What clients saw, and whether it could have been.

Every write has its place in one order, its resourceVersion. A history is refused where

- an answered write stored something else than was sent;
- two answered writes share a place, or a write that began after another was answered stands before it;
- a read shows content that no write of that place had, or less than was answered before the read began;
- a write that was conditional on a resourceVersion replaced another one;
- a watch shows events out of order or twice, differs from another of the same stretch, or lacks an answered write;
- an address or a port belongs to two Services at once.

Requests without an answer (cut connections, 5xx) may have happened or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["write", "delete", "get", "list"]


@dataclass(slots=True)
class Operation:
    """One request. Times are monotonic seconds. `answer` is the status, 0 for none.

    `version` and `content`: of the object in the answer; of a list, its own version. `sent` is what a write wanted to
    store, `condition` the resourceVersion that it named. `items`: name -> (version, content) of a list.
    """

    kind: Kind
    key: str
    began: float
    ended: float = 0.0
    answer: int = 0
    version: int = 0
    content: str = ""
    sent: str = ""
    condition: int = 0
    items: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return 200 <= self.answer < 300


@dataclass(slots=True, frozen=True)
class Seen:
    """One watch event: `holds` are the addresses and ports of a Service."""

    type: str
    key: str
    version: int
    content: str
    holds: frozenset[str] = frozenset()


@dataclass(slots=True)
class Watched:
    """One watcher's events after version `since` up to `until`, over as many connections as it took."""

    since: int
    until: int = 0
    events: list[Seen] = field(default_factory=list)


def faults(operations: Iterable[Operation], watches: Iterable[Watched]) -> list[str]:
    """Everything that no honest server would have answered."""
    history, seen = sorted(operations, key=lambda operation: operation.began), list(watches)
    contents = {event.version: event for watched in seen for event in watched.events}
    return [
        *_order(history),
        *_reads(history, contents),
        *_watches(history, seen),
        *_conditions(history, contents),
        *_holders(contents),
    ]


def _answered(history: list[Operation], kind: Kind = "write") -> list[Operation]:
    return [operation for operation in history if operation.kind == kind and operation.done and operation.version]


def _order(history: list[Operation]) -> Iterator[str]:
    writes = _answered(history)
    places: dict[int, Operation] = {}
    for write in writes:
        if write.sent != write.content:
            yield f"{write.key} was sent {write.sent!r} and answered with {write.content!r} at {write.version}"
        other = places.setdefault(write.version, write)
        if other is not write and (other.key, other.content) != (write.key, write.content):
            yield f"two writes at {write.version}: {other.key} and {write.key}"
    highest, ended = 0, sorted(writes, key=lambda write: write.ended)
    position = 0
    for write in writes:  # by their beginning
        while position < len(ended) and ended[position].ended < write.began:
            highest = max(highest, ended[position].version)
            position += 1
        if write.version < highest and write.sent == write.content and not _unchanged(write, places):
            yield f"{write.key} was written at {write.version} after {highest} was answered"


def _unchanged(write: Operation, places: Mapping[int, Operation]) -> bool:
    """A write that changed nothing is answered with the version that was there."""
    other = places.get(write.version)
    return other is not None and other is not write


def _reads(history: list[Operation], contents: Mapping[int, Seen]) -> Iterator[str]:
    known = {write.version: (write.key, write.content) for write in _answered(history)}
    known |= {event.version: (event.key, event.content) for event in contents.values() if event.type != "DELETED"}
    writes: dict[str, list[Operation]] = {}
    deletes: dict[str, list[Operation]] = {}
    for operation in history:
        if operation.kind == "write" and operation.done:
            writes.setdefault(operation.key, []).append(operation)
        if operation.kind == "delete":
            deletes.setdefault(operation.key, []).append(operation)
    newest = _Newest(_answered(history))
    for read in history:
        if read.kind == "get" and read.done:
            yield from _read_one(read, read.key, (read.version, read.content), known, writes)
        elif read.kind == "get" and read.answer == 404 and _must_exist(read, read.key, writes, deletes):
            yield f"{read.key} was not found though it was written and not deleted"
        elif read.kind == "list" and read.done:
            if read.version < newest.before(read.began):
                yield f"a list shows {read.version} after {newest.before(read.began)} was answered"
            for name, item in read.items.items():
                yield from _read_one(read, name, item, known, writes)
            for name in writes.keys() - read.items.keys():
                if name.startswith(read.key) and _must_exist(read, name, writes, deletes):
                    yield f"{name} was not listed at {read.version} though it was written and not deleted"


class _Newest:
    """The highest version answered before a moment."""

    def __init__(self, writes: list[Operation]) -> None:
        self.steps: list[tuple[float, int]] = []
        highest = 0
        for write in sorted(writes, key=lambda write: write.ended):
            highest = max(highest, write.version)
            self.steps.append((write.ended, highest))

    def before(self, moment: float) -> int:
        from bisect import bisect_left

        index = bisect_left(self.steps, (moment, 0))
        return self.steps[index - 1][1] if index else 0


def _read_one(
    read: Operation,
    key: str,
    found: tuple[int, str],
    known: Mapping[int, tuple[str, str]],
    writes: Mapping[str, list[Operation]],
) -> Iterator[str]:
    version, content = found
    if version in known and known[version] != (key, content):
        yield f"{key} was read at {version} as {content!r}, it was {known[version]}"
    for write in writes.get(key, ()):
        if write.ended < read.began and write.version > version:
            yield f"{key} was read at {version} after {write.version} was answered"
            return


def _must_exist(
    read: Operation, key: str, writes: Mapping[str, list[Operation]], deletes: Mapping[str, list[Operation]]
) -> bool:
    """Written before the read began, with no deletion that may have come in between."""
    before = [write for write in writes.get(key, ()) if write.ended < read.began]
    if not before:
        return False
    last = max(before, key=lambda write: write.ended)
    return not any(
        delete.began < read.ended and (not delete.answer or delete.answer >= 500 or delete.ended > last.began)
        for delete in deletes.get(key, ())
    )


def _watches(history: list[Operation], watches: list[Watched]) -> Iterator[str]:
    everything = {event.version: event for watched in watches for event in watched.events}
    answered = {write.version: write for write in _answered(history)}
    for number, watched in enumerate(watches):
        versions = [event.version for event in watched.events]
        if versions != sorted(set(versions)):
            yield f"watch {number} shows events out of order or twice"
        for event in watched.events:
            if everything[event.version] != event:
                yield f"watch {number} shows {event} where another shows {everything[event.version]}"
        there = set(versions)
        for version in everything.keys() | answered.keys():
            if watched.since < version <= watched.until and version not in there:
                what = everything.get(version) or answered[version]
                yield f"watch {number} ({watched.since}, {watched.until}] lacks {version}: {what}"


def _conditions(history: list[Operation], contents: Mapping[int, Seen]) -> Iterator[str]:
    """A conditional write replaced the very version that it named."""
    last: dict[str, int] = {}
    replaced: dict[int, int] = {}
    for version in sorted(contents):
        event = contents[version]
        replaced[version] = last.get(event.key, 0)
        last[event.key] = version
    for write in _answered(history):
        if write.condition and write.version in replaced and replaced[write.version] != write.condition:
            if write.version == write.condition:
                continue  # nothing changed
            before = replaced[write.version]
            yield f"{write.key} at {write.version} replaced {before}, it was conditional on {write.condition}"


def _holders(contents: Mapping[int, Seen]) -> Iterator[str]:
    held: dict[str, str] = {}
    holds: dict[str, frozenset[str]] = {}
    for version in sorted(contents):
        event = contents[version]
        for one in holds.pop(event.key, ()):
            held.pop(one, None)
        if event.type == "DELETED":
            continue
        for one in event.holds:
            if held.get(one, event.key) != event.key:
                yield f"{one} belongs to {held[one]} and, at {version}, to {event.key}"
            held[one] = event.key
        holds[event.key] = event.holds


def summary(operations: Iterable[Operation], watches: Iterable[Watched]) -> dict[str, Any]:
    """How much was looked at."""
    history = list(operations)
    answers: dict[int, int] = {}
    for operation in history:
        answers[operation.answer] = answers.get(operation.answer, 0) + 1
    return {
        "operations": len(history),
        "answers": dict(sorted(answers.items())),
        "events": [len(watched.events) for watched in watches],
    }
