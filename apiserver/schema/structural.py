"""What is wrong with the schema of a CustomResourceDefinition (KEP-693: schemas must be structural).

Paths are below the schema (`properties[spec].type`); the caller puts `spec.validation.openAPIV3Schema` or
`spec.versions[0].schema.openAPIV3Schema` in front.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from apiserver.field import FieldError, forbidden, invalid, not_supported, required
from apiserver.schema import cel, custom

Json = Mapping[str, Any]
TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = ("$ref", "definitions", "dependencies", "id", "additionalItems", "patternProperties")
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_ONLY_OUTSIDE = {
    "type": "must be empty to be structural",
    "description": "must be empty to be structural",
    "title": "must be empty to be structural",
    "default": "must be undefined to be structural",
    "nullable": "must be false to be structural",
    "additionalProperties": "must be undefined to be structural",
    custom.PRESERVE: "must be false to be structural",
    custom.EMBEDDED: "must be false to be structural",
    custom.INT_OR_STRING: "must be false to be structural",
    custom.LIST_TYPE: "must be undefined to be structural",
    custom.LIST_KEYS: "must be empty to be structural",
    custom.MAP_TYPE: "must be undefined to be structural",
}
"""What a schema within allOf, anyOf, oneOf and not may not state: those only validate values."""


def faults(schema: Json, path: str) -> list[FieldError]:
    """Everything that is wrong with the schema of one version."""
    found = [*_root(schema, path), *_walk(schema, path)]
    if not found:
        found = [*_defaults(schema, path), *cel.definition_faults(schema, path)]
    return found


def _root(schema: Json, path: str) -> Iterator[FieldError]:
    kind = schema.get("type")
    if not kind:
        yield required(f"{path}.type", "must not be empty at the root")
    elif kind != "object":
        yield invalid(f"{path}.type", kind, "must be object at the root")
    metadata = (schema.get("properties") or {}).get("metadata") or {}
    if set(metadata.get("properties") or ()) - {"name", "generateName"}:
        text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(f"{path}.properties[metadata]", text)


def _children(schema: Json, path: str) -> Iterator[tuple[Json, str, str]]:
    """(schema, path, what it describes) of the structural parts below a schema."""
    for name, inner in sorted((schema.get("properties") or {}).items()):
        yield inner, f"{path}.properties[{name}]", "object fields"
    if isinstance(schema.get("items"), Mapping):
        yield schema["items"], f"{path}.items", "array items"
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield schema["additionalProperties"], f"{path}.additionalProperties", "object fields"


def _walk(schema: Json, path: str) -> Iterator[FieldError]:
    yield from _forbidden(schema, path)
    yield from _type(schema, path)
    yield from _lists(schema, path)
    yield from _pattern(schema, path)
    for name in _JUNCTORS:
        for at, inner in enumerate(schema.get(name) or ()):
            yield from _values_only(inner, schema, f"{path}.{name}[{at}]")
    if isinstance(schema.get("not"), Mapping):
        yield from _values_only(schema["not"], schema, f"{path}.not")
    for inner, below, what in _children(schema, path):
        yield from _stated(inner, below, what)
        yield from _walk(inner, below)


def _forbidden(schema: Json, path: str) -> Iterator[FieldError]:
    for name in _UNSUPPORTED:
        if schema.get(name):
            yield forbidden(f"{path}.{name}", f"{name} is not supported")
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", text)
    rest = schema.get("additionalProperties")
    if rest is False:
        yield forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false")
    if rest is not None and schema.get("properties"):
        text = "additionalProperties and properties are mutual exclusive"
        yield forbidden(f"{path}.additionalProperties", text)
    if schema.get(custom.PRESERVE) is False:
        yield invalid(f"{path}.{custom.PRESERVE}", False, "must be true or undefined")


def _type(schema: Json, path: str) -> Iterator[FieldError]:
    kind = schema.get("type")
    if kind == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    elif kind and kind not in TYPES:
        yield not_supported(f"{path}.type", kind, TYPES)
    if kind and schema.get(custom.INT_OR_STRING):
        yield invalid(f"{path}.type", kind, f"must be empty if {custom.INT_OR_STRING} is true")
    if kind == "array" and not isinstance(schema.get("items"), Mapping):
        yield required(f"{path}.items", "must be specified")
    if schema.get(custom.EMBEDDED):
        if kind != "object":
            yield invalid(f"{path}.type", kind or "", f"must be object if {custom.EMBEDDED} is true")
        if not schema.get("properties") and not schema.get(custom.PRESERVE):
            text = f"must not be empty if {custom.EMBEDDED} is true without {custom.PRESERVE}"
            yield required(f"{path}.properties", text)


def _stated(schema: Json, path: str, what: str) -> Iterator[FieldError]:
    exempt = schema.get(custom.INT_OR_STRING) or schema.get(custom.PRESERVE) or schema.get("$ref")
    if not schema.get("type") and not exempt:
        yield required(f"{path}.type", f"must not be empty for specified {what}")


def _lists(schema: Json, path: str) -> Iterator[FieldError]:
    list_type, kind = schema.get(custom.LIST_TYPE), schema.get("type")
    keys, items = schema.get(custom.LIST_KEYS) or (), schema.get("items") or {}
    if list_type is not None:
        if kind != "array":
            text = f"must be array if {custom.LIST_TYPE} is specified"
            yield invalid(f"{path}.type", kind, text) if kind else required(f"{path}.type", text)
        if list_type not in ("atomic", "map", "set"):
            yield not_supported(f"{path}.{custom.LIST_TYPE}", list_type, ["atomic", "map", "set"])
    if keys and list_type != "map":
        text = f"must be map if {custom.LIST_KEYS} is non-empty"
        where = f"{path}.{custom.LIST_TYPE}"
        yield invalid(where, list_type, text) if list_type else required(where, text)
    if list_type == "map":
        yield from _keyed(items, keys, path)
    map_type = schema.get(custom.MAP_TYPE)
    if map_type is not None and map_type not in ("atomic", "granular"):
        yield not_supported(f"{path}.{custom.MAP_TYPE}", map_type, ["atomic", "granular"])


def _keyed(items: Json, keys: Any, path: str) -> Iterator[FieldError]:
    if not keys:
        yield required(f"{path}.{custom.LIST_KEYS}", f"must not be empty if {custom.LIST_TYPE} is map")
    if items.get("type") != "object":
        text = f"must be object if parent array's {custom.LIST_TYPE} is map"
        yield invalid(f"{path}.items.type", items.get("type") or "", text)
        return
    properties = items.get("properties") or {}
    for at, key in enumerate(keys):
        if key not in properties:
            yield invalid(f"{path}.{custom.LIST_KEYS}[{at}]", key, "entries must all be names of item properties")
        elif properties[key].get("type") in ("array", "object"):
            text = f"must be a scalar type if parent array's {custom.LIST_TYPE} is map"
            yield invalid(f"{path}.items.properties[{key}].type", properties[key]["type"], text)
        elif key not in (items.get("required") or ()) and properties[key].get("default") is None:
            text = f"this property is in {custom.LIST_KEYS}, so it must have a default or be a required property"
            yield required(f"{path}.items.properties[{key}].default", text)


_REGULAR_EXPRESSION_FAULTS = (
    ("missing ), unterminated subpattern", "missing closing ): `{}`"),
    ("unterminated character set", "missing closing ]: `{}`"),
    ("unbalanced parenthesis", "unexpected ): `{}`"),
    ("nothing to repeat", "missing argument to repetition operator: `{}`"),
    ("multiple repeat", "invalid nested repetition operator: `{}`"),
)
"""Python's complaint about a pattern -> Go's."""


def pattern_fault(pattern: str) -> str:
    """Why Go's regexp refuses a pattern; "" where it does not."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        text = str(error)
        rest = pattern[getattr(error, "pos", 0) or 0 :]
        for known, go in _REGULAR_EXPRESSION_FAULTS:
            if text.startswith(known):
                shown = rest[:1] if "repetition" in go else rest if "]" in go else pattern
                return "error parsing regexp: " + go.format(shown)
        return f"error parsing regexp: invalid syntax: `{pattern}`"
    look = re.search(r"(?<!\\)\(\?(<?[=!])", pattern)
    return f"error parsing regexp: invalid or unsupported Perl syntax: `(?{look[1]}`" if look else ""


