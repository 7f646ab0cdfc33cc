"""Types as structured merge diff sees them: what is merged field by field or item by item, and what is one value.

A `Node` is made once per Type. How a list or map merges follows its topology markers (x-kubernetes-list-type,
list-map-keys, map-type); a list without them follows the patch strategy of its field.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Literal

from apiserver.patch.fieldset import SELF, FieldSet, json_text, rank
from apiserver.schema.decode import compiled
from apiserver.schema.scalars import ZEROS
from apiserver.schema.types import Field, Type

Merge = Literal["leaf", "struct", "map", "set", "keyed", "deduced"]
FLAT_SETS = 64
"""Sets that a struct keeps: clients write its fields in a few orders, if they mean well."""
_JSON_TYPES = ("JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray")


class Untypable(Exception):
    """A value that its type's merge rules cannot take (a list item without its key)."""


class Node:
    """merge: leaf (scalar or atomic), struct (named fields), map (free keys), set, keyed (list by keys), deduced (any
    JSON: objects by field, the rest leaves)."""

    __slots__ = ("_empty", "_fields", "_flat", "_map_child", "element", "keys", "merge", "prefix", "type")

    def __init__(self, kind: Type | None, merge: Merge, keys: tuple[str, ...] = ()) -> None:
        self.type, self.merge, self.keys = kind, merge, keys
        self.prefix = f'k:{{"{keys[0]}":' if keys else ""
        self.element: Node | None = None
        self._fields: dict[str, tuple[str, Node]] | None = None
        self._map_child: Node | None = None
        self._empty: dict[str, Any] | None = None
        self._flat: dict[tuple[str, ...], FieldSet | None] = {}

    @property
    def empty(self) -> dict[str, Any]:
        """An object of which nothing was ever set, as Go encodes it: structs that are no pointers are there."""
        if self._empty is None and self.type is not None:
            self._empty = compiled(self.type)({})
        return self._empty or {}

    @property
    def fields(self) -> dict[str, tuple[str, Node]]:
        """Declared fields: name -> (path element, node). At first use, not before: types may contain themselves."""
        if self._fields is None:
            declared = self.type.fields if self.type is not None and self.merge == "struct" else {}
            self._fields = {name: (f"f:{name}", node_of_field(field)) for name, field in declared.items()}
        return self._fields

    def flat(self, value: dict[str, Any]) -> FieldSet | None:
        """The set of a struct that has only leaves, None for others. It depends on nothing but the names of its fields,
        so that the many alike (environment variables, ports, conditions) share one."""
        names = tuple(value)
        if names in self._flat:
            return self._flat[names]
        fields = self.fields
        if len(self._flat) >= FLAT_SETS or any(name not in fields for name in names):
            return None
        children = [fields[name] for name in sorted(names)]
        leaves = all(child.merge == "leaf" for _, child in children)
        found: FieldSet | None = {SELF: {}, **{element: {} for element, _ in children}} if leaves else None
        self._flat[names] = found
        return found

    def child(self, name: str) -> tuple[str, Node]:
        """The path element and node of a key, declared or not."""
        found = (self.fields if self._fields is None else self._fields).get(name)
        if found is not None:
            return found
        if self._map_child is None:
            inner = self.type.element if self.merge == "map" and self.type is not None else None
            self._map_child = _DEDUCED if inner is None else node_of(inner)
        return f"f:{name}", self._map_child

    def closed(self, name: str) -> bool:
        """Whether the schema has no place for this key."""
        open_ended = self.merge != "struct" or (self.type is not None and self.type.preserve_unknown)
        return not open_ended and name not in self.fields

    def items(self, values: list[Any]) -> list[tuple[str, Any]]:
        """(path element, item) of a set or keyed list, in the list's order. Raises Untypable."""
        if not isinstance(values, list):
            raise Untypable("expected list")
        if self.merge == "set":
            return [(_set_element(value), value) for value in values]
        if len(self.keys) == 1:
            return [(f"{self.prefix}{_text(self._only_key(item))}}}", item) for item in values]
        return [(self._keyed_element(item), item) for item in values]

    def _only_key(self, item: Any) -> Any:
        value = self._key_value(item, self.keys[0])
        if value is _ABSENT:
            raise self._without_keys()
        return value

    def _keyed_element(self, item: Any) -> str:
        """Of the keys that the item has; one is enough."""
        found = {key: value for key in self.keys if (value := self._key_value(item, key)) is not _ABSENT}
        if not found:
            raise self._without_keys()
        return "k:" + json_text(found)

    def _without_keys(self) -> Untypable:
        names = " ".join(_quoted(key) for key in self.keys)
        return Untypable(
            f"associative list with keys has an element that omits all key fields [{names}] (and doesn't have default "
            "values for any key fields)"
        )

    def _key_value(self, item: Any, key: str) -> Any:
        """The value of a list map key in an item, its default, or _ABSENT. Raises Untypable."""
        if not isinstance(item, dict):
            what = "a null element" if item is None else "non-map elements"
            raise Untypable(f"associative list with keys may not have {what}")
        if key in item:
            return item[key]
        kind = self.type
        if kind is not None and key in kind.key_defaults:
            return kind.key_defaults[key]
        declared = kind.element.fields.get(key) if kind is not None and kind.element is not None else None
        if declared is not None and declared.default is not None:
            return declared.default
        if declared is not None and declared.required and not declared.pointer and declared.type.shape in ZEROS:
            return ZEROS[declared.type.shape]
        return _ABSENT

    def elements(self, keys: list[str]) -> list[tuple[str, str]]:
        """(path element, key) for texts that are keys of a list with one, in the order of the field set."""
        pairs = [(f"{self.prefix}{_quoted(key)}}}", key) for key in keys]
        return pairs if len(pairs) < 2 else sorted(pairs, key=lambda pair: rank(pair[0]))

    def sorted_items(self, values: list[Any]) -> Iterator[tuple[str, Any]]:
        """`items` in the order of the field set."""
        pairs = self.items(values)
        return iter(pairs if len(pairs) < 2 else sorted(pairs, key=lambda pair: rank(pair[0])))


