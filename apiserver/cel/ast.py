"""The syntax tree of a CEL expression, macros expanded. Read from the serialized `cel.expr.ParsedExpr` or `CheckedExpr`
that the CEL package gives out, for which no generated protobuf code is needed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(slots=True, eq=False)
class Node:
    """A part of an expression; `id` is unique within it, and 0 for what the package left without one."""

    id: int


@dataclass(slots=True, eq=False)
class Constant(Node):
    """`kind` is the name of its type in CEL ("null" for null)."""

    kind: str
    value: bool | int | float | str | bytes | None


@dataclass(slots=True, eq=False)
class Ident(Node):
    name: str


@dataclass(slots=True, eq=False)
class Select(Node):
    """`test`: whether it is has(...)."""

    operand: Node
    field: str
    test: bool


@dataclass(slots=True, eq=False)
class Call(Node):
    function: str
    target: Node | None
    args: list[Node]


@dataclass(slots=True, eq=False)
class ListNode(Node):
    """`optional`: indices of `[?element]`."""

    elements: list[Node]
    optional: frozenset[int]


class Entry(NamedTuple):
    key: Node
    value: Node
    optional: bool


@dataclass(slots=True, eq=False)
class MapNode(Node):
    entries: list[Entry]


@dataclass(slots=True, eq=False)
class Message(Node):
    """`Name{field: value}`."""

    name: str
    values: list[Node]


@dataclass(slots=True, eq=False)
class Comprehension(Node):
    """What macros such as all() and map() become. `second` is the second loop variable, "" where there is none."""

    variable: str
    second: str
    range: Node
    accumulator: str
    start: Node
    condition: Node
    step: Node
    result: Node


class Tree:
    """An expression. `positions`: where each node stands in the text, in characters."""

    def __init__(self, root: Node, positions: dict[int, int]) -> None:
        self.root, self.positions = root, positions

    def mentions(self, name: str) -> bool:
        """Whether a variable occurs."""
        return any(isinstance(node, Ident) and node.name == name for node in walk(self.root))


def below(node: Node) -> Iterator[Node]:
    """The parts of a node, in the order of the text."""
    match node:
        case Select():
            yield node.operand
        case Call():
            if node.target is not None:
                yield node.target
            yield from node.args
        case ListNode():
            yield from node.elements
        case MapNode():
            for entry in node.entries:
                yield entry.key
                yield entry.value
        case Message():
            yield from node.values
        case Comprehension():
            yield from (node.range, node.start, node.condition, node.step, node.result)


def walk(node: Node) -> Iterator[Node]:
    """A node and everything within it."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += reversed(list(below(found)))


# the wire format


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return result, at


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        size, at = _varint(data, at) if tag & 7 == 2 else (8 if tag & 7 == 1 else 4, at)
        yield tag >> 3, data[at : at + size]
        at += size


class _Wire:
    """A message's fields by number."""

    def __init__(self, data: bytes) -> None:
        self.values: dict[int, list[int | bytes]] = {}
        for number, value in _fields(data):
            self.values.setdefault(number, []).append(value)

    def many(self, number: int) -> list[_Wire]:
        return [_Wire(item) for item in self.values.get(number, []) if isinstance(item, bytes)]

    def one(self, number: int) -> _Wire | None:
        return next(iter(self.many(number)), None)

    def text(self, number: int) -> str:
        return next((item.decode() for item in self.values.get(number, []) if isinstance(item, bytes)), "")

    def integer(self, number: int) -> int:
        return next((item for item in self.values.get(number, []) if isinstance(item, int)), 0)

    def integers(self, number: int) -> Iterator[int]:
        """A repeated field of integers, packed or not."""
        for item in self.values.get(number, []):
            if isinstance(item, int):
                yield item
                continue
            at = 0
            while at < len(item):
                value, at = _varint(item, at)
                yield value


_CONSTANT, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = range(3, 10)
_CONSTANTS = {1: "null", 2: "bool", 3: "int", 4: "uint", 5: "double", 6: "string", 7: "bytes"}


def _node(wire: _Wire | None) -> Node:
    if wire is None:
        return Constant(0, "null", None)
    number = wire.integer(2)
    if (part := wire.one(_CONSTANT)) is not None:
        return _constant(number, part)
    if (part := wire.one(_IDENT)) is not None:
        return Ident(number, part.text(1))
    if (part := wire.one(_SELECT)) is not None:
        return Select(number, _node(part.one(1)), part.text(2), bool(part.integer(3)))
    if (part := wire.one(_CALL)) is not None:
        target = part.one(1)
        return Call(
            number, part.text(2), None if target is None else _node(target), [_node(one) for one in part.many(3)]
        )
    if (part := wire.one(_LIST)) is not None:
        return ListNode(number, [_node(one) for one in part.many(1)], frozenset(part.integers(2)))
    if (part := wire.one(_STRUCT)) is not None:
        return _struct(number, part)
    if (part := wire.one(_COMPREHENSION)) is not None:
        return _comprehension(number, part)
    return Constant(number, "null", None)


def _constant(number: int, wire: _Wire) -> Constant:
    kind = next((name for field, name in _CONSTANTS.items() if field in wire.values), "null")
    match kind:
        case "bool":
            return Constant(number, kind, bool(wire.integer(2)))
        case "int":
            value = wire.integer(3)
            return Constant(number, kind, value - (1 << 64) if value >> 63 else value)
        case "uint":
            return Constant(number, kind, wire.integer(4))
        case "double":
            stated = wire.values[5][0]
            return Constant(number, kind, struct.unpack("<d", stated)[0] if isinstance(stated, bytes) else 0.0)
        case "string":
            return Constant(number, kind, wire.text(6))
        case "bytes":
            held = wire.values[7][0]
            return Constant(number, kind, held if isinstance(held, bytes) else b"")
    return Constant(number, kind, None)


def _struct(number: int, wire: _Wire) -> Node:
    entries = wire.many(2)
    if wire.text(1):
        return Message(number, wire.text(1), [_node(entry.one(4)) for entry in entries])
    return MapNode(
        number, [Entry(_node(entry.one(3)), _node(entry.one(4)), bool(entry.integer(5))) for entry in entries]
    )


def _comprehension(number: int, wire: _Wire) -> Comprehension:
    return Comprehension(
        number,
        wire.text(1),
        wire.text(8),
        _node(wire.one(2)),
        wire.text(3),
        *(_node(wire.one(field)) for field in (4, 5, 6, 7)),
    )


_PARSED = (2, 3)
_CHECKED = (4, 5)
"""Where the expression and the source information are in a ParsedExpr and in a CheckedExpr."""


def parse(serialized: bytes) -> Tree:
    """The tree of a serialized expression (a `google.protobuf.Any`). Raises ValueError for anything else."""
    outer = _Wire(serialized)
    held = outer.one(2)
    if held is None:
        raise ValueError("not an expression")
    expression, source = _CHECKED if outer.text(1).endswith("CheckedExpr") else _PARSED
    root, information = held.one(expression), held.one(source)
    if root is None:
        raise ValueError("not an expression")
    entries = information.many(4) if information is not None else []
    return Tree(_node(root), {entry.integer(1): entry.integer(2) for entry in entries})
