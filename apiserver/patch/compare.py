"""What changed between two objects, and what an object says, as sets of fields (structured merge diff)."""

from __future__ import annotations

from itertools import repeat
from typing import Any

from apiserver.patch.fieldset import SELF, FieldSet, rank, with_self
from apiserver.patch.nodes import Node, Untypable
from apiserver.recall import Recall

_ABSENT = object()
_said: Recall[tuple[FieldSet | None, FieldSet | None]] = Recall(128)


def fields_of(value: Any, node: Node) -> FieldSet:
    """Every leaf and item that an applied configuration mentions: what its applier will own."""
    found = _mentioned(value, node)
    return found or {}


def _mentioned(value: Any, node: Node) -> FieldSet | None:
    merge = node.merge
    if merge == "leaf" or (merge == "deduced" and not isinstance(value, dict)):
        return {}
    if value is None:
        return None
    out: FieldSet = {}
    if merge in ("set", "keyed"):
        for element, item in node.sorted_items(value):
            if element in out:  # of duplicates only the item itself is owned
                out[element] = {}
            else:
                out[element] = with_self(_mentioned(item, node.element) if node.element is not None else None)
        return out or None
    for name in sorted(value):
        item = value[name]
        element, child = node.child(name)
        inner = _mentioned(item, child)
        if item is None or item == {} or merge != "struct" or name not in node.fields:
            inner = with_self(inner)
        if inner is not None:
            out[element] = inner
    return out or None


def appeared(value: Any, node: Node) -> FieldSet:
    """The node of a value that was not there before: itself and everything in it. Raises Untypable."""
    merge = node.merge
    if merge == "leaf" or not value:
        return {}
    if merge in ("struct", "map") and not isinstance(value, dict):
        raise Untypable(f"expected map, got {type(value).__name__}")
    out: FieldSet = {SELF: {}}
    if merge == "struct":
        flat = node.flat(value)
        if flat is not None:
            return flat
        fields = node.fields
        for name in sorted(value):
            found = fields.get(name) or node.child(name)
            item = value[name]
            out[found[0]] = {} if not item or found[1].merge == "leaf" else appeared(item, found[1])
        return out
    if merge == "map" or merge == "deduced":
        if not isinstance(value, dict):
            return {}
        for name in sorted(value):
            element, child = node.child(name)
            out[element] = appeared(value[name], child)
        return out
    for element, item in node.sorted_items(value):
        out[element] = {} if element in out or node.element is None else appeared(item, node.element)
    return out


def changes(old: Any, new: Any, node: Node) -> tuple[FieldSet, FieldSet]:
    """(added or modified, removed) paths between two objects of a type. Raises Untypable."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return {}, {}
    return _changed_map(old, new, node)


def _changed(old: Any, new: Any, node: Node) -> tuple[FieldSet | None, FieldSet | None]:
    """The nodes of one value that is there before and after, and differs. Raises Untypable."""
    merge = node.merge
    if merge == "leaf" or (not old and not new):
        return {}, None
    if merge in ("set", "keyed"):
        gained, lost = _changed_list(old or [], new or [], node)
    elif isinstance(old or {}, dict) and isinstance(new or {}, dict):
        gained, lost = _changed_map(old or {}, new or {}, node)
    elif merge == "deduced":
        return {}, None
    else:
        raise Untypable("expected map")
    return gained or None, lost or None


def _changed_map(old: dict[str, Any], new: dict[str, Any], node: Node) -> tuple[FieldSet, FieldSet]:
    gained: FieldSet = {}
    lost: FieldSet = {}
    known = map(old.get, new, repeat(_ABSENT))
    differing = [
        name for name, value, was in zip(new, new.values(), known, strict=True) if was is not value and was != value
    ]
    for name in differing if len(differing) < 2 else sorted(differing):
        value, before = new[name], old.get(name, _ABSENT)
        element, child = node.child(name)
        if child.merge == "leaf":
            gained[element] = {}
        elif before is _ABSENT:
            gained[element] = appeared(value, child)
        else:
            compare = _new_spec if name == "spec" else _changed
            _note(gained, lost, element, compare(before, value, child))
    if len(old) > len(new) or not old.keys() <= new.keys():
        for name in old.keys() - new.keys():
            element, child = node.child(name)
            lost[element] = appeared(old[name], child)
    return gained, lost


def _new_spec(before: Any, value: Any, node: Node) -> tuple[FieldSet | None, FieldSet | None]:
    """`_changed` of an object's first spec, recalled: replicas all say the same. Types of custom resources have no name
    to tell them apart."""
    name = node.type.name if node.type is not None else ""
    if not name or before != node.empty:
        return _changed(before, value, node)
    return _said.of(lambda: _changed(before, value, node), name, value)


def _note(gained: FieldSet, lost: FieldSet, element: str, found: tuple[FieldSet | None, FieldSet | None]) -> None:
    if found[0] is not None:
        gained[element] = found[0]
    if found[1] is not None:
        lost[element] = found[1]


def _grouped(values: list[Any], node: Node) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for element, item in node.items(values):
        out.setdefault(element, []).append(item)
    return out


def _changed_list(old: list[Any], new: list[Any], node: Node) -> tuple[FieldSet, FieldSet]:
    if len(node.keys) == 1 and node.element is not None:
        one_each = _by_text(old, node.keys[0]), _by_text(new, node.keys[0])
        if one_each[0] is not None and one_each[1] is not None:
            return _changed_items(one_each[0], one_each[1], node, node.element)
    gained: FieldSet = {}
    lost: FieldSet = {}
    before, after = _grouped(old, node), _grouped(new, node)
    inner = node.element
    for element in _in_order([element for element, items in after.items() if items != before.get(element)]):
        items, present = after[element], before.get(element)
        if len(items) > 1 or inner is None or (present is not None and len(present) > 1):
            gained[element] = {}  # duplicates are compared as a whole
        elif present is None:
            gained[element] = appeared(items[0], inner)
        else:
            _note(gained, lost, element, _changed(present[0], items[0], inner))
    for element in _in_order([element for element in before if element not in after]):
        items = before[element]
        lost[element] = {} if len(items) > 1 or inner is None else appeared(items[0], inner)
    return gained, lost


def _by_text(values: list[Any], key: str) -> dict[str, Any] | None:
    """The items by their key, where every item has a text of its own there."""
    try:
        found = {item[key]: item for item in values if type(item[key]) is str}
    except (KeyError, TypeError):
        return None
    return found if len(found) == len(values) else None


def _changed_items(before: dict[str, Any], after: dict[str, Any], node: Node, inner: Node) -> tuple[FieldSet, FieldSet]:
    """`_changed_list` of lists in which every key is there once."""
    gained: FieldSet = {}
    lost: FieldSet = {}
    differing = [key for key, item in after.items() if (was := before.get(key)) is not item and was != item]
    for element, key in node.elements(differing):
        item, present = after[key], before.get(key, _ABSENT)
        if present is _ABSENT:
            gained[element] = appeared(item, inner)
        else:
            _note(gained, lost, element, _changed(present, item, inner))
    for element, key in node.elements([key for key in before if key not in after]):
        lost[element] = appeared(before[key], inner)
    return gained, lost


def _in_order(elements: list[str]) -> list[str]:
    return elements if len(elements) < 2 else sorted(elements, key=rank)
