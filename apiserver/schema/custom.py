"""Custom resources: a CustomResourceDefinition's openAPIV3Schema as a `Type`, its pruning, defaulting and validation.

Source of the rules: KEP-693 (structural schemas), apiextensions' pruning, defaulting and listtype packages.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from apiserver.cel.schema import has_rules
from apiserver.field import FieldError, duplicate, invalid
from apiserver.schema import custom_validation, embedded
from apiserver.schema.decode import compiled
from apiserver.schema.embedded import member, parts
from apiserver.schema.registry import META, Schemas
from apiserver.schema.types import Field, Shape, Type

Json = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
EMBEDDED = embedded.EMBEDDED
LIST_TYPE = "x-kubernetes-list-type"
LIST_KEYS = "x-kubernetes-list-map-keys"
MAP_TYPE = "x-kubernetes-map-type"
_SCALARS: dict[str, Shape] = {"string": "string", "boolean": "bool", "integer": "int64", "number": "float64"}
BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
"""Reasons of faults after which rules are not evaluated: what they rely on does not hold (KEP-2876)."""
UNCHECKED = invalid(
    "<nil>",
    None,
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation",
)
SOUND = 10_000
"""Objects of one kind that are remembered to keep all rules."""
EXACT = 2**53
"""Up to here a float64 holds every integer."""


class CustomSchema:
    """One version of a custom kind.

    `type` goes into `Kind.schema`: decoding an object through it prunes and defaults. `validate` answers what is wrong
    with a pruned and defaulted object.
    """

    def __init__(
        self, published: Mapping[str, Any] | None, schemas: Schemas, group: str, version: str, kind: str
    ) -> None:
        self.schema: Json = dict(published or {PRESERVE: True, "type": "object"})
        self.object_meta = schemas.definition(META + "ObjectMeta")
        self._has_rules = has_rules(self.schema)
        self._has_unique_items = has_unique_items(self.schema)
        self._has_embedded = embedded.inside(self.schema)
        self._validator: custom_validation.Validator | None = None
        self._status_validator: custom_validation.Validator | None = None
        self._sound: dict[str, None] = {}
        self.type = self._type(f"{group}/{version}", kind)

    def _type(self, api_version: str, kind: str) -> Type:
        found = custom_type(self.schema, self.object_meta, f"{api_version}.{kind}")
        found.shape, found.element, found.owner = "struct", None, kind
        for name in ("apiVersion", "kind"):
            found.fields[name] = Field(name, Type("string", go="string"), pointer=True)
        found.fields["metadata"] = Field("metadata", self.object_meta)
        found.published = self.schema
        found.recursive = True
        found.decoder = self._decode
        return found

    def _decode(self, value: Any) -> Any:
        metadata = value.get("metadata") if isinstance(value, dict) else None
        found = self.defaulted(value)
        found["metadata"] = compiled(self.object_meta)({} if metadata is None else metadata)
        return found

    def defaulted(self, value: Json, *, stored: bool = False) -> Json:
        """The object pruned, without nulls that may not be, and with defaults. The argument is not changed."""
        found = self.pruned(value, stored=stored)
        default(found, self.schema)
        return found

    def pruned(self, value: Json, *, stored: bool = False) -> Json:
        """The object without what the schema does not know and without nulls that may not be. The argument is not
        changed. What embedded objects may not hold is dropped where it is stored already. Raises DecodeError."""
        found: Json = prune(value, self.schema, root=True)
        drop_nulls(found, self.schema)
        if self._has_embedded:
            embedded.coerce(found, self.schema, self.object_meta, drop=stored)
        return found

    def validate(self, obj: Json, old: Json | None = None) -> list[FieldError]:
        """What is wrong with an object. With `old`, faults of parts that an update left alone are overlooked (KEP-4008:
        ratcheting); of items that lists hold twice all are, where there were some before."""
        if self._validator is None:
            self._validator = custom_validation.Validator(self.schema)
        content, before = _content(obj), None if old is None else _content(old)
        found = self._validator.faults(content, before)
        found += embedded.faults(content, self.schema, "")
        return self._with_rules(found + self._twice(content, before), obj, old)

    def validate_status(self, obj: Json, old: Json) -> list[FieldError]:
        """What is wrong with an object whose status is updated: only that is looked at, but by rules."""
        if self._status_validator is None:
            status = {name: part for name, part in (self.schema.get("properties") or {}).items() if name == "status"}
            self._status_validator = custom_validation.Validator({"type": "object", "properties": status})
        content, before = ({key: one[key] for key in ("status",) if key in one} for one in (obj, old))
        found = self._status_validator.faults(content, before)
        return self._with_rules(found + self._twice(_content(obj), _content(old)), obj, old)

    def _twice(self, content: Json, before: Json | None) -> list[FieldError]:
        found = repeated(content, self.schema, "") if self._has_unique_items else []
        return [] if found and before is not None and repeated(before, self.schema, "") else found

    def _with_rules(self, found: list[FieldError], obj: Json, old: Json | None) -> list[FieldError]:
        if self._has_rules:
            from apiserver.cel import rules

            blocked = any(fault.reason in BLOCKING for fault in found)
            found += [UNCHECKED] if blocked else rules.faults(obj, self.schema, old)
        return found

    def ratcheted(self, obj: Json, old: Json) -> list[str]:
        """Warnings about rules that parts of an accepted update break as they did before it. An object of which nothing
        of the kind is known to be true (by its uid) is not looked at again: its changes are judged."""
        uid = (obj.get("metadata") or {}).get("uid", "")
        if not self._has_rules or uid in self._sound:
            return []
        from apiserver.cel import rules

        found = rules.ratcheted(obj, self.schema, old)
        if not found:
            self._sound[uid] = None
            if len(self._sound) > SOUND:
                del self._sound[next(iter(self._sound))]
        return found


def _content(obj: Json) -> Json:
    return {key: value for key, value in obj.items() if key != "metadata"}


def custom_type(schema: Mapping[str, Any], meta: Type, go: str = "") -> Type:
    """The `Type` of a structural schema. Fields are pointers: custom resources keep every zero value. `meta` is that of
    the metadata of embedded resources."""
    kind = schema.get("type", "")
    if schema.get(INT_OR_STRING):
        return Type("intstr", go="int32")
    if kind == "array":
        return _list(schema, meta)
    if kind in _SCALARS:
        shape = _SCALARS[kind]
        return Type(shape, go=shape)
    if schema.get("properties") or schema.get(EMBEDDED) or go:
        return _struct(schema, meta, go)
    inner = schema.get("additionalProperties")
    if isinstance(inner, Mapping):
        atomic = schema.get(MAP_TYPE) == "atomic"
        return Type("map", go="map[string]interface {}", element=custom_type(inner, meta), atomic=atomic)
    if kind == "object" and not schema.get(PRESERVE) and inner is None:
        return _struct(schema, meta, go)
    return Type("any", go="interface {}", preserve_unknown=True)


def _list(schema: Mapping[str, Any], meta: Type) -> Type:
    items = schema.get("items") or {}
    found = Type("list", go="[]interface {}", element=custom_type(items, meta))
    found.list_type = schema.get(LIST_TYPE) or ""
    found.list_map_keys = tuple(schema.get(LIST_KEYS) or ())
    properties = items.get("properties") or {}
    found.key_defaults = {
        key: properties[key]["default"] for key in found.list_map_keys if "default" in properties.get(key, {})
    }
    return found


def _struct(schema: Mapping[str, Any], meta: Type, go: str) -> Type:
    found = Type("struct", name=go, go=go or "map[string]interface {}")
    found.preserve_unknown = bool(schema.get(PRESERVE))
    found.atomic = schema.get(MAP_TYPE) == "atomic"
    names = schema.get("required") or ()
    for name, inner in (schema.get("properties") or {}).items():
        found.fields[name] = Field(
            name,
            custom_type(inner, meta),
            required=name in names,
            pointer=True,
            description=inner.get("description", ""),
            default=inner.get("default"),
            nullable=bool(inner.get("nullable")),
        )
    if schema.get(EMBEDDED):
        for name in ("apiVersion", "kind"):
            found.fields.setdefault(name, Field(name, Type("any", go="interface {}"), pointer=True))
        found.fields["metadata"] = Field("metadata", meta, pointer=True)  # whatever the schema says of it
    return found


_OBJECT_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


def prune(value: Any, schema: Mapping[str, Any], root: bool = False) -> Any:
    """A copy of `value` without the fields that the schema does not name, and with whole numbers as integers."""
    if isinstance(value, dict):
        known = schema.get("properties") or {}
        rest = schema.get("additionalProperties")
        keep = bool(schema.get(PRESERVE)) or rest is True
        whole = _OBJECT_FIELDS if root or schema.get(EMBEDDED) else ()
        found = {}
        for key, item in value.items():
            if key in known and key not in whole:
                found[key] = prune(item, known[key])
            elif isinstance(rest, Mapping):
                found[key] = prune(item, rest)
            elif keep or key in whole:
                found[key] = _copy(item)
        return found
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, Mapping):
            return [prune(item, items) for item in value]
    return _copy(value)


def _copy(value: Any) -> Any:
    """A deep copy; a number that is whole is an integer, as Go writes it."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    if type(value) is float and value.is_integer() and abs(value) < EXACT:
        return int(value)
    return value


