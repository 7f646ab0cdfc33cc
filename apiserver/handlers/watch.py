"""watch: the hub's shared frames, written to one client for as long as it reads them.

An open watch is no task: the hub, the agenda and the connection call it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from apiserver import errors, listoptions, table
from apiserver.agenda import Appointment
from apiserver.encoding import as_version, object_as_version
from apiserver.feed import Sink, parts
from apiserver.handlers import read
from apiserver.handlers.conversion import converted_frames
from apiserver.handlers.respond import include
from apiserver.kinds.kind import Kind, Object
from apiserver.listoptions import ListOptions
from apiserver.negotiation import JSON, PLAIN, PROTOBUF, YAML, Output
from apiserver.request import Response
from apiserver.schema.decode import decode as zero_values
from apiserver.storage.types import Compacted, EventType, Record, Unavailable
from apiserver.storage.watch import Watcher
from miniplane.apimachinery.selectors import FieldSelector, LabelSelector

if TYPE_CHECKING:
    from apiserver.request import Request

log = logging.getLogger("miniplane.apiserver")
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
        info = replace(info, query={**info.query, "fieldSelector": [f"metadata.name={info.name}"]})
    options = listoptions.parse(info, kind, watch=True)
    since = _since(options)
    if request.output.media == YAML:
        raise errors.not_acceptable_stream()
    view = View(kind, options.labels, options.fields, request.output, include(request))
    media = JSON
    if request.output.media == PROTOBUF:
        media = f"{PROTOBUF};stream=watch"
        if request.output.transform == "Table":
            from apiserver.protobuf.codec import required

            required(f"meta.k8s.io/{request.output.version}", "Table")
    if kind.conversion is None:
        return Response(200, content_type=media, feed=Watch(request, options, view, since))
    stored = View(replace(kind, convert=None), options.labels, options.fields, PLAIN, "")
    stream = parts(Watch(request, options, stored, since))
    return Response(200, content_type=media, stream=converted_frames(stream, view))


def _since(options: ListOptions) -> int | None:
    """The revision to go on from; None where the client wants the present state first. Raises 500."""
    text = options.resource_version
    try:
        asked = listoptions.revision(text) if text else 0
    except ValueError as error:
        raise errors.plain_internal(str(error)) from None
    return None if not asked or options.send_initial else asked


class _Opening:
    """What a watch needs until it has begun."""

    __slots__ = ("frames", "options", "request", "since", "view")

    def __init__(self, request: Request, options: ListOptions, view: View, since: int | None) -> None:
        self.request, self.options, self.view, self.since = request, options, view, since
        self.frames: list[bytes] = []

    async def subscribe(self) -> Watcher:
        """Follow the collection; where the client wants it, its present state is read in the same step.

        Raises Compacted, Unavailable, StatusError."""
        store, kind = self.request.server.store, self.request.kind
        namespace = self.request.info.namespace if kind.namespaced else ""
        await store.consistent()
        asked = int(self.options.resource_version or 0)
        if self.options.send_initial and asked > store.revision:
            raise errors.too_large_resource_version(asked, store.revision)
        since = store.revision if self.since is None else self.since
        watcher = await store.watch(kind.resource, namespace, since, self.view)
        if self.since is None and self.options.send_initial is not False:
            found = read.candidates(self.request, namespace, self.options)
            self.frames = [self.view.frame("ADDED", record) for record in found if self.view.matches(record)]
        return watcher

    @property
    def marked(self) -> bool:
        """Whether the client is told where the present state ends."""
        return self.since is None and self.options.bookmarks and self.options.send_initial is not False

    def lifetime(self) -> float:
        """Seconds."""
        timeout = self.options.timeout
        return float(timeout) if timeout else random.uniform(MIN_TIMEOUT, 2 * MIN_TIMEOUT)


class Watch(Appointment):
    """One client's watch: backlog or present state, then frames as they come, bookmarks, an end.

    It keeps little of its request: there are thousands, and most have nothing to say.
    """

    __slots__ = (
        "_bookmarks", "_deadline", "_first", "_kind", "_loop", "_opening", "_over", "_owed", "_refusal", "_server",
        "_sink", "_watcher", "ended",
    )  # fmt: skip

    def __init__(self, request: Request, options: ListOptions, view: View, since: int | None) -> None:
        super().__init__()
        self._opening: _Opening | None = _Opening(request, options, view, since)
        self._server, self._kind, self._bookmarks = request.server, request.kind, options.bookmarks
        self._watcher: Watcher | None = None
        self._sink: Sink | None = None
        self._refusal = b""
        self._first, self._over, self._owed = True, False, False
        self._deadline = 0.0
        self.ended: Callable[[], None] | None = None

    # a feed

    async def open(self) -> None:
        """Subscribe; what is in the way of it is the watch's one event."""
        assert self._opening is not None
        try:
            self._watcher = await self._opening.subscribe()
        except Compacted as error:
            text = f"too old resource version: {error.revision} ({error.oldest})"
            self._refusal = self._opening.view.encode("ERROR", errors.expired(text).body())
        except Unavailable as error:
            self._refusal = self._opening.view.encode("ERROR", errors.unavailable(str(error)).body())
        except errors.StatusError as error:
            self._refusal = self._opening.view.encode("ERROR", error.body())

    def start(self, sink: Sink) -> None:
        """Say what there is; from now on we are called."""
        opening, watcher = self._opening, self._watcher
        if opening is None or watcher is None:
            sink.write(self._refusal)
            self.stop()
            sink.end()
            return
        self._opening, self._sink, self._loop = None, sink, asyncio.get_running_loop()
        now = self._loop.time()
        self._deadline = now + opening.lifetime()
        self._meet(now + BOOKMARK_EVERY * random.uniform(0.8, 1.0))
        watcher.listener = self.resume
        frames = opening.frames
        if opening.marked:
            frames.append(self._bookmark(watcher, end=True))
        if frames:
            self._write(sink, watcher, frames)
        self.resume()

    def resume(self) -> None:
        """Frames wait, or the client has read what it was sent, or the time has come for something."""
        sink, watcher = self._sink, self._watcher
        if sink is None or watcher is None:
            return
        try:
            while not sink.paused:
                frames = watcher.take()
                if frames:
                    self._write(sink, watcher, frames)
                else:
                    self._between_frames(sink, watcher)
                    return
        except Exception:
            log.exception("a watch of %s", self._kind.resource)
            self.stop()
            sink.abort()

    def stop(self) -> None:
        """No more: let go of everything."""
        if self._watcher is not None:
            self._watcher.listener = None
            self._watcher.close()
        if self._sink is not None:
            self._server.agenda.cancel(self)
        self._watcher = self._sink = self._opening = None
        ended, self.ended = self.ended, None
        if ended is not None:
            ended()

    # time

    def _meet(self, bookmark_at: float) -> None:
        self.due = min(self._deadline, bookmark_at) if self._bookmarks else self._deadline
        if self._over:
            self.due = bookmark_at  # whatever is late waits for the client to read
        self._server.agenda.add(self)

    def keep(self) -> None:
        """A bookmark is due, or the end."""
        self._owed, self._over = self._bookmarks, self.due >= self._deadline
        self._meet(self._loop.time() + BOOKMARK_EVERY)
        self.resume()

    def _between_frames(self, sink: Sink, watcher: Watcher) -> None:
        if self._owed and not watcher.closed:
            self._owed = False
            sink.write(self._bookmark(watcher))
        if self._over or watcher.closed:
            self.stop()
            sink.end()

    # what is said

    def _write(self, sink: Sink, watcher: Watcher, frames: list[bytes]) -> None:
        kind = self._kind
        self._server.metrics.watch_events[kind.group, kind.version, kind.plural] += len(frames)
        if self._first:
            self._first, view = False, watcher.view
            if isinstance(view, View) and view.output.transform == "Table":
                frames = [view.with_columns(frames[0]), *frames[1:]]
        sink.write(b"".join(frames))

    def _bookmark(self, watcher: Watcher, end: bool = False) -> bytes:
        """An empty object of the kind that tells how far the client is (KEP-956)."""
        kind, view = self._kind, watcher.view
        assert isinstance(view, View)
        metadata: Object = {"resourceVersion": str(watcher.revision)}
        if end:
            metadata["annotations"] = {INITIAL_END: "true"}
        schema = self._server.registry.type_of(kind)
        obj: Object = {"kind": kind.kind, "apiVersion": kind.api_version}
        if schema is not None and not kind.custom:
            obj |= zero_values({}, schema)
        obj["metadata"] = {**(obj.get("metadata") or {}), **metadata}
        if view.output.transform == "Table":
            value = {**view.transformed({**obj, "metadata": metadata}), "columnDefinitions": []}
            value["rows"] = []
            return view.encode("BOOKMARK", value)
        return view.encode("BOOKMARK", view.transformed(obj))
