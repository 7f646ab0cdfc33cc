"""Merging an applied configuration into the live object, and taking away what is no longer applied."""

from __future__ import annotations

from typing import Any

from apiserver.patch.fieldset import FieldSet, has_self, with_self
from apiserver.patch.nodes import Node

ABSENT: Any = object()


def merged(live: Any, config: Any, node: Node) -> Any:
    """Both together: the configuration's leaves win, nothing is removed. ABSENT where neither says anything."""
    merge = node.merge
    if merge == "leaf" or _is_scalar(live) or _is_scalar(config) or not (_content(live) or _content(config)):
        return live if config is ABSENT else config
    if merge in ("set", "keyed"):
        return _merged_list(_content(live) or [], _content(config) or [], node)
    if isinstance(_content(live), list) or isinstance(_content(config), list):
        return live if config is ABSENT else config
    return _merged_map(_content(live) or {}, _content(config) or {}, node)


def _is_scalar(value: Any) -> bool:
    return value is not ABSENT and value is not None and not isinstance(value, dict | list)


def _content(value: Any) -> Any:
    return None if value is ABSENT else value


def _merged_map(live: dict[str, Any], config: dict[str, Any], node: Node) -> Any:
    out: dict[str, Any] = {}
    for name in (*live, *(name for name in config if name not in live)):
        value = merged(live.get(name, ABSENT), config.get(name, ABSENT), node.child(name)[1])
        if value is not ABSENT:
            out[name] = value
    return out or ABSENT


def _merged_list(live: list[Any], config: list[Any], node: Node) -> Any:
    """Items of both, in the configuration's order; what only the live list has keeps its place between shared items."""
    theirs, ours = node.items(live), node.items(config)
    merging = _Merging(theirs, dict(ours), node)
    shared = [element for element, _ in ours if element in merging.live]
    left = right = 0
    while left < len(theirs) or right < len(ours):
        if left < len(theirs):
            element = theirs[left][0]
            if right < len(ours) and element == ours[right][0]:
                merging.take(element)
                left, right, shared = left + 1, right + 1, shared[1:]
                continue
            if element not in merging.config:
                merging.keep(theirs[left][1])
                left += 1
                continue
            if right < len(ours) and shared and shared[0] != element:
                left += 1  # shared, but not the next one in the configuration's order
                continue
            left += element in merging.taken
        if right < len(ours):
            merging.take(ours[right][0])
            shared = shared[1:] if shared and shared[0] == ours[right][0] else shared
            right += 1
    return merging.out or ABSENT


class _Merging:
    """The items of two lists on their way into one. Duplicates of the live list are not merged with a new item."""

    def __init__(self, theirs: list[tuple[str, Any]], config: dict[str, Any], node: Node) -> None:
        self.live: dict[str, Any] = {}
        for element, item in theirs:
            self.live[element] = None if element in self.live else item
        self.config, self.node = config, node
        self.taken: set[str] = set()
        self.out: list[Any] = []

    def take(self, element: str) -> None:
        self.taken.add(element)
        self._put(self.live.get(element, ABSENT), self.config[element])

    def keep(self, item: Any) -> None:
        self._put(item, ABSENT)

    def _put(self, live: Any, config: Any) -> None:
        inner = self.node.element
        value = config if inner is None else merged(live, config, inner)
        if value is not ABSENT:
            self.out.append(value)


def removed(value: Any, gone: FieldSet, node: Node) -> Any:
    """`value` without the fields and items of the set `gone`. What becomes empty becomes null."""
    if node.merge in ("set", "keyed"):
        return _removed_items(value, gone, node) if isinstance(value, list) else None
    if not isinstance(value, dict):
        return None if isinstance(value, list) else value
    if node.merge == "leaf":
        return None
    out: dict[str, Any] = {}
    for name, item in value.items():
        element, child = node.child(name)
        below = gone.get(element)
        if below is None:
            out[name] = item
        elif not has_self(below):
            out[name] = removed(item, below, child)
    return out or None


def _removed_items(values: list[Any], gone: FieldSet, node: Node) -> list[Any] | None:
    out = []
    for element, item in node.items(values):
        below = gone.get(element)
        if below is None:
            out.append(item)
        elif not has_self(below):
            out.append(item if node.element is None else removed(item, below, node.element))
    return out or None


def with_named_fields(fields: FieldSet, node: Node) -> FieldSet:
    """The set together with every declared field on the way to its paths: they are not owned, but go when empty."""
    out: FieldSet = {}
    for key, below in fields.items():
        if not below:
            out[key] = below
            continue
        if key.startswith("f:"):
            name = key[2:]
            inner = with_named_fields(below, node.child(name)[1])
            out[key] = with_self(inner) if name in node.fields else inner
        else:
            out[key] = below if node.element is None else with_named_fields(below, node.element)
    return out
