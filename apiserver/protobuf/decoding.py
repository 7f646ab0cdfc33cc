"""Messages -> JSON values, by plan. Everything that a client may send ends in a value or a ProtobufError."""

from __future__ import annotations

import base64
import struct
from typing import Any

from apiserver.protobuf.messages import WIRE_TYPES, Message, WireField
from apiserver.protobuf.special import SPECIAL
from apiserver.protobuf.wire import (
    FIXED64,
    LENGTH,
    VARINT,
    ProtobufError,
    read_length,
    read_tag,
    read_varint,
    signed32,
    signed64,
    skip,
)

MAX_DEPTH = 100
"""Messages within messages (the limit of Google's own C++, Java and Python readers); we use three frames a level."""
_ZERO: dict[str, Any] = {"string": "", "bytes": "", "bool": False, "int32": 0, "int64": 0, "double": 0.0, "raw": b""}


def read_message(
    plan: Message, data: bytes, pos: int, end: int, depth: int = 0, into: dict[str, Any] | None = None
) -> Any:
    """The JSON value of the message between two positions; unknown fields are skipped (they come from newer clients).

    into: the fields so far, where a message comes in several pieces, which merge. Raises ProtobufError.
    """
    if depth > MAX_DEPTH:
        raise ProtobufError(f"proto: messages are nested more than {MAX_DEPTH} deep")
    found: dict[str, Any] = {} if into is None else into
    fields, texts = plan.by_number, plan.texts
    while pos < end:
        name = texts.get(data[pos])
        if name is not None:  # a text with a tag of one byte, the most frequent field by far
            start, pos = read_length(data, pos + 1, end)
            found[name] = data[start:pos].decode("utf-8", "replace")
            continue
        number, kind, pos = read_tag(data, pos, end, plan.short)
        field = fields.get(number)
        if field is None:
            pos = skip(data, pos, end, kind)
        elif field.repeated or field.mapping or field.message is not None or kind != VARINT:
            pos = _read_field(field, kind, data, pos, end, depth, found)
        else:
            value, pos = read_varint(data, pos, end)
            found[field.json] = _number(field, value)
    special = SPECIAL.get(plan.short)
    return special[0](found) if special is not None else found


def _read_field(field: WireField, kind: int, data: bytes, pos: int, end: int, depth: int, found: dict[str, Any]) -> int:
    """Put one value into `found`; answers the position after it."""
    if field.message is None and not field.mapping:
        return _read_scalar(field, kind, data, pos, end, found)
    if kind != LENGTH:
        raise ProtobufError(f"proto: wrong wireType = {kind} for field {field.json}")
    start, stop = read_length(data, pos, end)
    if field.mapping:
        key, value = _read_entry(field, data, start, stop, depth)
        found.setdefault(field.json, {})[key] = value
        return stop
    plan = field.message
    assert plan is not None
    if field.embedded:
        read_message(plan, data, start, stop, depth + 1, found)
    elif field.repeated:
        found.setdefault(field.json, []).append(read_message(plan, data, start, stop, depth + 1))
    else:
        earlier = found.get(field.json) if plan.short not in SPECIAL else None
        found[field.json] = read_message(plan, data, start, stop, depth + 1, earlier)
    return stop


def _read_entry(field: WireField, data: bytes, pos: int, end: int, depth: int) -> tuple[str, Any]:
    """(key, value) of a map's entry, a message of fields 1 and 2."""
    key, pieces, value = "", None, None
    while pos < end:
        number, kind, pos = read_tag(data, pos, end, "Entry")
        if number > 2:
            pos = skip(data, pos, end, kind)
            continue
        if kind != LENGTH:
            raise ProtobufError(f"proto: wrong wireType = {kind} for field {field.json}")
        start, pos = read_length(data, pos, end)
        if number == 1:
            key = _text(data[start:pos])
        elif field.message is None:
            value = _bytes_value(field, data[start:pos])
        else:
            pieces = (start, pos)
    if field.message is None:
        return key, _ZERO[field.scalar] if value is None else value
    start, stop = pieces or (end, end)
    return key, read_message(field.message, data, start, stop, depth + 1)


def _read_scalar(field: WireField, kind: int, data: bytes, pos: int, end: int, found: dict[str, Any]) -> int:
    expected = WIRE_TYPES[field.scalar]
    if kind == LENGTH and expected != LENGTH and field.repeated:
        start, stop = read_length(data, pos, end)
        _read_packed(field, expected, data, start, stop, found.setdefault(field.json, []))
        return stop
    if kind != expected:
        raise ProtobufError(f"proto: wrong wireType = {kind} for field {field.json}")
    value, pos = _scalar(field, expected, data, pos, end)
    if field.repeated:
        found.setdefault(field.json, []).append(value)
    else:
        found[field.json] = value
    return pos


def _read_packed(field: WireField, kind: int, data: bytes, pos: int, end: int, values: list[Any]) -> None:
    while pos < end:
        value, pos = _scalar(field, kind, data, pos, end)
        values.append(value)


def _scalar(field: WireField, kind: int, data: bytes, pos: int, end: int) -> tuple[Any, int]:
    if kind == LENGTH:
        start, stop = read_length(data, pos, end)
        return _bytes_value(field, data[start:stop]), stop
    if kind == FIXED64:
        stop = skip(data, pos, end, kind)
        return _double(data[pos:stop]), stop
    value, pos = read_varint(data, pos, end)
    return _number(field, value), pos


def _bytes_value(field: WireField, value: bytes) -> Any:
    if field.scalar == "string":
        return _text(value)
    return value if field.scalar == "raw" else base64.b64encode(value).decode("ascii")


def _text(value: bytes) -> str:
    """Invalid UTF-8 becomes U+FFFD, as when Go writes the text as JSON."""
    return value.decode("utf-8", "replace")


def _number(field: WireField, value: int) -> int | bool:
    if field.scalar == "bool":
        return value != 0
    if field.scalar == "int32":
        return signed32(value)
    if field.scalar == "int64":
        return signed64(value)
    raise ProtobufError(f"proto: wrong wireType = {VARINT} for field {field.json}")


def _double(value: bytes) -> float:
    found: float = struct.unpack("<d", value)[0]
    if found != found or found in (float("inf"), float("-inf")):
        raise ProtobufError(f"json: unsupported value: {found}")
    return found