def _pattern(schema: Json, path: str) -> Iterator[FieldError]:
    pattern = schema.get("pattern")
    why = pattern_fault(pattern) if isinstance(pattern, str) and pattern else ""
    if why:
        yield invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {why}")


def _values_only(schema: Json, outer: Json, path: str) -> Iterator[FieldError]:
    """A schema within a junctor: it may only narrow what the schema outside states."""
    int_or_string = outer.get(custom.INT_OR_STRING)
    for name, text in _ONLY_OUTSIDE.items():
        if schema.get(name) and not (name == "type" and int_or_string):
            yield forbidden(f"{path}.{name}", text)
    yield from _pattern(schema, path)
    known = outer.get("properties") or {}
    for name, inner in sorted((schema.get("properties") or {}).items()):
        if name not in known and not isinstance(outer.get("additionalProperties"), Mapping):
            where = re.sub(r"\.(allOf|anyOf|oneOf)\[\d+\]|\.not\b", "", path)
            yield required(f"{where}.properties[{name}]", f"because it is defined in {path}.properties[{name}]")
        else:
            yield from _values_only(inner, known.get(name) or {}, f"{path}.properties[{name}]")
    for name in _JUNCTORS:
        for at, inner in enumerate(schema.get(name) or ()):
            yield from _values_only(inner, outer, f"{path}.{name}[{at}]")


def _defaults(schema: Json, path: str) -> Iterator[FieldError]:
    """Defaults must be what the schema asks for, pruned."""
    if "default" in schema and schema["default"] is not None:
        yield from _default(schema, path)
    for inner, below, _ in _children(schema, path):
        yield from _defaults(inner, below)


def _default(schema: Json, path: str) -> Iterator[FieldError]:
    from apiserver.schema.custom_validation import Validator

    value = schema["default"]
    if custom.prune(value, schema) != value:
        yield invalid(f"{path}.default", value, "must not have unknown fields")
    for fault in Validator(schema).faults(value):
        inside = "" if fault.field == "<nil>" else f".{fault.field}"
        yield fault._replace(field=f"{path}.default{inside}")
