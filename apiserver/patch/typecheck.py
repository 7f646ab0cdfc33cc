"""Whether an applied configuration fits its type, in the words of structured merge diff."""

from __future__ import annotations

from typing import Any

from apiserver.patch.fieldset import element_text
from apiserver.patch.gotext import TYPES, plain, syntax
from apiserver.patch.nodes import Node, Untypable, node_of
from apiserver.schema.types import Type

_NUMBERS = ("int32", "int64", "float64")
_UNTYPED = ("intstr", "quantity", "time", "microtime", "duration")


def faults(config: Any, node: Node) -> str:
    """The errors of a configuration as the real server joins them; "" where it fits."""
    found = [f"{path}: {text}" if path else text for path, text in _check(config, node, "")]
    if len(found) < 2:
        return "".join(found)
    return "\n".join(["errors:", *(f"  {text}" for text in found)])


Faults = list[tuple[str, str]]


def _check(value: Any, node: Node, path: str) -> Faults:
    if value is None:
        return []
    if node.type is None or node.type.shape == "any":
        return []
    shape = node.type.shape
    if shape in ("struct", "map"):
        return _check_map(value, node, path)
    if shape == "list":
        return _check_list(value, node, path)
    text = _scalar_fault(value, shape)
    return [(path, text)] if text else []


def _scalar_fault(value: Any, shape: str) -> str:
    if shape in _NUMBERS:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if fits else f"expected numeric (int or float), got {TYPES[type(value)]}"
    if shape == "bool":
        return "" if isinstance(value, bool) else f"expected boolean, got &{{{plain(value)}}}"
    if shape in _UNTYPED:
        return f"expected any scalar, got &{{{plain(value)}}}" if isinstance(value, dict | list) else ""
    got = f"&value.valueUnstructured{{Value:{syntax(value)}}}"
    return "" if isinstance(value, str) else f"expected string, got {got}"


def _check_map(value: Any, node: Node, path: str) -> Faults:
    if not isinstance(value, dict):
        return [(path, f"expected map, got &{{{plain(value)}}}")]
    found: Faults = []
    fields = _declared(node)
    open_ended = node.type is not None and (node.type.shape == "map" or node.type.preserve_unknown)
    for name in sorted(value):
        declared = fields.get(name)
        if declared is None and not open_ended:
            return [*found, (f"{path}.{name}", "field not declared in schema")]
        child = declared or node.child(name)[1]
        found += _check(value[name], child, f"{path}.{name}")
    return found


def _declared(node: Node) -> dict[str, Node]:
    """The fields of a struct, also of one that is merged as a whole."""
    if node.type is None or node.type.shape != "struct":
        return {}
    if node.merge == "struct":
        return {name: child for name, (_, child) in node.fields.items()}
    return {name: node_of(field.type) for name, field in node.type.fields.items()}


def _check_list(value: Any, node: Node, path: str) -> Faults:
    if not isinstance(value, list):
        return [(path, f"expected list, got &{{{plain(value)}}}")]
    found: Faults = []
    seen: set[str] = set()
    element = _element_node(node.type)
    for at, item in enumerate(value):
        name = f"[{at}]"
        if node.merge in ("set", "keyed"):
            try:
                key = node.items([item])[0][0]
            except Untypable as error:
                return [*found, (path, f"element {at}: {error}")]
            name = element_text(key)
            if key in seen:
                found.append((path, f"duplicate entries for key {name}"))
            seen.add(key)
        if element is not None:
            found += _check(item, element, path + name)
    return found


def _element_node(kind: Type | None) -> Node | None:
    return None if kind is None or kind.element is None else node_of(kind.element)
