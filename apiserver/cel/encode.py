"""Trees of CEL expressions as the CEL package reads them: `cel.expr.ParsedExpr` in a `google.protobuf.Any`, the
counterpart of `ast.parse`."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from apiserver.cel.ast import (
    Call,
    Comprehension,
    Constant,
    Entry,
    Ident,
    ListNode,
    MapNode,
    Message,
    Node,
    Select,
    Tree,
)

_TYPE = b"type.googleapis.com/cel.expr.ParsedExpr"


def encode(tree: Tree) -> bytes:
    """The serialized expression, without the source information that only errors of the compiler need."""
    return _bytes(1, _TYPE) + _bytes(2, _bytes(2, _node(tree.root)))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _nodes(field: int, nodes: Iterable[Node]) -> bytes:
    return b"".join(_bytes(field, _node(node)) for node in nodes)


def _node(node: Node) -> bytes:
    return _integer(2, node.id) + _kind(node)


def _kind(node: Node) -> bytes:
    match node:
        case Constant():
            return _bytes(3, _constant(node))
        case Ident():
            return _bytes(4, _text(1, node.name))
        case Select():
            return _bytes(5, _nodes(1, [node.operand]) + _text(2, node.field) + _integer(3, node.test))
        case Call():
            target = [] if node.target is None else [node.target]
            return _bytes(6, _nodes(1, target) + _text(2, node.function) + _nodes(3, node.args))
        case ListNode():
            return _bytes(7, _nodes(1, node.elements) + b"".join(_integer(2, at) for at in sorted(node.optional)))
        case MapNode():
            return _bytes(8, b"".join(_bytes(2, _entry(entry)) for entry in node.entries))
        case Comprehension():
            return _bytes(9, _loop(node))
        case Message():
            raise ValueError("messages are not rewritten")
    raise TypeError(type(node))


def _constant(node: Constant) -> bytes:
    match node.value:
        case bool() as value:
            return _integer(2, value)
        case int() as value:
            return _integer(4 if node.kind == "uint" else 3, value)
        case float() as value:
            return _varint(5 << 3 | 1) + struct.pack("<d", value)
        case str() as value:
            return _text(6, value)
        case bytes() as value:
            return _bytes(7, value)
    return _integer(1, 0)


def _entry(entry: Entry) -> bytes:
    return _nodes(3, [entry.key]) + _nodes(4, [entry.value]) + _integer(5, entry.optional)


def _loop(node: Comprehension) -> bytes:
    second = _text(8, node.second) if node.second else b""
    parts = (node.start, node.condition, node.step, node.result)
    inner = b"".join(_bytes(field, _node(part)) for field, part in zip((4, 5, 6, 7), parts, strict=True))
    return _text(1, node.variable) + second + _nodes(2, [node.range]) + _text(3, node.accumulator) + inner
