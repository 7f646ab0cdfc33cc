"""Builders of writes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import orjson

from apiserver.storage.types import Claim, EventType, Key, Record, Write
from apiserver.storage.watch import Watcher

RESOURCE = "things"


def key(name: str, namespace: str = "n") -> Key:
    return Key(RESOURCE, namespace, name)


def make_write(
    name: str,
    kind: EventType = "ADDED",
    expected: int = 0,
    *,
    labels: dict[str, str] | None = None,
    claims: tuple[Claim, ...] | None = None,
    namespace: str = "n",
    value: str = "",
) -> Write:
    """A write whose content tells its name, labels and value."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels or {}}
    body = orjson.dumps({"kind": "Thing", "metadata": {**metadata, "resourceVersion": "@"}, "value": value})
    before, _, after = body.partition(b"@")
    return Write(key(name, namespace), kind, expected, (before, after), f"uid-{name}", labels or {}, claims)


def content(record: Record) -> dict[str, object]:
    found: dict[str, object] = orjson.loads(record.data)
    return found


@dataclass(frozen=True)
class LabelView:
    """Sees objects with `app=<value>` (all, for None); frames are JSON lines."""

    app: str | None = None

    def matches(self, record: Record) -> bool:
        return self.app is None or record.labels.get("app") == self.app

    def frame(self, event: EventType, record: Record) -> bytes:
        return orjson.dumps([event, record.key.name, record.revision, orjson.loads(record.data)["value"]])


async def frames_of(watcher: Watcher) -> list[bytes]:
    """All frames that wait, at least one; empty once the watch is closed."""
    told = asyncio.Event()
    watcher.listener = told.set
    while not watcher.queued and not watcher.closed:
        told.clear()
        await told.wait()
    return watcher.take()
