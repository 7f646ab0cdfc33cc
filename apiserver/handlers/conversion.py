"""Waiting for conversion webhooks, before what they convert is shown or stored. Other kinds wait for nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import orjson

from apiserver.kinds.kind import Kind, Object
from apiserver.storage.types import Record

if TYPE_CHECKING:
    from apiserver.handlers.watch import View


async def showable(kind: Kind, records: Sequence[Record]) -> None:
    """Stored objects are about to be shown in `kind`'s version. Raises 500."""
    if kind.conversion is not None:
        await kind.conversion.prepare_records(records, kind.api_version)


async def storable(kind: Kind, *objects: Object) -> None:
    """Objects in `kind`'s version are about to be stored. Raises 500."""
    if kind.conversion is not None:
        await kind.conversion.prepare(objects, kind.conversion.storage)


async def converted_frames(chunks: AsyncIterator[bytes], view: View) -> AsyncIterator[bytes]:
    """Watch events with stored objects -> events as `view` shows them. What cannot be converted ends the watch."""
    conversion = view.kind.conversion
    assert conversion is not None
    first = True
    async for chunk in chunks:
        events = [orjson.loads(line) for line in chunk.splitlines()]
        objects = [event["object"] for event in events if event["type"] in ("ADDED", "MODIFIED", "DELETED")]
        await conversion.prepare(objects, view.kind.api_version)
        frames = [_frame(event["type"], event["object"], view) for event in events]
        if first and view.output.transform == "Table":
            frames[0] = view.with_columns(frames[0])
        first = False
        yield b"".join(frames)


def _frame(event: str, obj: Object, view: View) -> bytes:
    if event in ("ADDED", "MODIFIED", "DELETED") and view.kind.conversion is not None:
        obj = view.kind.conversion.convert(obj, view.kind.api_version)
    return view.encode(event, obj if event == "ERROR" else view.transformed(obj))
