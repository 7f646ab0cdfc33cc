"""Objects <-> stored bytes. An object is encoded once, with a hole where its resourceVersion goes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import orjson

from apiserver.kinds.kind import Kind, Object
from apiserver.storage.types import Record

_HOLE = secrets.token_hex(16)
"""Stands for the resourceVersion while encoding. Random for each process, so that no client can send it."""
_HOLE_BYTES = _HOLE.encode()
NOTHING: Mapping[str, bytes] = {}
_NAME, _UID, _NOW = (secrets.token_hex(16) for _ in range(3))
"""The same for what tells objects of one outline apart."""


def template(obj: Object, encoded: Mapping[str, bytes] = NOTHING) -> tuple[bytes, bytes]:
    """The JSON around the resourceVersion digits: kind and apiVersion first, as `list_item` relies on. `encoded` are
    fields of it as JSON, for those who have it."""
    stored = at_version(obj, _HOLE)
    for name, text in encoded.items():
        stored[name] = orjson.Fragment(text)
    before, _, after = orjson.dumps(stored).partition(_HOLE_BYTES)
    return before, after


def at_version(obj: Object, version: str) -> Object:
    """A copy as it is stored with this resourceVersion, sharing all but the metadata."""
    ordered: Object = {"kind": None, "apiVersion": None, "metadata": None, **obj}
    ordered["metadata"] = {**obj["metadata"], "resourceVersion": version}
    return ordered


def outline(obj: Object) -> tuple[bytes, bytes] | None:
    """A new object's `template` with blanks for its identity: `before` is a format that takes name, uid and now. None
    where name, uid or creationTimestamp are told elsewhere in the object as well."""
    metadata = obj["metadata"]
    now = metadata["creationTimestamp"]
    blank = {**metadata, "name": _NAME, "uid": _UID, "creationTimestamp": _NOW}
    if "managedFields" in metadata:
        blank["managedFields"] = [
            {**entry, "time": _NOW} if entry.get("time") == now else entry for entry in metadata["managedFields"]
        ]
    before, after = template({**obj, "metadata": blank})
    for text in (metadata["name"], metadata["uid"], now):
        if text.encode() in before or text.encode() in after:
            return None
    before = before.replace(b"%", b"%%")
    for hole, name in ((_NAME, b"name"), (_UID, b"uid"), (_NOW, b"now")):
        before = before.replace(hole.encode(), b"%%(%b)b" % name)
    return before, after


def decode(record: Record) -> Object:
    """The object of a record: a fresh copy, the caller's to change."""
    found: Object = orjson.loads(record.data)
    return found


def head(kind: Kind) -> bytes:
    """What the stored bytes of a kind begin with."""
    return b'{"kind":"%s","apiVersion":"%s",' % (kind.kind.encode(), kind.api_version.encode())


def as_version(kind: Kind, record: Record) -> bytes:
    """The bytes of a record as `kind`'s version shows them."""
    if record.revision < kind.complete_since:
        return orjson.dumps(object_as_version(kind, record))
    if kind.convert is None or record.data.startswith(head(kind)):
        return record.data
    return orjson.dumps(kind.convert(orjson.loads(record.data), kind.api_version))


def object_as_version(kind: Kind, record: Record) -> Object:
    """The decoded object in `kind`'s version."""
    obj: Object = orjson.loads(record.data)
    if kind.complete is not None and record.revision < kind.complete_since:
        obj = kind.complete(obj)
    if kind.convert is not None and obj["apiVersion"] != kind.api_version:
        obj = kind.convert(obj, kind.api_version)
    return obj


def to_storage(kind: Kind, obj: Object) -> Object:
    """The object in the version it is stored as."""
    if kind.stored_as is None or kind.convert is None:
        return obj
    group, version = kind.stored_as
    target = f"{group}/{version}" if group else version
    return obj if obj["apiVersion"] == target else kind.convert(obj, target)


def dumps(value: Any, pretty: bool = False) -> bytes:
    """JSON of an answer that is no stored object."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) if pretty else orjson.dumps(value)
