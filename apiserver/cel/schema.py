"""What rules know of the values that a structural schema describes: their types in CEL and how large they can be.

Source of the rules: `k8s.io/apiserver/pkg/cel/common/schemas.go`, `limits.go` there for the sizes. A value that no type
can be told of (it is preserved without one) does not exist for rules.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiserver.cel import types
from apiserver.cel.types import Type, list_of, map_of
from apiserver.schema.embedded import EMBEDDED, parts

Json = Mapping[str, Any]
RULES = "x-kubernetes-validations"
INT_OR_STRING = "x-kubernetes-int-or-string"

STEP = re.compile(r"\.([^.\[\]']+)|\['([^']*)'\]")
"""A step of a rule's fieldPath: `.name` or `['key']`."""

MAX_REQUEST = 3 * 1024 * 1024
"""Bytes of the largest request; nothing within it is larger."""
TIMES = {
    "duration": (types.DURATION, 3, 32),
    "date": (types.TIMESTAMP, 12, 12),
    "date-time": (types.TIMESTAMP, 21, 32),
}
"""Formats of strings that are values of their own in CEL: (type, bytes of the shortest, bytes of the longest)."""
_SCALARS = {"boolean": (types.BOOL, 4), "number": (types.DOUBLE, 1), "integer": (types.INT, 1)}

_RESERVED = re.compile(
    "true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void|while"
)
_ESCAPES = {".": "__dot__", "-": "__dash__", "/": "__slash__"}


def escape(name: str) -> str | None:
    """A property's name in rules; None for one that rules cannot reach."""
    if _RESERVED.fullmatch(name):
        return f"__{name}__"
    found = re.sub(r"[./\-]", lambda match: _ESCAPES[match[0]], name.replace("__", "__underscores__"))
    return found if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", found) else None


@dataclass(slots=True)
class Declared:
    """What a schema declares. `kind` is "object", "list", "map" or a scalar's type in CEL; `largest` the most elements,
    entries, characters or bytes that a value has; `smallest` the bytes of the smallest value as JSON."""

    kind: str
    scalar: Type = types.DYN
    fields: dict[str, Declared] = field(default_factory=dict)
    key: Declared | None = None
    element: Declared | None = None
    largest: int = 0
    smallest: int = 2

    @property
    def cardinality(self) -> int:
        """How many such values fit into one request, where nothing around them is bounded."""
        return MAX_REQUEST // (self.smallest + 1)


_KEY = Declared("string", types.STRING)
_OBJECT_META = {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}
_TEXT = {"type": "string"}


def with_object_fields(schema: Json) -> Json:
    """The schema of a whole object as its rules see it: of its metadata they know the names only."""
    properties = dict(schema.get("properties") or {})
    metadata = properties.get("metadata") or {}
    stated = metadata.get("properties") or {}
    known = all((properties.get(name) or {}).get("type") == "string" for name in ("apiVersion", "kind"))
    named = all((stated.get(name) or {}).get("type") == "string" for name in ("name", "generateName"))
    if known and named and metadata.get("type") == "object":
        return schema
    return {**schema, "properties": {**properties, "apiVersion": _TEXT, "kind": _TEXT, "metadata": _OBJECT_META}}


