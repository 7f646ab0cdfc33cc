"""The cost of a CEL expression, estimated from the types and the limits that a schema states.

Source of the rules: cel-go's `checker/cost.go` with Kubernetes' choice that has(...) is free. Estimates decide which
rules may be written, so that their oddities are part of them: items of a list that the expression makes are taken for
`self` where their size is asked for, keys of maps have none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apiserver.cel.ast import Call, Comprehension, Constant, Ident, ListNode, MapNode, Message, Node, Select
from apiserver.cel.check import Checked
from apiserver.cel.library_costs import library_cost
from apiserver.cel.schema import Declared
from apiserver.cel.sizes import (
    LIST_MADE,
    MAP_MADE,
    MESSAGE_MADE,
    MOST,
    NOTHING,
    ONE,
    SELECTION,
    UNKNOWN,
    Estimate,
    Range,
    exactly,
)
from apiserver.cel.standard_costs import standard_cost
from apiserver.cel.types import DYN, Type, unwrapped

Path = tuple[str, ...]
_SCALARS = ("bool", "double", "duration", "int", "timestamp", "uint")
_ACCUMULATORS = ("__result__", "@result")


@dataclass(slots=True, frozen=True)
class Entries:
    """The sizes of the keys (or indices) and values of a container that the expression makes."""

    container: str
    key: Range
    value: Range


@dataclass(slots=True, frozen=True)
class _Local:
    """A variable of a macro."""

    path: Path
    size: Range | None
    entries: Entries | None = None


@dataclass(slots=True, frozen=True)
class Argument:
    """What functions are told of an argument or a target."""

    type: Type
    path: Path
    known: Range | None
    node: Node | None
    declared: Callable[[Path], Range | None]

    def size(self) -> Range:
        """As functions of libraries see it."""
        return self.known or self.declared(self.path) or UNKNOWN

    def known_size(self) -> Range:
        """As functions of the language see it."""
        return self.known or UNKNOWN

    def element(self) -> Argument | None:
        """An item of a list."""
        if not self.type.parameters:
            return None
        path = (*self.path, "@items") if self.path else ()
        return Argument(self.type.parameters[0], path, None, None, self.declared)


def estimate(checked: Checked, declared: Declared) -> int:
    """The most that evaluating the expression can cost, in cel-go's units. `declared` is what `self` is."""
    return _Coster(checked, declared).cost(checked.tree.root).most


