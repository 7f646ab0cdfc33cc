"""Recording Events, as client-go's recorder and correlator do: the same event again raises `count`, many similar ones
are aggregated, one source about one object is rate limited."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeVar

from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Client, Object
from miniplane.client.resources import EVENTS

logger = logging.getLogger("events")
T = TypeVar("T")

SIMILAR = 10
"""Similar events (all but the message) within SIMILAR_SECONDS before they are aggregated."""
SIMILAR_SECONDS = 600.0
BURST, REFILL_SECONDS = 25, 300.0
"""Spam filter: events of one source about one object, and the seconds until another one is allowed."""
KEPT = 4096
WAITING = 1000


@dataclass(slots=True)
class _Similar:
    messages: set[str] = field(default_factory=set)
    last: float = 0.0


@dataclass(slots=True)
class _Bucket:
    tokens: float = BURST
    last: float = 0.0


def reference(obj: Object) -> Object:
    """`involvedObject` of an object."""
    meta = obj["metadata"]
    found = {
        "kind": obj.get("kind"),
        "namespace": meta.get("namespace"),
        "name": meta.get("name"),
        "uid": meta.get("uid"),
        "apiVersion": obj.get("apiVersion"),
        "resourceVersion": meta.get("resourceVersion"),
    }
    return {key: value for key, value in found.items() if value}


class EventRecorder:
    """`event` never waits: a background task writes. What cannot be written is dropped, as in client-go."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._written: OrderedDict[tuple[str, ...], Object] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], _Similar] = OrderedDict()
        self._buckets: OrderedDict[tuple[str, ...], _Bucket] = OrderedDict()
        self._queue: asyncio.Queue[tuple[tuple[str, ...], Object]] = asyncio.Queue(WAITING)

    def event(self, component: str, obj: Object, kind: str, reason: str, message: str) -> None:
        """`kind` is Normal or Warning; `component` the controller that speaks."""
        about = reference(obj)
        names = ("kind", "namespace", "name", "uid", "apiVersion")
        source = (component, *(str(about.get(name, "")) for name in names))
        if not self._allowed(source):
            return
        key, message = self._correlate((*source, kind, reason), message)
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait((key, self._new(component, about, kind, reason, message)))

    def _allowed(self, source: tuple[str, ...]) -> bool:
        bucket = _kept(self._buckets, source, _Bucket)
        now = time.monotonic()
        if bucket.last:
            bucket.tokens = min(BURST, bucket.tokens + (now - bucket.last) / REFILL_SECONDS)
        bucket.last = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _correlate(self, similar: tuple[str, ...], message: str) -> tuple[tuple[str, ...], str]:
        """The key under which equal events are counted, and the message to write."""
        record = _kept(self._similar, similar, _Similar)
        now = time.monotonic()
        if now - record.last > SIMILAR_SECONDS:
            record.messages.clear()
        record.last = now
        record.messages.add(message)
        if len(record.messages) < SIMILAR:
            return (*similar, message), message
        record.messages.pop()
        return similar, f"(combined from similar events): {message}"

    @staticmethod
    def _new(component: str, about: Object, kind: str, reason: str, message: str) -> Object:
        now = clock.text(clock.now())
        namespace = about.get("namespace") or "default"
        return {
            "metadata": {"name": f"{about.get('name')}.{time.time_ns():x}", "namespace": namespace},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "source": {"component": component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": kind,
            "reportingComponent": component,
            "reportingInstance": "",
        }

    async def run(self) -> None:
        """Write what was recorded, until cancelled."""
        while True:
            key, event = await self._queue.get()
            try:
                await self._write(key, event)
            except (StatusError, OSError, TimeoutError) as error:
                logger.debug("event dropped: %r", error)

    async def _write(self, key: tuple[str, ...], event: Object) -> None:
        written = self._written.get(key)
        if written is not None:
            patch = {
                "count": written["count"] + 1,
                "lastTimestamp": event["lastTimestamp"],
                "message": event["message"],
            }
            meta = written["metadata"]
            try:
                answer = await self.client.patch(EVENTS, meta["name"], meta["namespace"], patch, patch_type="strategic")
                self._keep(key, answer)
                return
            except StatusError as error:
                if error.code != 404:
                    raise
        self._keep(key, await self.client.create(EVENTS, event))

    def _keep(self, key: tuple[str, ...], event: Object) -> None:
        self._written[key] = {"metadata": event["metadata"], "count": event.get("count") or 1}
        self._written.move_to_end(key)
        if len(self._written) > KEPT:
            self._written.popitem(last=False)


def _kept(cache: OrderedDict[tuple[str, ...], T], key: tuple[str, ...], make: type[T]) -> T:
    """The entry of a bounded cache, made where it is missing."""
    found = cache.get(key)
    if found is None:
        found = cache[key] = make()
        if len(cache) > KEPT:
            cache.popitem(last=False)
    return found