class Declarations:
    """What the parts of one version's schema declare, each looked at once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bool], tuple[Json, Declared | None]] = {}

    def of(self, schema: Json, root: bool = False) -> Declared | None:
        """None where rules cannot know the value. `root`: whether it is a whole object (the custom resource itself);
        embedded ones are found."""
        whole = root or bool(schema.get(EMBEDDED))
        key = (id(schema), whole)
        if key not in self._known:
            self._known[key] = (schema, self._declared(with_object_fields(schema) if whole else schema))
        return self._known[key][1]

    def _declared(self, schema: Json) -> Declared | None:
        if schema.get(INT_OR_STRING):
            return Declared("dyn", types.DYN, largest=_characters(schema), smallest=1)
        match schema.get("type"):
            case "array":
                return self._list(schema)
            case "object":
                rest = schema.get("additionalProperties")
                return self._map(schema, rest) if isinstance(rest, Mapping) else self._object(schema)
            case "string":
                return _string(schema)
            case "boolean" | "number" | "integer" as kind:
                scalar, smallest = _SCALARS[kind]
                return Declared(scalar.kind, scalar, smallest=smallest)
        return None

    def _list(self, schema: Json) -> Declared | None:
        items = schema.get("items")
        element = self.of(items) if isinstance(items, Mapping) else None
        if element is None:
            return None
        most = schema.get("maxItems")
        largest = max(most, 0) if most is not None else (MAX_REQUEST - 2) // (element.smallest + 1)
        return Declared("list", element=element, largest=largest)

    def _map(self, schema: Json, rest: Json) -> Declared | None:
        element = self.of(rest)
        if element is None:
            return None
        most = schema.get("maxProperties")
        largest = max(most, 0) if most is not None else (MAX_REQUEST - 2) // (element.smallest + 6)
        return Declared("map", key=_KEY, element=element, largest=largest)

    def _object(self, schema: Json) -> Declared:
        found = Declared("object")
        needed = schema.get("required") or ()
        for name, inner in (schema.get("properties") or {}).items():
            part = self.of(inner)
            if part is None:
                continue
            escaped = escape(name)
            if escaped is not None:
                found.fields[escaped] = part
            if name in needed and inner.get("default") is None:
                found.smallest += len(name.encode()) + part.smallest + 4
        return found


def _string(schema: Json) -> Declared:
    form, most, values = schema.get("format"), schema.get("maxLength"), schema.get("enum")
    if form in TIMES:
        scalar, smallest, largest = TIMES[form]
        return Declared(scalar.kind, scalar, largest=largest, smallest=smallest)
    if form == "byte":
        return Declared("bytes", types.BYTES, largest=max(most, 0) if most is not None else MAX_REQUEST - 2)
    if most is None and values:
        longest = max((len(value.encode()) for value in values if isinstance(value, str)), default=0)
        return Declared("string", types.STRING, largest=longest)
    return Declared("string", types.STRING, largest=_characters(schema))


def _characters(schema: Json) -> int:
    """The bytes of the longest string: a character can take four."""
    most = schema.get("maxLength")
    return max(most, 0) * 4 if most is not None else MAX_REQUEST - 2


class Names:
    """The types of what is declared. Objects have names that lead to their fields: they begin with a number that is
    another one every time, as on the real server, so that rules cannot use them."""

    def __init__(self) -> None:
        self._objects: dict[str, Declared] = {}

    def root(self, declared: Declared) -> Type:
        return self.type(declared, f"selfType{time.time_ns() % 10**9}")

    def type(self, declared: Declared, name: str) -> Type:
        if declared.kind == "object":
            self._objects[name] = declared
            return Type("struct", name)
        if declared.kind == "list" and declared.element is not None:
            return list_of(self.type(declared.element, f"{name}.@idx"))
        if declared.kind == "map" and declared.element is not None:
            return map_of(types.STRING, self.type(declared.element, f"{name}.@elem"))
        return declared.scalar

    def field(self, name: str, wanted: str) -> Type | None:
        """The type of an object's field; None where it has no such field. A reserved word needs no underscores."""
        declared = self._objects.get(name)
        if declared is None:
            return None
        for candidate in (wanted, f"__{wanted}__"):
            if candidate in declared.fields:
                return self.type(declared.fields[candidate], f"{name}.{candidate}")
        return None


FieldTypes = Callable[[str, str], Type | None]
"""The type of a field: (the object's type, the field's name)."""


def has_rules(schema: Json) -> bool:
    """Whether any part of a schema has rules."""
    return bool(schema.get(RULES)) or any(map(has_rules, parts(schema)))
