"""The syntax tree of a compiled CEL expression, as far as rules of custom resources are checked: which fields of `self`
it names. Read from the serialized `cel.expr.CheckedExpr`, for which no generated protobuf code is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Checked:
    """What is known of a value: `fields` None where any field may be there; `element` of lists and maps."""

    fields: dict[str, Callable[[], Checked]] | None = None
    element: Callable[[], Checked] | None = None


_ANYTHING = Checked()


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


class _Message:
    """A message's fields by number."""

    def __init__(self, data: bytes) -> None:
        self.values: dict[int, list[int | bytes]] = {}
        for number, value in _fields(data):
            self.values.setdefault(number, []).append(value)

    def many(self, number: int) -> list[_Message]:
        return [_Message(item) for item in self.values.get(number, []) if isinstance(item, bytes)]

    def one(self, number: int) -> _Message | None:
        return next(iter(self.many(number)), None)

    def text(self, number: int) -> str:
        return next((item.decode() for item in self.values.get(number, []) if isinstance(item, bytes)), "")

    def integer(self, number: int) -> int:
        return next((item for item in self.values.get(number, []) if isinstance(item, int)), 0)


_CONSTANT, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 3, 4, 5, 6, 7, 8, 9


class Tree:
    """A checked expression."""

    def __init__(self, root: _Message, positions: dict[int, int]) -> None:
        self.root, self.positions = root, positions

    def mentions(self, name: str) -> bool:
        """Whether a variable occurs."""
        return any(ident.text(1) == name for node in _walk(self.root) if (ident := node.one(_IDENT)) is not None)

    def undefined_field(self, variables: dict[str, Checked]) -> tuple[int, str] | None:
        """(offset, name) of the first field that one of these variables does not have."""
        found: list[tuple[int, str]] = []
        self._visit(self.root, variables, found)
        return min(found) if found else None

    def _visit(self, node: _Message, scope: dict[str, Checked], found: list[tuple[int, str]]) -> Checked:
        if (ident := node.one(_IDENT)) is not None:
            return scope.get(ident.text(1), _ANYTHING)
        if (select := node.one(_SELECT)) is not None:
            return self._select(node, select, scope, found)
        if (call := node.one(_CALL)) is not None:
            return self._call(call, scope, found)
        if (loop := node.one(_COMPREHENSION)) is not None:
            return self._loop(loop, scope, found)
        for item in _below(node):
            self._visit(item, scope, found)
        return _ANYTHING

    def _select(
        self, node: _Message, select: _Message, scope: dict[str, Checked], found: list[tuple[int, str]]
    ) -> Checked:
        operand = select.one(1)
        inside = self._visit(operand, scope, found) if operand is not None else _ANYTHING
        name = select.text(2)
        if inside.fields is None:
            return inside.element() if inside.element is not None else _ANYTHING
        if name not in inside.fields:
            found.append((self.positions.get(node.integer(2), 0), name))
            return _ANYTHING
        return inside.fields[name]()

    def _call(self, call: _Message, scope: dict[str, Checked], found: list[tuple[int, str]]) -> Checked:
        target = call.one(1)
        parts = ([target] if target is not None else []) + call.many(3)
        shapes = [self._visit(part, scope, found) for part in parts]
        if call.text(2) == "_[_]" and shapes and shapes[0].element is not None:
            return shapes[0].element()
        return _ANYTHING

    def _loop(self, loop: _Message, scope: dict[str, Checked], found: list[tuple[int, str]]) -> Checked:
        """all, exists, map, filter: the loop variable is an element of a list (or a key of a map)."""
        ranged = loop.one(2)
        inside = self._visit(ranged, scope, found) if ranged is not None else _ANYTHING
        element = inside.element() if inside.element is not None else _ANYTHING
        inner = {**scope, loop.text(1): element, loop.text(3): _ANYTHING}
        for number in (4, 5, 6, 7):
            for part in loop.many(number):
                self._visit(part, inner, found)
        return inside


def _below(node: _Message) -> Iterator[_Message]:
    for kind, numbers in ((_SELECT, (1,)), (_CALL, (1, 3)), (_LIST, (1,)), (_COMPREHENSION, (2, 4, 5, 6, 7))):
        message = node.one(kind)
        if message is not None:
            for number in numbers:
                yield from message.many(number)
    struct = node.one(_STRUCT)
    for entry in struct.many(2) if struct is not None else ():
        yield from entry.many(3)
        yield from entry.many(4)


def _walk(node: _Message) -> Iterator[_Message]:
    yield node
    for inner in _below(node):
        yield from _walk(inner)


def parse(serialized: bytes) -> Tree:
    """The tree of a serialized expression (a `google.protobuf.Any` that holds a CheckedExpr)."""
    checked = _Message(serialized).one(2)
    root = checked.one(4) if checked is not None else None
    if checked is None or root is None:
        raise ValueError("not a checked expression")
    source = checked.one(5)
    positions = {entry.integer(1): entry.integer(2) for entry in source.many(4)} if source is not None else {}
    return Tree(root, positions)
