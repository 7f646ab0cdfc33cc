"""Tables: what `kubectl get` prints (KEP-... "Server-side get", `meta.k8s.io/v1 Table`)."""

from __future__ import annotations

import itertools
import time
from calendar import timegm
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from apiserver.encoding import head, object_as_version
from apiserver.kinds.kind import Column, Kind, Object
from apiserver.storage.types import Record


def parse_time(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time in UTC."""
    return timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def human_duration(seconds: float) -> str:
    """`duration.HumanDuration`: two units at the most, none where the larger one is large."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    if whole < 60 * 2:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 60 * 3:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    years = hours // 24 // 365
    if hours < 24 * 365 * 8:
        return _two(years, "y", days % 365, "d")
    return f"{years}y"


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"


_looks_at_the_clock = itertools.count()
"""Moves on whenever a cell is made that depends on the time of day (see `_kept`)."""


def since(timestamp: str | None) -> str:
    """The age of a timestamp as tables print it, `<unknown>` without one."""
    next(_looks_at_the_clock)
    return human_duration(time.time() - parse_time(timestamp)) if timestamp else "<unknown>"


def age(obj: Object) -> str:
    """How long ago the object was created."""
    return since(obj["metadata"].get("creationTimestamp"))


AGE = Column("Age", age)


def _created(obj: Object) -> Any:
    return obj["metadata"].get("creationTimestamp")


def _name(obj: Object) -> str:
    return str(obj["metadata"].get("name", ""))


NAME = Column("Name", _name, format="name")
DEFAULT_COLUMNS = (Column("Created At", _created, type="date"),)


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """Name and the kind's columns; kinds that define none show when they were created."""
    if kind.name_column is not None:
        return (kind.name_column, *kind.columns)
    name = NAME if kind.name_cell is None else replace(NAME, value=kind.name_cell)
    return (name, *(kind.columns or DEFAULT_COLUMNS))


def definitions(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """`columnDefinitions`."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description or column.name,
            "priority": column.priority,
        }
        for column in columns
        if column.named
    ]


def row(kind: Kind, columns: Sequence[Column], obj: Object, include: str, version: str) -> dict[str, Any]:
    """One row. `include` is the includeObject option: Metadata (or ""), Object or None."""
    found: dict[str, Any] = {"cells": [column.value(obj) for column in columns]}
    conditions = kind.row_conditions(obj) if kind.row_conditions is not None else None
    if conditions:
        found["conditions"] = conditions
    if include == "None":
        found["object"] = None
    else:
        found["object"] = obj if include == "Object" else partial_metadata(obj, version)
    return found


class _Kept(NamedTuple):
    """A row of a built-in kind without what changes by itself: the cells around the age, and where in the stored bytes
    the metadata are."""

    before: bytes
    after: bytes
    created: float
    begin: int
    end: int


def row_bytes(kind: Kind, columns: Sequence[Column], record: Record, include: str, version: str) -> bytes:
    """One row, encoded. A record keeps its row from the first Table on: the next one costs a tenth."""
    if include in ("None", "Object") or kind.custom or kind.convert is not None:
        return orjson.dumps(row(kind, columns, object_as_version(kind, record), include, version))
    kept = record.memo
    if kept is None:
        obj = object_as_version(kind, record)
        kept = record.memo = _kept(kind, columns, obj, record)
        if not kept:
            return orjson.dumps(row(kind, columns, obj, include, version))
    elif not kept:
        return orjson.dumps(row(kind, columns, object_as_version(kind, record), include, version))
    shown = human_duration(time.time() - kept.created).encode()
    opening = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%s","metadata":' % version.encode()
    metadata = record.data[kept.begin : kept.end]
    return b'{"cells":[%s"%s"%s,"object":%s%s}}' % (kept.before, shown, kept.after, opening, metadata)


def _kept(kind: Kind, columns: Sequence[Column], obj: Object, record: Record) -> _Kept | tuple[()]:
    """The row to keep; () where a cell other than the age depends on the time of day, or there is no age."""
    ages = [index for index, column in enumerate(columns) if column.value is age]
    created = obj["metadata"].get("creationTimestamp")
    if len(ages) != 1 or not created:
        return ()
    looked = next(_looks_at_the_clock)
    cells = [None if column.value is age else column.value(obj) for column in columns]
    conditions = kind.row_conditions(obj) if kind.row_conditions is not None else None
    metadata = orjson.dumps(obj["metadata"])
    begin = len(head(kind)) + len(b'"metadata":')
    end = begin + len(metadata)
    if next(_looks_at_the_clock) != looked + 1 or record.data[begin:end] != metadata:
        return ()
    before, after = orjson.dumps(cells[: ages[0]])[1:-1], orjson.dumps(cells[ages[0] + 1 :])[1:-1]
    return _Kept(
        before + b"," if before else b"",
        (b"," + after if after else b"") + b"]" + (b',"conditions":' + orjson.dumps(conditions) if conditions else b""),
        parse_time(created),
        begin,
        end,
    )


def partial_metadata(obj: Object, version: str) -> Object:
    """PartialObjectMetadata of `meta.k8s.io/<version>`."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj.get("metadata") or {},
    }
