"""A page of records as the answer to a list: stored bytes between a header and a tail, in slices.

Between two slices of a large list the event loop serves others; the client has the first while the last are made.
Nothing is decoded unless another form was asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING

import orjson

from apiserver import errors, negotiation, table
from apiserver.encoding import as_version, head, object_as_version
from apiserver.handlers.respond import (
    GZIP_HEADERS,
    encode,
    go_type,
    gzip_packer,
    include,
    table_of,
    takes_gzip,
)
from apiserver.kinds.kind import Kind, Object
from apiserver.request import Response
from apiserver.storage.types import Record

if TYPE_CHECKING:
    from apiserver.request import Request

INDENTED_BYTES = 4 * 1024 * 1024
"""Above this nobody reads a list, and others would wait."""
SLICE_BYTES = 256 * 1024
"""Stored bytes of the records of a slice: what takes the slowest form (protobuf) some 10 ms to encode."""


class Page:
    """What a list answers. `remaining`: how many more there are, None where unknown. `revision` is 0 for what is not
    stored."""

    __slots__ = ("records", "remaining", "revision", "token")

    def __init__(self, records: Sequence[Record], revision: int, token: str = "", remaining: int | None = None) -> None:
        self.records, self.revision, self.token, self.remaining = records, revision, token, remaining

    @property
    def metadata(self) -> Object:
        """ListMeta."""
        found: Object = {"resourceVersion": str(self.revision)} if self.revision else {}
        if self.token:
            found["continue"] = self.token
            if self.remaining is not None:
                found["remainingItemCount"] = self.remaining
        return found

    def slices(self) -> Iterator[Sequence[Record]]:
        """The records, at most about SLICE_BYTES at a time."""
        start = size = 0
        for index, record in enumerate(self.records):
            size += len(record.data)
            if size >= SLICE_BYTES:
                yield self.records[start : index + 1]
                start, size = index + 1, 0
        if start < len(self.records):
            yield self.records[start:]


def render(request: Request, page: Page) -> Response:
    """A page as a list of the kind, a Table, or PartialObjectMetadata. Raises 400, 406."""
    output, kind = request.output, request.kind
    if output.transform == "PartialObjectMetadata":
        why = f"you requested PartialObjectMetadata, but the requested object is a list (*{go_type(kind)}List)"
        raise errors.not_acceptable_transform(why)
    size, binary = sum(len(record.data) for record in page.records), output.media == negotiation.PROTOBUF
    indent = output.pretty and size <= INDENTED_BYTES
    if output.media == negotiation.YAML or indent or (binary and output.transform == "Table"):
        body, media = encode(orjson.loads(b"".join(_json(request, page))), output, indent)
        return Response(200, body, media)
    media = output.media
    parts = _protobuf(request, page) if binary else _json(request, page)
    if size <= SLICE_BYTES:
        return Response(200, b"".join(parts), media)
    if takes_gzip(request):
        return Response(200, content_type=media, headers=[*GZIP_HEADERS], stream=_packed(parts))
    return Response(200, content_type=media, stream=_in_turns(parts))


async def _in_turns(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
        await asyncio.sleep(0)


async def _packed(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """gzip, done beside the event loop."""
    loop, packer = asyncio.get_running_loop(), gzip_packer()
    for part in parts:
        packed = await loop.run_in_executor(None, packer.compress, part)
        if packed:
            yield packed
    yield packer.flush()


def _json(request: Request, page: Page) -> Iterator[bytes]:
    """The slices of a list in JSON. What can fail does so before the first."""
    output, kind = request.output, request.kind
    if output.transform == "Table":
        included = include(request)
        opening = {**table_of(request, [], page.metadata, kind)}
        return _framed(opening, "rows", _rows(request, page, included))
    if output.transform:
        opening = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": f"meta.k8s.io/{output.version}",
            "metadata": page.metadata,
            "items": None,
        }
        return _framed(opening, "items", _partial(request, page))
    metadata = page.metadata
    if kind.custom:
        metadata.setdefault("continue", "")
    opening = {"kind": kind.list_name, "apiVersion": kind.api_version, "metadata": metadata, "items": []}
    return _framed(opening, "items", (b",".join(items_of(kind, records)) for records in page.slices()))


def _framed(opening: Object, member: str, slices: Iterator[bytes]) -> Iterator[bytes]:
    """`opening` with what `slices` hold as its last member, an array; as it is where there are none."""
    first = next(slices, None)
    if first is None:
        yield orjson.dumps(opening)
        return
    del opening[member]
    yield b'%s,"%s":[%s' % (orjson.dumps(opening)[:-1], member.encode(), first)
    for joined in slices:
        yield b"," + joined
    yield b"]}"


def _rows(request: Request, page: Page, included: str) -> Iterator[bytes]:
    kind, version = request.kind, request.output.version
    columns = table.columns_of(kind)
    if kind.row_order is not None:
        order = kind.row_order
        page.records = sorted(page.records, key=lambda record: order(object_as_version(kind, record)))
    for records in page.slices():
        yield b",".join([table.row_bytes(kind, columns, record, included, version) for record in records])


def _partial(request: Request, page: Page) -> Iterator[bytes]:
    kind, version = request.kind, request.output.version
    for records in page.slices():
        objects = [table.partial_metadata(object_as_version(kind, record), version) for record in records]
        yield orjson.dumps(objects)[1:-1]


def _protobuf(request: Request, page: Page) -> Iterator[bytes]:
    """A list in protobuf. Its length stands before it, so that all is encoded before the first byte leaves; the empty
    parts in between give others their turn."""
    from apiserver.protobuf.codec import CLOSING, encode_part, opening

    kind, output = request.kind, request.output
    api_version, name = kind.api_version, kind.list_name
    if output.transform:
        api_version, name = f"meta.k8s.io/{output.version}", output.transform
    parts = [encode_part(api_version, name, {"metadata": page.metadata})]
    for records in page.slices():
        items = [object_as_version(kind, record) for record in records]
        if output.transform:
            items = [table.partial_metadata(item, output.version) for item in items]
        parts.append(encode_part(api_version, name, {"items": items}))
        yield b""
    yield opening(api_version, name, sum(map(len, parts)))
    yield from parts
    yield CLOSING


def items_of(kind: Kind, records: Sequence[Record]) -> list[bytes]:
    """The items of a list: built-in kinds leave out kind and apiVersion there, as Go's typed lists do."""
    if kind.custom:
        return [as_version(kind, record) for record in records]
    cut = len(head(kind))
    if kind.convert is None:
        return [b"{" + record.data[cut:] for record in records]
    return [b"{" + as_version(kind, record)[cut:] for record in records]
