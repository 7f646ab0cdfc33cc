"""JSON values -> messages, by plan. Fields are written in the order of their numbers, zero values that JSON states
included: where Go has pointers, present means set."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from typing import Any

from apiserver.protobuf.messages import Message, WireField
from apiserver.protobuf.special import SPECIAL
from apiserver.protobuf.wire import FIXED64, VARINT, ProtobufError, delimited, tag, varint


def write_message(plan: Message, value: Any) -> bytes:
    """The bytes of a message. Names that it does not have are left out (`kind` and `apiVersion` travel outside).

    Raises ProtobufError where a value is not of its field's type.
    """
    special = SPECIAL.get(plan.short)
    if special is not None:
        value = special[1](value)
    if not isinstance(value, Mapping):
        raise ProtobufError(f"{plan.short} is an object, not {type(value).__name__}")
    return b"".join(
        [
            _embedded(field, value) if field.embedded else _field(field, value[field.json])
            for field in plan.ordered
            if field.embedded or value.get(field.json) is not None
        ]
    )


def _embedded(field: WireField, value: Mapping[str, Any]) -> bytes:
    assert field.message is not None
    body = write_message(field.message, value)
    return delimited(field.number, body) if body else b""


def _field(field: WireField, value: Any) -> bytes:
    if field.mapping:
        return b"".join(_entry(field, key, item) for key, item in _typed(field, value, Mapping).items())
    if field.repeated:
        return b"".join(_single(field, field.number, item) for item in _typed(field, value, (list, tuple)))
    return _single(field, field.number, value)


def _entry(field: WireField, key: str, value: Any) -> bytes:
    return delimited(field.number, delimited(1, key.encode("utf-8", "replace")) + _single(field, 2, value))


def _single(field: WireField, number: int, value: Any) -> bytes:
    if field.message is not None:
        return delimited(number, write_message(field.message, value))
    match field.scalar:
        case "string":
            return delimited(number, _typed(field, value, str).encode("utf-8", "replace"))
        case "bytes":
            return delimited(number, _bytes(field, value))
        case "raw":
            return delimited(number, value)
        case "double":
            return tag(number, FIXED64) + struct.pack("<d", _typed(field, value, (int, float)))
    return tag(number, VARINT) + varint(int(_typed(field, value, (bool, int))))


def _bytes(field: WireField, value: Any) -> bytes:
    try:
        return base64.b64decode(_typed(field, value, str), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtobufError(f"{field.json} is not base64: {error}") from None


def _typed(field: WireField, value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise ProtobufError(f"{field.json} may not be {type(value).__name__}")
    return value