_ABSENT = object()
_DEDUCED = Node(None, "deduced")


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return json_text(text)


def _text(value: Any) -> str:
    """A key or item of a set in a path element. Only texts are cached: 1 and true would be one entry."""
    return _quoted(value) if isinstance(value, str) else json_text(value)


def _set_element(value: Any) -> str:
    if value is None:
        raise Untypable("associative list without keys has an element that's an explicit null")
    if isinstance(value, dict):
        raise Untypable("associative list without keys has an element that's a map type")
    if isinstance(value, list):
        raise Untypable("not supported: associative list with lists as elements")
    return f"v:{_text(value)}"


@lru_cache(maxsize=8192)
def node_of(kind: Type, strategy: tuple[str, ...] = (), merge_key: str = "") -> Node:
    """The node of a type; `strategy` and `merge_key` are the field's, for lists that say nothing themselves."""
    match kind.shape:
        case "struct":
            return Node(kind, "leaf" if kind.atomic else "struct")
        case "map":
            return Node(kind, "leaf" if kind.atomic else "map")
        case "list":
            return _list_node(kind, strategy, merge_key)
        case "any":
            return Node(kind, "leaf" if kind.name.rpartition(".")[2] in _JSON_TYPES else "deduced")
    return Node(kind, "leaf")


def node_of_field(field: Field) -> Node:
    if field.type.shape == "list" and not field.type.list_type:
        return node_of(field.type, field.patch_strategy, field.patch_merge_key)
    return node_of(field.type)


def _list_node(kind: Type, strategy: tuple[str, ...], merge_key: str) -> Node:
    keys = kind.list_map_keys
    merge: Merge = {"map": "keyed", "set": "set"}.get(kind.list_type, "leaf")  # type: ignore[assignment]
    if not kind.list_type and "merge" in strategy:
        merge, keys = ("keyed", (merge_key,)) if merge_key else ("set", ())
    found = Node(kind, merge, tuple(sorted(keys)) if merge == "keyed" else ())
    if merge in ("keyed", "set") and kind.element is not None:
        found.element = node_of(kind.element)
    return found