def drop_nulls(value: Any, schema: Mapping[str, Any]) -> None:
    """Remove members that are null where the schema does not allow null (in place)."""
    if isinstance(value, dict):
        for key, item in list(value.items()):
            inner = member(schema, key)
            if inner is None:
                continue
            if item is None and not inner.get("nullable"):
                del value[key]
            else:
                drop_nulls(item, inner)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for item in value:
            drop_nulls(item, schema["items"])


def default(value: Any, schema: Mapping[str, Any]) -> None:
    """Fill in defaults of members that are absent (in place)."""
    if isinstance(value, dict):
        for key, inner in (schema.get("properties") or {}).items():
            if inner.get("default") is not None and key not in value:
                value[key] = copy.deepcopy(inner["default"])
        for key, item in value.items():
            inner = member(schema, key)
            if inner is not None:
                default(item, inner)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for item in value:
            default(item, schema["items"])


def has_unique_items(schema: Mapping[str, Any]) -> bool:
    """Whether any list of a schema may hold no item twice."""
    return schema.get(LIST_TYPE) in ("set", "map") or any(map(has_unique_items, parts(schema)))


def repeated(value: Any, schema: Mapping[str, Any], path: str) -> list[FieldError]:
    """Items that a set or a keyed list holds twice."""
    if isinstance(value, dict):
        found = []
        for key, item in value.items():
            inner = member(schema, key)
            found += [] if inner is None else repeated(item, inner, f"{path}.{key}" if path else key)
        return found
    if not isinstance(value, list):
        return []
    items = schema.get("items") or {}
    inside = [fault for at, item in enumerate(value) for fault in repeated(item, items, f"{path}[{at}]")]
    return _repeated_items(value, schema, path) + inside


def _repeated_items(value: list[Any], schema: Mapping[str, Any], path: str) -> list[FieldError]:
    list_type = schema.get(LIST_TYPE)
    if list_type not in ("set", "map"):
        return []
    keys = schema.get(LIST_KEYS) or ()
    seen: list[Any] = []
    found = []
    for at, item in enumerate(value):
        if list_type == "map":
            if not isinstance(item, dict):
                continue
            item = {key: item[key] for key in keys if key in item}
        if item in seen and found_once(item, seen):
            found.append(duplicate(f"{path}[{at}]", item))
        seen.append(item)
    return found


def found_once(item: Any, seen: list[Any]) -> bool:
    """Whether this is the first repetition: each value is reported once. (True == 1 in Python, not in JSON.)"""
    return sum(1 for other in seen if other == item and type(other) is type(item)) == 1
