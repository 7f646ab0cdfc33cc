"""watch: the hub's shared frames, written to one client for as long as it reads them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from apiserver import errors, listoptions, table
from apiserver.encoding import as_version, object_as_version
from apiserver.handlers import read
from apiserver.handlers.conversion import converted_frames
from apiserver.handlers.respond import include
from apiserver.kinds.kind import Kind, Object
from apiserver.listoptions import ListOptions
from apiserver.negotiation import JSON, PLAIN, PROTOBUF, Output
from apiserver.request import Response
from apiserver.schema.decode import decode as zero_values
from apiserver.storage.types import Compacted, EventType, Record, Unavailable
from apiserver.storage.watch import Watcher
from miniplane.apimachinery.selectors import FieldSelector, LabelSelector

if TYPE_CHECKING:
    from apiserver.request import Request

MIN_TIMEOUT = 1800
"""Seconds a watch lasts at the least when the client names no timeout (`--min-request-timeout`; at most twice it)."""
BOOKMARK_EVERY = 50.0
"""Seconds between bookmarks: clients (kopf) give up after 70 s of silence."""
INITIAL_END = "k8s.io/initial-events-end"


class View:
    """What one group of watchers sees: a selection and an encoding. Watchers with equal views share every frame."""

    __slots__ = ("fields", "included", "key", "kind", "labels", "output")

    def __init__(self, kind: Kind, labels: LabelSelector, fields: FieldSelector, output: Output, included: str) -> None:
        self.kind, self.labels, self.fields, self.output, self.included = kind, labels, fields, output, included
        self.key = (kind.api_version, kind.plural, labels, fields, output, included)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self.key == other.key

    def matches(self, record: Record) -> bool:
        """Whether the selectors take this record."""
        if not self.labels.matches(record.labels):
            return False
        return self.fields.empty or read.fields_match(self.kind, record, self.fields)

    def frame(self, event: EventType, record: Record) -> bytes:
        """One event, encoded."""
        if self.output.media == JSON and not self.output.transform:
            return b'{"type":"%s","object":%s}\n' % (event.encode(), as_version(self.kind, record))
        return self.encode(event, self.transformed(object_as_version(self.kind, record)))

    def transformed(self, obj: Object) -> Object:
        output = self.output
        if output.transform == "PartialObjectMetadata":
            return table.partial_metadata(obj, output.version)
        if output.transform == "Table":
            columns = table.columns_of(self.kind)
            return {
                "kind": "Table",
                "apiVersion": f"meta.k8s.io/{output.version}",
                "metadata": {"resourceVersion": obj["metadata"].get("resourceVersion", "")},
                "columnDefinitions": None,
                "rows": [table.row(self.kind, columns, obj, self.included, output.version)],
            }
        return obj

    def encode(self, event: str, obj: Object) -> bytes:
        if self.output.media == PROTOBUF:
            from apiserver.protobuf.codec import encode_watch_event

            return encode_watch_event(event, obj)
        return orjson.dumps({"type": event, "object": obj}) + b"\n"

    def with_columns(self, frame: bytes) -> bytes:
        """The first Table event of a stream carries the column definitions."""
        definitions = orjson.dumps(table.definitions(table.columns_of(self.kind)))
        return frame.replace(b'"columnDefinitions":null', b'"columnDefinitions":' + definitions, 1)


async def watch(request: Request) -> Response:
    """GET with watch=true: an endless answer. Raises 400, 406, 422, 500 before it begins."""
    kind, info = request.kind, request.info
    if info.name and info.parts and len(info.parts) > 1:
        info.query["fieldSelector"] = [f"metadata.name={info.name}"]
    options = listoptions.parse(info, kind, watch=True)
    since = _since(options)
    view = View(kind, options.labels, options.fields, request.output, include(request))
    media = JSON
    if request.output.media == PROTOBUF:
        media = f"{PROTOBUF};stream=watch"
        if request.output.transform == "Table":
            from apiserver.protobuf.codec import required

            required(f"meta.k8s.io/{request.output.version}", "Table")
    if kind.conversion is None:
        return Response(200, content_type=media, stream=_Stream(request, options, view, since).run())
    stored = View(replace(kind, convert=None), options.labels, options.fields, PLAIN, "")
    stream = _Stream(request, options, stored, since).run()
    return Response(200, content_type=media, stream=converted_frames(stream, view))


def _since(options: ListOptions) -> int | None:
    """The revision to go on from; None where the client wants the present state first. Raises 500."""
    text = options.resource_version
    if text and not (text.isascii() and text.isdigit()):
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise errors.plain_internal(f'resourceVersion: Invalid value: "{text}": {why}')
    if not text or int(text) == 0 or options.send_initial:
        return None
    return int(text)


class _Stream:
    """One client's watch: backlog or present state, then frames as they come, bookmarks, an end."""

    def __init__(self, request: Request, options: ListOptions, view: View, since: int | None) -> None:
        self.request, self.options, self.view, self.since = request, options, view, since
        self.first = True

    async def run(self) -> AsyncIterator[bytes]:
        store, kind = self.request.server.store, self.request.kind
        namespace = self.request.info.namespace if kind.namespaced else ""
        try:
            await store.consistent()
            watcher = await self.subscribe(namespace)
        except Compacted as error:
            yield self.error(errors.expired(f"too old resource version: {error.revision} ({error.oldest})"))
            return
        except Unavailable as error:
            yield self.error(errors.unavailable(str(error)))
            return
        try:
            if self.since is None:
                for chunk in self.initial(watcher, namespace):
                    yield chunk
            async for chunk in self.frames(watcher):
                yield chunk
        finally:
            watcher.close()

    async def subscribe(self, namespace: str) -> Watcher:
        store, kind = self.request.server.store, self.request.kind
        since = store.revision if self.since is None else self.since
        return await store.watch(kind.resource, namespace, since, self.view)

    def initial(self, watcher: Watcher, namespace: str) -> list[bytes]:
        """The present state as ADDED events and, for clients that take bookmarks, the mark of its end."""
        wanted = self.options.send_initial is not False
        found = read.candidates(self.request, namespace, self.options) if wanted else []
        chunks = [self.view.frame("ADDED", record) for record in found if self.view.matches(record)]
        if self.options.bookmarks and wanted:
            chunks.append(self.bookmark(watcher.revision, end=True))
        self.count(len(chunks))
        return [self.started(chunks)] if chunks else []

    def count(self, events: int) -> None:
        """For /metrics."""
        info = self.request.info
        self.request.server.metrics.watch_events[info.group, info.version, info.resource] += events

    def started(self, frames: list[bytes]) -> bytes:
        if self.first and self.view.output.transform == "Table" and frames:
            frames = [self.view.with_columns(frames[0]), *frames[1:]]
        self.first = False
        return b"".join(frames)

    async def frames(self, watcher: Watcher) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.lifetime()
        bookmark_at = loop.time() + BOOKMARK_EVERY * random.uniform(0.8, 1.0)
        while not watcher.closed and loop.time() < deadline:
            until = min(deadline, bookmark_at) if self.options.bookmarks else deadline
            # one timer until then, not one for each frame: fan-out is many frames
            timer = loop.call_at(until, watcher.nudge)
            try:
                while frames := await watcher.next():
                    self.count(len(frames))
                    yield self.started(frames) if self.first else b"".join(frames)
            finally:
                timer.cancel()
            if self.options.bookmarks and not watcher.closed:
                yield self.bookmark(watcher.revision)
                bookmark_at = loop.time() + BOOKMARK_EVERY

    def lifetime(self) -> float:
        timeout = self.options.timeout
        return float(timeout) if timeout else random.uniform(MIN_TIMEOUT, 2 * MIN_TIMEOUT)

    def bookmark(self, revision: int, end: bool = False) -> bytes:
        """An empty object of the kind that tells how far the client is (KEP-956)."""
        kind = self.request.kind
        metadata: Object = {"resourceVersion": str(revision)}
        if end:
            metadata["annotations"] = {INITIAL_END: "true"}
        schema = self.request.server.registry.type_of(kind)
        obj: Object = {"kind": kind.kind, "apiVersion": kind.api_version}
        if schema is not None and not kind.custom:
            obj |= zero_values({}, schema)
        obj["metadata"] = {**(obj.get("metadata") or {}), **metadata}
        if self.view.output.transform == "Table":
            value = {**self.view.transformed({**obj, "metadata": metadata}), "columnDefinitions": []}
            value["rows"] = []
            return self.view.encode("BOOKMARK", value)
        return self.view.encode("BOOKMARK", self.view.transformed(obj))

    def error(self, error: errors.StatusError) -> bytes:
        return self.view.encode("ERROR", error.body())
