"""JSON values -> messages, by plan. Zero values that JSON states are written too: where Go has pointers, present means
set. The order of fields is JSON's, which readers of the format do not mind."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from typing import Any

from apiserver.protobuf.messages import Message, WireField
from apiserver.protobuf.special import SPECIAL
from apiserver.protobuf.wire import ProtobufError, delimited, varint

_DELIMITED = frozenset({"string", "bytes", "raw"})


def write_message(plan: Message, value: Any) -> bytes:
    """The bytes of a message. Names that it does not have are left out (`kind` and `apiVersion` travel outside).

    Raises ProtobufError where a value is not of its field's type.
    """
    special = SPECIAL.get(plan.short)
    if special is not None:
        value = special[1](value)
    if not isinstance(value, Mapping):
        raise ProtobufError(f"{plan.short} is an object, not {type(value).__name__}")
    parts: list[bytes] = []
    fields = plan.by_json
    for name, item in value.items():
        field = fields.get(name)
        if field is None or item is None:
            continue
        if field.repeated:
            parts += [_single(field, one) for one in _typed(field, item, (list, tuple))]
        elif field.mapping:
            parts += [_entry(field, key, one) for key, one in _typed(field, item, Mapping).items()]
        else:
            parts.append(_single(field, item))
    for field in plan.embedded:
        assert field.message is not None
        body = write_message(field.message, value)
        if body:
            parts += [field.tag, varint(len(body)), body]
    return b"".join(parts)


def _entry(field: WireField, key: str, value: Any) -> bytes:
    """An entry of a map, a message of fields 1 and 2: every map has text, bytes or messages as values."""
    body = delimited(1, key.encode("utf-8", "replace")) + delimited(2, _content(field, value))
    return field.tag + varint(len(body)) + body


def _single(field: WireField, value: Any) -> bytes:
    scalar = field.scalar
    if field.message is not None or scalar in _DELIMITED:
        body = _content(field, value)
        return field.tag + varint(len(body)) + body
    if scalar == "double":
        return field.tag + struct.pack("<d", _typed(field, value, (int, float)))
    return field.tag + varint(int(_typed(field, value, (bool, int))))


def _content(field: WireField, value: Any) -> bytes:
    """What stands after the length."""
    if field.message is not None:
        return write_message(field.message, value)
    if field.scalar == "string":
        text: str = _typed(field, value, str)
        return text.encode("utf-8", "replace")
    return value if field.scalar == "raw" else _bytes(field, value)


def _bytes(field: WireField, value: Any) -> bytes:
    try:
        return base64.b64decode(_typed(field, value, str), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtobufError(f"{field.json} is not base64: {error}") from None


def _typed(field: WireField, value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise ProtobufError(f"{field.json} may not be {type(value).__name__}")
    return value
