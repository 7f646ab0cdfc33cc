"""Expressions rewritten into what the CEL package can evaluate.

It has no macros with two variables, no `sortBy` and `unwrap`, takes no optionals as variables, and no times and
durations within values; functions of ours answer no optionals. Macros are expanded as cel-go's `ext/comprehensions.go`
does it; times are texts in values (see `cel/convert.py`), which an expression converts where it takes them for times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from apiserver.cel.ast import (
    Call,
    Comprehension,
    Constant,
    Entry,
    Ident,
    ListNode,
    MapNode,
    Node,
    Tree,
    parse,
    walk,
)
from apiserver.cel.encode import encode
from apiserver.cel.types import Type

_RESULT = "@result"
_PREDICATES = ("all", "exists", "exists_one", "existsOne")
_TRANSFORMS = ("transformList", "transformMap", "transformMapEntry")
_TIMES = ("timestamp", "duration")
_FORMATS = re.compile(r"\b(named|validate)\b")
Change = Callable[[Node], Node]


def changed(node: Node, change: Change) -> Node:
    """A copy of a tree in which each node, from the leaves to the root, is what `change` makes of it."""
    return change(_copied(node, lambda part: changed(part, change)))


def _copied(node: Node, copy: Change) -> Node:
    """A node made of copies of its parts."""
    return type(node)(**{part.name: _copied_value(getattr(node, part.name), copy) for part in fields(node)})


def _copied_value(value: Any, copy: Change) -> Any:
    if isinstance(value, Entry):
        return Entry(copy(value.key), copy(value.value), value.optional)
    if isinstance(value, list):
        return [_copied_value(item, copy) for item in value]
    return copy(value) if isinstance(value, Node) else value


def program(environment: Any, text: str) -> Any:
    """A compiled expression, our macros expanded. Raises RuntimeError."""
    try:
        found = environment.compile(text)
    except RuntimeError:
        tree = parse(environment.compile(text, disable_check=True).serialize())
        if not has_macros(tree):
            raise
        return environment.deserialize(encode(Tree(with_formats(expanded(tree).root), {})))
    if not _FORMATS.search(text):
        return found
    tree = parse(environment.compile(text, disable_check=True).serialize())
    root = with_formats(tree.root)
    return found if root is tree.root else environment.deserialize(encode(Tree(root, {})))


# macros


def _is_macro(node: Node) -> bool:
    if not isinstance(node, Call) or node.target is None:
        return False
    match node.function, node.args:
        case ("unwrapOpt", []) | ("sortBy", [Ident(), _]):
            return True
        case ("unwrap", [_]):
            return isinstance(node.target, Ident) and node.target.name == "optional"
    if not all(isinstance(name, Ident) for name in node.args[:2]):
        return False
    if node.function in _PREDICATES:
        return len(node.args) == 3
    return node.function in _TRANSFORMS and len(node.args) in (3, 4)


def has_macros(tree: Tree) -> bool:
    """Whether there are macros that the CEL package has left as they are."""
    return any(map(_is_macro, walk(tree.root)))


def expanded(tree: Tree) -> Tree:
    """The tree with its macros expanded. What they become stands where the macro stands."""
    if not has_macros(tree):
        return tree
    expander = _Expander(tree)
    return Tree(changed(tree.root, expander.change), expander.positions)


class _Expander:
    def __init__(self, tree: Tree) -> None:
        self.positions = dict(tree.positions)
        self._last = max((node.id for node in walk(tree.root)), default=0)

    def change(self, node: Node) -> Node:
        if not isinstance(node, Call) or not _is_macro(node):
            return node
        match node.function:
            case "sortBy":
                return self._sort(node)
            case "unwrap" | "unwrapOpt":
                return self._unwrap(node)
        return self._expand(node)

    def _maker(self, at: Node) -> Callable[..., Any]:
        """What makes nodes that stand where another one stands."""

        def new(make: Callable[..., Node], *values: Any) -> Any:
            self._last += 1
            self.positions[self._last] = self.positions.get(at.id, 0)
            return make(self._last, *values)

        return new

    def _sort(self, call: Call) -> Node:
        """The list sorted by what the expression makes of its elements."""
        new = self._maker(call)
        name, key = call.args
        step = new(Call, "_+_", None, [new(Ident, _RESULT), new(ListNode, [key], frozenset())])
        parts = (new(ListNode, [], frozenset()), new(Constant, "bool", True), step, new(Ident, _RESULT))
        keys = new(Comprehension, name.name, "", call.target, _RESULT, *parts)  # type: ignore[attr-defined]
        return Call(call.id, "@sortByAssociatedKeys", call.target, [keys])

    def _unwrap(self, call: Call) -> Node:
        """The values of those optionals in a list that have one."""
        new = self._maker(call)
        name = "@optional"
        value = new(Call, "value", new(Ident, name), [])
        more = new(Call, "_+_", None, [new(Ident, _RESULT), new(ListNode, [value], frozenset())])
        step = new(Call, "_?_:_", None, [new(Call, "hasValue", new(Ident, name), []), more, new(Ident, _RESULT)])
        parts = (new(ListNode, [], frozenset()), new(Constant, "bool", True), step, new(Ident, _RESULT))
        items = call.target if call.function == "unwrapOpt" else call.args[0]
        return Comprehension(call.id, name, "", items, _RESULT, *parts)  # type: ignore[arg-type]

    def _expand(self, call: Call) -> Node:
        new = self._maker(call)

        def result() -> Any:
            return new(Ident, _RESULT)

        def apply(function: str, *arguments: Node) -> Any:
            return new(Call, function, None, list(arguments))

        first, second, *rest = call.args
        last, forever = rest[-1], new(Constant, "bool", True)
        match call.function:
            case "all":
                parts = (
                    new(Constant, "bool", True),
                    apply("@not_strictly_false", result()),
                    apply("_&&_", result(), last),
                    result(),
                )
            case "exists":
                not_yet = apply("@not_strictly_false", apply("!_", result()))
                parts = (new(Constant, "bool", False), not_yet, apply("_||_", result(), last), result())
            case "exists_one" | "existsOne":
                one = new(Constant, "int", 1)
                step = apply("_?_:_", last, apply("_+_", result(), one), result())
                parts = (new(Constant, "int", 0), forever, step, apply("_==_", result(), new(Constant, "int", 1)))
            case "transformList":
                step = apply("_+_", result(), new(ListNode, [last], frozenset()))
                parts = (new(ListNode, [], frozenset()), forever, step, result())
            case _:
                inserted = (last,) if call.function == "transformMapEntry" else (new(Ident, first.name), last)  # type: ignore[attr-defined]
                parts = (new(MapNode, []), forever, apply("cel.@mapInsert", result(), *inserted), result())
        start, condition, step, answer = parts
        if len(rest) == 2:
            step = apply("_?_:_", rest[0], step, result())
        names = (first.name, second.name)  # type: ignore[attr-defined]
        return Comprehension(call.id, *names, call.target, _RESULT, start, condition, step, answer)  # type: ignore[arg-type]


# formats


def _is_format(node: Node) -> bool:
    """Whether a call answers an optional value that our function cannot make."""
    if not isinstance(node, Call) or node.target is None or len(node.args) != 1:
        return False
    named = node.function == "named" and isinstance(node.target, Ident) and node.target.name == "format"
    return named or node.function == "validate"


def with_formats(root: Node) -> Node:
    """What named formats answer as optionals. The tree itself where it has none."""

    def change(node: Node) -> Node:
        return Call(0, "ofNonZeroValue", Ident(0, "optional"), [node]) if _is_format(node) else node

    return changed(root, change) if any(map(_is_format, walk(root))) else root


# variables


def with_optional(root: Node, name: str) -> Node:
    """A variable that may be null as an optional."""

    def change(node: Node) -> Node:
        if not isinstance(node, Ident) or node.name != name:
            return node
        none = Call(0, "none", Ident(0, "optional"), [])
        some = Call(0, "of", Ident(0, "optional"), [Ident(0, name)])
        absent = Call(0, "_==_", None, [Ident(0, name), Constant(0, "null", None)])
        return Call(0, "_?_:_", None, [absent, none, some])

    return changed(root, change)


def with_times(root: Node, types: Mapping[int, Type]) -> Node:
    """Every part that is a time or a duration, converted to one. `types` of the nodes, by their `id()`."""

    def convert(node: Node) -> Node:
        found, kind = _copied(node, convert), types.get(id(node))
        return Call(0, kind.kind, None, [found]) if kind is not None and kind.kind in _TIMES else found

    return convert(root)