class _Coster:
    def __init__(self, checked: Checked, declared: Declared) -> None:
        self._checked, self._declared = checked, declared
        self._paths: dict[int, Path] = {}
        self._sizes: dict[int, Range] = {}
        self._entries: dict[int, Entries] = {}
        self._locals: dict[str, list[_Local]] = {}
        self._costs: dict[type[Node], Callable[..., Range]] = {
            Constant: lambda node: NOTHING,
            Ident: self._ident,
            Select: self._select,
            Call: self._call,
            ListNode: self._list,
            MapNode: self._map,
            Message: self._message,
            Comprehension: self._loop_or_binding,
        }

    def cost(self, node: Node) -> Range:
        return self._costs[type(node)](node)

    # what is known of nodes

    def _type(self, node: Node) -> Type:
        return self._checked.types.get(id(node), DYN)

    def _local(self, name: str) -> _Local | None:
        found = self._locals.get(name)
        return found[-1] if found else None

    def _path(self, node: Node) -> Path:
        if isinstance(node, Ident) and (local := self._local(node.name)) is not None:
            return local.path
        return self._paths.get(id(node), ())

    def _size(self, node: Node) -> Range | None:
        found = self._sizes.get(id(node)) or _stated_size(node)
        if found is not None:
            return found
        found = self._declared_size(self._path(node))
        if found is not None:
            self._sizes[id(node)] = found
            return found
        if unwrapped(self._type(node))[0].kind in _SCALARS:
            return ONE
        local = self._local(node.name) if isinstance(node, Ident) else None
        return None if local is None else local.size

    def _declared_size(self, path: Path) -> Range | None:
        """The size of what a path leads to. Its first step, a variable's name, is taken for `self`."""
        if not path:
            return None
        here: Declared | None = self._declared
        for step in path[1:]:
            if here is None:
                return None
            if step in ("@items", "@values"):
                here = here.element
            else:
                here = here.key if step == "@keys" else here.fields.get(step)
        return None if here is None else Range(0, here.largest)

    def _entries_of(self, node: Node) -> Entries | None:
        found = self._entries.get(id(node))
        if found is not None:
            return found
        local = self._local(node.name) if isinstance(node, Ident) else None
        return None if local is None else local.entries

    def _argument(self, node: Node) -> Argument:
        path = self._path(node)
        if path and path[0] in _ACCUMULATORS:
            path = ()
        return Argument(self._type(node), path, self._size(node), node, self._declared_size)

    # costs

    def _ident(self, node: Ident) -> Range:
        local = self._local(node.name)
        self._paths[id(node)] = (node.name,) if local is None else local.path
        return SELECTION

    def _select(self, node: Select) -> Range:
        cost = self.cost(node.operand)
        if node.test:
            return cost
        if self._type(node.operand).kind in ("map", "struct", "param"):
            cost = cost.plus(SELECTION)
        self._paths[id(node)] = (*self._path(node.operand), node.field)
        return cost

    def _call(self, node: Call) -> Range:
        if node.function == "dyn" and node.target is None and len(node.args) == 1:
            cost = ONE.plus(self.cost(node.args[0]))
            self._copy(node, node.args[0])
            return cost
        costs = [self.cost(argument) for argument in node.args]
        arguments = [self._argument(argument) for argument in node.args]
        overloads = self._checked.overloads.get(id(node))
        if not overloads:
            return NOTHING
        before, target = NOTHING, None
        if node.target is not None and id(node) not in self._checked.names:
            before = self.cost(node.target)
            target = self._argument(node.target)
        found, size = Range(MOST, 0), None
        for overload in overloads:
            one = self._overload(node, overload, target, arguments, costs)
            found = found.union(one.cost)
            if one.size is not None:
                size = one.size if size is None else size.union(one.size)
            size = self._indexed(node, overload, size)
        if size is not None:
            self._sizes[id(node)] = size
        return before.plus(found)

    def _indexed(self, node: Call, overload: str, size: Range | None) -> Range | None:
        """What an element has as its path and size, where the overload takes one."""
        step = {"index_list": "@items", "index_map": "@values"}.get(overload)
        if step is not None:
            entries = self._entries_of(node.args[0])
            size = None if entries is None else entries.value
            self._paths[id(node)] = (*self._path(node.args[0]), step)
        return self._size(node) if size is None else size

    def _overload(
        self, node: Call, overload: str, target: Argument | None, arguments: list[Argument], costs: list[Range]
    ) -> Estimate:
        spent = NOTHING
        for cost in costs:
            spent = spent.plus(cost)
        name = self._checked.names.get(id(node), node.function)
        found = library_cost(name, overload, target, arguments)
        if found is not None:
            return Estimate(found.cost.plus(spent), found.size)
        match overload:
            case "logical_and" | "logical_or":
                return Estimate(Range(costs[0].least, costs[0].plus(costs[1]).most))
            case "conditional":
                self._merge(node, node.args[1], node.args[2])
                size = arguments[1].known_size().union(arguments[2].known_size())
                return Estimate(costs[0].plus(costs[1].union(costs[2])), size)
            case "add_list" | "add_string" | "add_bytes":
                self._merge(node, node.args[0], node.args[1])
        found = standard_cost(overload, target, arguments)
        return Estimate(found.cost.plus(spent), found.size)

    def _merge(self, node: Node, first: Node, second: Node) -> None:
        one, other = self._entries_of(first), self._entries_of(second)
        if one is not None and other is not None:
            merged = Entries(one.container, one.key.union(other.key), one.value.union(other.value))
            self._entries[id(node)] = merged

    def _copy(self, node: Node, source: Node) -> None:
        size, entries = self._size(source), self._entries_of(source)
        if size is not None:
            self._sizes[id(node)] = size
        if entries is not None:
            self._entries[id(node)] = entries

    def _list(self, node: ListNode) -> Range:
        cost, sizes = self._parts(node.elements)
        self._entries[id(node)] = Entries("list", ONE, sizes)
        return cost.plus(LIST_MADE)

    def _map(self, node: MapNode) -> Range:
        keys, key_sizes = self._parts([entry.key for entry in node.entries])
        values, value_sizes = self._parts([entry.value for entry in node.entries])
        self._entries[id(node)] = Entries("map", key_sizes, value_sizes)
        return keys.plus(values).plus(MAP_MADE)

    def _message(self, node: Message) -> Range:
        return self._parts(node.values)[0].plus(MESSAGE_MADE)

    def _parts(self, nodes: list[Node]) -> tuple[Range, Range]:
        """What they cost together, and how large each of them can be."""
        cost, sizes = NOTHING, Range(MOST, 0) if nodes else NOTHING
        for part in nodes:
            cost = cost.plus(self.cost(part))
            sizes = sizes.union(self._size(part) or UNKNOWN)
        return cost, sizes

    def _loop_or_binding(self, node: Comprehension) -> Range:
        """Macros such as optMap() bind a variable with a loop over nothing."""
        nothing = isinstance(node.range, ListNode) and not node.range.elements
        never = isinstance(node.condition, Constant) and node.condition.value is False
        if not (nothing and never and node.accumulator not in _ACCUMULATORS):
            return self._loop(node)
        cost = self.cost(node.range).plus(self.cost(node.start))
        self._push(node.accumulator, _Local(self._path(node.start), self._size(node.start)))
        cost = cost.plus(self.cost(node.result))
        self._locals[node.accumulator].pop()
        self._copy(node, node.result)
        return cost

    def _loop(self, node: Comprehension) -> Range:
        cost = self.cost(node.range).plus(self.cost(node.start))
        collected = _Local(self._path(node.start), self._size(node.start), self._entries_of(node.start))
        self._push(node.accumulator, collected)
        variables = self._variables(node)
        for name, local in variables:
            self._push(name, local)
        each = self.cost(node.condition).plus(self.cost(node.step))
        for name, _ in variables:
            self._locals[name].pop()
        cost = cost.plus(self.cost(node.result))
        self._locals[node.accumulator].pop()
        count = self._size(node.range) or UNKNOWN
        self._collected(node, count)
        return cost.plus(count.times(each))

    def _collected(self, node: Comprehension, count: Range) -> None:
        if isinstance(node.start, Constant):
            size = self._size(node.start)
            if size is not None:
                self._sizes[id(node)] = size
        elif isinstance(node.start, ListNode | MapNode):
            self._sizes[id(node)] = count
            entries = self._entries_of(node.step)
            if entries is not None:
                self._entries[id(node)] = entries

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _variables(self, node: Comprehension) -> list[tuple[str, _Local]]:
        entries, path = self._entries_of(node.range), self._path(node.range)
        is_list = (self._type(node.range).kind if entries is None else entries.container) == "list"
        key, value = (None, None) if entries is None else (entries.key, entries.value)
        keys = _Local((*path, "@indices" if is_list else "@keys"), key)
        values = _Local((*path, "@items" if is_list else "@values"), value)
        if node.second:
            return [(node.variable, keys), (node.second, values)]
        return [(node.variable, values if is_list else keys)]


def _stated_size(node: Node) -> Range | None:
    match node:
        case Constant(value=str() | bytes() as value):
            return exactly(len(value))
        case Constant():
            return ONE
        case ListNode():
            return exactly(len(node.elements))
        case MapNode():
            return exactly(len(node.entries))
    return None
