"""The protobuf wire format: varints, tags, lengths. Knows no message.

Source: the encoding chapter of the Protocol Buffers documentation; the error texts are those of the Go code that
gogo/protobuf generates, which the real server repeats to its clients.
"""

from __future__ import annotations

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)
MAX_VARINT = 10
"""Bytes of the longest varint: 64 bits, seven in each byte."""
_FIXED = {FIXED64: 8, FIXED32: 4}
_BITS64 = (1 << 64) - 1
_SIGN64, _SIGN32 = 1 << 63, 1 << 31


class ProtobufError(ValueError):
    """Bytes that are no message, or a value that has no place in one."""


def read_varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """(unsigned value, position after it). Raises ProtobufError where the data ends or the value has over 64 bits."""
    if pos < end and data[pos] < 0x80:
        return data[pos], pos + 1
    value = 0
    for count in range(MAX_VARINT):
        if pos >= end:
            raise ProtobufError("unexpected EOF")
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value & _BITS64, pos
    raise ProtobufError("proto: integer overflow")


def read_tag(data: bytes, pos: int, end: int, message: str) -> tuple[int, int, int]:
    """(field number, wire type, position of the value). Groups are refused: Kubernetes has none."""
    tag, pos = read_varint(data, pos, end)
    number, kind = tag >> 3, tag & 7
    if kind == END_GROUP:
        raise ProtobufError(f"proto: {message}: wiretype end group for non-group")
    if not 0 < number < 1 << 29:
        raise ProtobufError(f"proto: {message}: illegal tag {number} (wire type {tag})")
    return number, kind, pos


def read_length(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """(start, end) of a length-delimited value. Raises ProtobufError where it does not fit into what there is."""
    size, pos = read_varint(data, pos, end)
    if size > end - pos:
        raise ProtobufError("unexpected EOF" if size < _SIGN64 else "proto: negative length found during unmarshaling")
    return pos, pos + size


def skip(data: bytes, pos: int, end: int, kind: int) -> int:
    """The position after a value that nobody wants."""
    if kind == VARINT:
        return read_varint(data, pos, end)[1]
    if kind == LENGTH:
        return read_length(data, pos, end)[1]
    if kind not in _FIXED:
        raise ProtobufError(f"proto: illegal wireType {kind}")
    if end - pos < _FIXED[kind]:
        raise ProtobufError("unexpected EOF")
    return pos + _FIXED[kind]


def signed64(value: int) -> int:
    """An unsigned 64-bit value as Go's int64."""
    return value - (1 << 64) if value & _SIGN64 else value


def signed32(value: int) -> int:
    """The low half of a value as Go's int32."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & _SIGN32 else value


_SMALL = [bytes((value,)) for value in range(0x80)]


def varint(value: int) -> bytes:
    """A value as a varint; negative ones take ten bytes."""
    if 0 <= value < 0x80:
        return _SMALL[value]
    value &= _BITS64
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def tag(number: int, kind: int) -> bytes:
    """What stands before a value."""
    return varint(number << 3 | kind)


def delimited(number: int, value: bytes) -> bytes:
    """A length-delimited field: text, bytes, a message."""
    return tag(number, LENGTH) + varint(len(value)) + value


def text(number: int, value: str) -> bytes:
    """A text field; nothing for the empty text."""
    return delimited(number, value.encode("utf-8", "replace")) if value else b""
