"""Types of a CEL expression checked against the declared ones, in the words of cel-go.

Source of the rules: cel-go's `checker/checker.go`, and the validators of `cel/validator.go` that Kubernetes turns on.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field

from apiserver.cel import types
from apiserver.cel.ast import (
    Call,
    Comprehension,
    Constant,
    Ident,
    ListNode,
    MapNode,
    Message,
    Node,
    Select,
    Tree,
    walk,
)
from apiserver.cel.declarations import Overload, functions, type_names
from apiserver.cel.schema import FieldTypes
from apiserver.cel.types import Bindings, Type, list_of, map_of, optional_of, unwrapped

_CONSTANTS = {name: Type(name) for name in ("bool", "bytes", "double", "int", "null", "string", "uint")}


@dataclass(slots=True)
class Checked:
    """An expression whose types are known: of each node, by its `id()`. `overloads` says which signatures a call can
    mean, `names` which function, where what looks like its target is a part of its name. `faults`: (offset, text)."""

    tree: Tree
    types: dict[int, Type] = field(default_factory=dict)
    overloads: dict[int, list[str]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)

    @property
    def result(self) -> Type:
        return self.types[id(self.tree.root)]


def check(tree: Tree, variables: Mapping[str, Type], field_types: FieldTypes, *, lenient: bool) -> Checked:
    """`lenient`: functions and names that are not known here are known elsewhere and may be anything. Raises TooComplex
    and RecursionError for what no rule looks like."""
    checker = _Checker(tree, variables, field_types, lenient)
    checker.visit(tree.root)
    found = checker.checked
    found.types = {node: checker.bindings.resolved(kind, final=True) for node, kind in found.types.items()}
    return found


def undefined_fields(tree: Tree, variable: str, fields: Container[str]) -> list[tuple[int, str]]:
    """Faults of an expression of which nothing is known but the fields that one variable has. For what the CEL package
    has compiled."""
    found: list[tuple[int, str]] = []
    for node in walk(tree.root):
        if isinstance(node, Select) and qualified(node.operand) == variable and node.field not in fields:
            found.append((tree.positions.get(node.id, 0), f"undefined field '{node.field}'"))
    return found


def qualified(node: Node | None) -> str | None:
    """`a.b.c` as one name; None for anything else."""
    names: list[str] = []
    while isinstance(node, Select) and not node.test:
        names.append(node.field)
        node = node.operand
    if not isinstance(node, Ident):
        return None
    return ".".join([node.name.removeprefix("."), *reversed(names)])


class _Checker:
    def __init__(self, tree: Tree, variables: Mapping[str, Type], field_types: FieldTypes, lenient: bool) -> None:
        self.checked = Checked(tree)
        self.bindings = Bindings()
        self._scope: dict[str, Type] = {**type_names(), **variables}
        self._field_types = field_types
        self._lenient = lenient
        self._parameters = 0
        self._visits: dict[type[Node], Callable[..., Type]] = {
            Constant: lambda node: _CONSTANTS[node.kind],
            Ident: self._ident,
            Select: self._select,
            Call: self._call,
            ListNode: self._list,
            MapNode: self._map,
            Message: self._message,
            Comprehension: self._comprehension,
        }

    def visit(self, node: Node) -> Type:
        found = self._visits[type(node)](node)
        self.checked.types[id(node)] = found
        return found

    def _fault(self, node: Node, text: str) -> None:
        self.checked.faults.append((self.checked.tree.positions.get(node.id, 0), text))

    def _undeclared(self, node: Node, name: str) -> Type:
        if self._lenient:
            return types.DYN
        self._fault(node, f"undeclared reference to '{name}' (in container '')")
        return types.ERROR

    def _mismatch(self, node: Node, wanted: Type, found: Type) -> None:
        self._fault(node, f"expected type '{wanted}' but found '{found}'")

    def _parameter(self) -> Type:
        self._parameters += 1
        return Type("param", f"_var{self._parameters - 1}")

    def _ident(self, node: Ident) -> Type:
        name = node.name.removeprefix(".")
        return self._scope[name] if name in self._scope else self._undeclared(node, name)

    def _select(self, node: Select) -> Type:
        name = qualified(node)
        if name is not None and name in self._scope:
            return self._scope[name]
        found = self._field(node, node.operand, node.field)
        return types.BOOL if node.test else self.bindings.resolved(found)

    def _field(self, node: Node, operand: Node, name: str, optional: bool = False) -> Type:
        held, was_optional = unwrapped(self.bindings.resolved(self.visit(operand)))
        found = self._field_of(node, held, name)
        return optional_of(found) if optional or was_optional else found

    def _field_of(self, node: Node, held: Type, name: str) -> Type:
        match held.kind:
            case "map":
                return held.parameters[1]
            case "struct":
                found = self._field_types(held.name, name)
                if found is None:
                    self._fault(node, f"undefined field '{name}'")
                return found or types.ERROR
            case "param":
                self.bindings.assignable((types.DYN,), (held,))
            case "dyn" | "error":
                pass
            case _:
                self._fault(node, f"type '{held}' does not support field selection")
        return types.DYN

    def _call(self, node: Call) -> Type:
        if node.function == "_?._":
            return self._optional_select(node)
        given = [self.visit(argument) for argument in node.args]
        if node.target is not None:
            prefix = qualified(node.target)
            overloads = functions().get(f"{prefix}.{node.function}") if prefix is not None else None
            if overloads is not None:
                name = self.checked.names[id(node)] = f"{prefix}.{node.function}"
                return self._resolve(node, name, overloads, given, member=False)
            if self._lenient and prefix is not None and prefix.partition(".")[0] not in self._scope:
                return types.DYN
            given.insert(0, self.visit(node.target))
        overloads = functions().get(node.function)
        if overloads is None:
            return self._undeclared(node, node.function)
        return self._resolve(node, node.function, overloads, given, member=node.target is not None)

    def _optional_select(self, node: Call) -> Type:
        operand, name = node.args
        if not isinstance(name, Constant) or not isinstance(name.value, str):
            return types.DYN
        self.checked.overloads[id(node)] = ["select_optional_field"]
        self.checked.types[id(name)] = types.STRING
        return self.bindings.resolved(self._field(node, operand, name.value, optional=True))

    def _resolve(self, node: Call, name: str, overloads: tuple[Overload, ...], given: list[Type], member: bool) -> Type:
        if name in ("_&&_", "_||_"):
            return self._logical(node, overloads[0], given)
        result: Type | None = None
        fitting: list[str] = []
        for overload in overloads:
            if overload.member != member:
                continue
            wanted, answer = self._instance(overload)
            if not self.bindings.assignable(tuple(given), wanted):
                continue
            fitting.append(overload.identity)
            answer = self.bindings.resolved(answer)
            if result is None:
                result = answer
            elif not result.dynamic and result != answer:
                result = types.DYN
        if result is None:
            self._no_overload(node, name, given, member)
            return types.ERROR
        self.checked.overloads[id(node)] = fitting
        return result

    def _instance(self, overload: Overload) -> tuple[tuple[Type, ...], Type]:
        """The signature with type parameters of its own."""
        if not overload.parameters:
            return overload.arguments, overload.result
        fresh = Bindings()
        fresh.known = {letter: self._parameter() for letter in overload.parameters}
        return tuple(map(fresh.resolved, overload.arguments)), fresh.resolved(overload.result)

    def _logical(self, node: Call, overload: Overload, given: list[Type]) -> Type:
        self.checked.overloads[id(node)] = [overload.identity]
        fine = True
        for argument, kind in zip(node.args, given, strict=True):
            if not self.bindings.assignable((kind,), (types.BOOL,)):
                self._mismatch(argument, types.BOOL, self.bindings.resolved(kind, final=True))
                fine = False
        return types.BOOL if fine else types.ERROR

    def _no_overload(self, node: Call, name: str, given: list[Type], member: bool) -> None:
        shown = [str(self.bindings.resolved(kind, final=True)) for kind in given]
        target = f"{shown.pop(0)}." if member else ""
        self._fault(node, f"found no matching overload for '{name}' applied to '{target}({', '.join(shown)})'")

    def _list(self, node: ListNode) -> Type:
        element: Type | None = None
        for at, item in enumerate(node.elements):
            element = self._joined(element, self._held(item, at in node.optional))
        return list_of(self._parameter() if element is None else element)

    def _map(self, node: MapNode) -> Type:
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            key = self._joined(key, self.visit(entry.key))
            value = self._joined(value, self._held(entry.value, entry.optional))
        if key is None or value is None:
            return map_of(self._parameter(), self._parameter())
        return map_of(key, value)

    def _held(self, node: Node, optional: bool) -> Type:
        """The type of an element; of `?element` what it holds."""
        found = self.visit(node)
        if not optional:
            return found
        held, is_optional = unwrapped(found)
        if not is_optional and not held.dynamic:
            self._mismatch(node, optional_of(held), held)
        return held

    def _joined(self, before: Type | None, now: Type) -> Type:
        if before is None:
            return now
        fits = self.bindings.assignable((before,), (now,))
        return self.bindings.more_general(before, now) if fits else types.DYN

    def _message(self, node: Message) -> Type:
        for value in node.values:
            self.visit(value)
        if node.name in self._scope and self._scope[node.name].kind == "type":
            return self._scope[node.name].parameters[0] if self._scope[node.name].parameters else types.DYN
        return self._undeclared(node, node.name)

    def _comprehension(self, node: Comprehension) -> Type:
        ranged = self.bindings.resolved(self.visit(node.range))
        collected = self.visit(node.start)
        first, second = self._elements(node, ranged)
        outer = self._scope
        self._scope = {**outer, node.accumulator: collected}
        inner = dict(self._scope)
        self._scope[node.variable] = first
        if node.second:
            self._scope[node.second] = second
        self._must_be(node.condition, types.BOOL)
        self._must_be(node.step, collected)
        self._scope = inner
        result = self.visit(node.result)
        self._scope = outer
        return self.bindings.resolved(result)

    def _elements(self, node: Comprehension, ranged: Type) -> tuple[Type, Type]:
        """The types of the loop variables."""
        match ranged.kind:
            case "list":
                element = ranged.parameters[0]
                return (types.INT, element) if node.second else (element, types.DYN)
            case "map":
                return ranged.parameters[0], ranged.parameters[1]
            case "dyn" | "error" | "param":
                self.bindings.assignable((types.DYN,), (ranged,))
                return types.DYN, types.DYN
        self._fault(
            node.range,
            f"expression of type '{ranged}' cannot be range of a comprehension (must be list, map, or dynamic)",
        )
        return types.ERROR, types.ERROR

    def _must_be(self, node: Node, wanted: Type) -> None:
        found = self.visit(node)
        if not self.bindings.assignable((wanted,), (found,)):
            self._mismatch(node, self.bindings.resolved(wanted), self.bindings.resolved(found))
