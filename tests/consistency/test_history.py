"""The examiner finds what is wrong with a history, and nothing wrong with a good one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.consistency.history import Operation, Seen, Watched, faults

CREATED = Operation("write", "a-1", 0.0, 1.0, 201, 5, "one", "one")
UPDATED = Operation("write", "a-1", 2.0, 3.0, 200, 8, "two", "two", condition=5)
READ = Operation("get", "a-1", 4.0, 5.0, 200, 8, "two")
DELETED = Operation("delete", "a-1", 6.0, 7.0, 200)
MISSED = Operation("get", "a-1", 8.0, 9.0, 404)
LISTED = Operation("list", "a", 4.0, 5.0, 200, 8, items={"a-1": (8, "two")})
GOOD = [CREATED, UPDATED, READ, LISTED, DELETED, MISSED]
EVENTS = [Seen("ADDED", "a-1", 5, "one"), Seen("MODIFIED", "a-1", 8, "two"), Seen("DELETED", "a-1", 9, "two")]


def watched(*events: Seen, until: int = 9) -> Watched:
    return Watched(4, until, list(events))


def without(*gone: Operation) -> list[Operation]:
    return [operation for operation in GOOD if operation not in gone]


def test_a_good_history_has_no_faults() -> None:
    assert faults(GOOD, [watched(*EVENTS), watched(*EVENTS[:2], until=8), Watched(8, 9, EVENTS[2:])]) == []


def test_an_unanswered_deletion_may_have_happened_or_not() -> None:
    unknown = replace(DELETED, answer=0)
    assert faults([*without(DELETED), unknown], []) == []
    assert faults([*without(DELETED, MISSED), unknown, replace(READ, began=8.0, ended=9.0)], []) == []


def changed(operation: Operation, **fields: Any) -> list[Operation]:
    return [*without(operation), replace(operation, **fields)]


@pytest.mark.parametrize(
    ("operations", "watches", "expected"),
    [
        (changed(UPDATED, content="one"), [], "was sent 'two'"),
        (changed(UPDATED, version=5), [], "two writes at 5"),
        (changed(UPDATED, version=4, condition=0), [], "after 5 was answered"),
        (changed(READ, content="three"), [], "read at 8 as 'three'"),
        (changed(READ, version=5, content="one"), [], "read at 5 after 8"),
        (changed(READ, answer=404), [], "was not found"),
        (without(DELETED), [], "was not found"),
        (changed(LISTED, version=6), [], "a list shows 6 after 8"),
        (changed(LISTED, items={}), [], "not listed at 8"),
        (changed(LISTED, items={"a-1": (5, "one")}), [], "read at 5 after 8"),
        (GOOD, [watched(EVENTS[0], EVENTS[2])], "lacks 8"),
        (GOOD, [watched(*EVENTS), watched(EVENTS[0], EVENTS[1])], "lacks 9"),
        (GOOD, [watched(EVENTS[1], EVENTS[0], EVENTS[2])], "out of order or twice"),
        (GOOD, [watched(EVENTS[0], *EVENTS)], "out of order or twice"),
        (GOOD, [watched(*EVENTS), watched(EVENTS[0], Seen("MODIFIED", "a-1", 8, "x"), EVENTS[2])], "where another"),
        (changed(UPDATED, condition=4), [watched(*EVENTS)], "it was conditional on 4"),
    ],
)
def test_a_bad_history_has_that_fault(operations: list[Operation], watches: list[Watched], expected: str) -> None:
    found = faults(operations, watches)
    assert any(expected in fault for fault in found), found


def test_an_address_belongs_to_one_service_at_a_time() -> None:
    held = frozenset({"address 10.96.0.7"})
    first, second = Seen("ADDED", "a-1", 5, "one", held), Seen("ADDED", "a-2", 6, "one", held)
    assert any("10.96.0.7 belongs to a-1" in fault for fault in faults([], [watched(first, second)]))
    gone = Seen("DELETED", "a-1", 6, "one", held)
    assert faults([], [watched(first, gone, replace(second, version=7))]) == []
