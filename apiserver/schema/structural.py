"""What is wrong with the schema of a CustomResourceDefinition (KEP-693: schemas must be structural).

Paths are below the schema (`properties[spec].type`); the caller puts `spec.validation.openAPIV3Schema` or
`spec.versions[0].schema.openAPIV3Schema` in front.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiserver.cel.schema import RULES
from apiserver.field import FieldError, forbidden, invalid, required
from apiserver.schema import custom, definition_schema, go_patterns, go_schema

Json = Mapping[str, Any]
WITH_STATUS = (
    *("Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum", "ExclusiveMinimum"),
    *("MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems", "MultipleOf", "Required", "Items"),
    *("Properties", "ExternalDocs", "Example", "XPreserveUnknownFields", "XValidations"),
)
"""What the root of a schema may say beside a status subresource, by Go's names."""
ROOT, FIELDS, ITEMS = "at the root", "for specified object fields", "for specified array items"
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_ONLY_OUTSIDE = {
    "type": "must be empty to be structural",
    "description": "must be empty to be structural",
    "title": "must be empty to be structural",
    "default": "must be undefined to be structural",
    "nullable": "must be false to be structural",
    "externalDocs": "must be undefined to be structural",
    RULES: "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    custom.PRESERVE: "must be false to be structural",
    custom.EMBEDDED: "must be false to be structural",
    custom.INT_OR_STRING: "must be false to be structural",
    custom.LIST_TYPE: "must be undefined to be structural",
    custom.LIST_KEYS: "must be empty to be structural",
    custom.MAP_TYPE: "must be undefined to be structural",
}
"""What a schema within allOf, anyOf, oneOf and not may not state: those only validate values."""


def root_faults(schema: Json, path: str) -> Iterator[FieldError]:
    """What the root of a schema may not say where status is a subresource, whose schema is taken out of it."""
    for name in go_schema.stated(schema):
        if name == "Type" and schema["type"] != "object":
            text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
            yield invalid(f"{path}.type", schema["type"], text)
            return
        if name not in WITH_STATUS:
            where = "fields are allowed at the root of the schema if the status subresource is enabled"
            yield invalid(path, go_schema.as_go(schema), f"only [{' '.join(WITH_STATUS)}] {where}")
            return


def faults(schema: Json, path: str, *, stored: bool = False) -> list[FieldError]:
    """Everything that is wrong with the schema of one version, in the order of the real server: what is not
    structural (or, where nothing is, defaults), then what no schema of a definition may say. `stored`: whether it is
    stored already, so that its rules stand."""
    found = [forbidden(f"{path}.nullable", "nullable cannot be true at the root")] if schema.get("nullable") else []
    if _convertible(schema):
        unstructured = sorted([*_invariants(schema, path, ROOT), *_completeness(schema, schema, path, path)], key=str)
        found += unstructured or _defaults(schema, path)
    return found + definition_schema.faults(schema, path, expressions=not found and not stored)


def _convertible(schema: Json) -> bool:
    """Whether a schema has a structural form at all: what has none is only reported as unsupported."""
    if any(schema.get(name) for name in definition_schema.UNSUPPORTED) or isinstance(schema.get("items"), list):
        return False
    return all(_convertible(inner) for inner, _, _ in _children(schema, ""))


def _children(schema: Json, path: str) -> Iterator[tuple[Json, str, str]]:
    """(schema, path, what it describes) of the structural parts below a schema."""
    for name, inner in sorted((schema.get("properties") or {}).items()):
        yield inner, f"{path}.properties[{name}]", FIELDS
    if isinstance(schema.get("items"), Mapping):
        yield schema["items"], f"{path}.items", ITEMS
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield schema["additionalProperties"], f"{path}.additionalProperties", FIELDS


def _invariants(schema: Json, path: str, level: str) -> Iterator[FieldError]:
    yield from _type(schema, path, level)
    yield from _object_fields(schema, path, level)
    yield from _extensions(schema, path)
    yield from _pattern(schema, path)
    yield from _junctors(schema, path)
    for inner, below, what in _children(schema, path):
        yield from _invariants(inner, below, what)


def _type(schema: Json, path: str, level: str) -> Iterator[FieldError]:
    kind = schema.get("type")
    if schema.get(custom.EMBEDDED) and kind != "object":
        text = f"must be object if {custom.EMBEDDED} is true"
        yield invalid(f"{path}.type", kind, text) if kind else required(f"{path}.type", text)
    elif not kind and not schema.get(custom.INT_OR_STRING) and not schema.get(custom.PRESERVE):
        yield required(f"{path}.type", f"must not be empty {level}")
    if level == ROOT and kind and kind != "object":
        yield invalid(f"{path}.type", kind, "must be object at the root")
    if kind == "array" and not isinstance(schema.get("items"), Mapping):
        yield required(f"{path}.items", "must be specified")


def _object_fields(schema: Json, path: str, level: str) -> Iterator[FieldError]:
    """apiVersion, kind and metadata of the object itself and of embedded ones."""
    properties, root = schema.get("properties") or {}, level == ROOT
    embedded, rest = schema.get(custom.EMBEDDED), schema.get("additionalProperties")
    if root and rest is not None:
        yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if embedded and rest is not None:
        text = f"must not be used if {custom.EMBEDDED} is set"
        yield forbidden(f"{path}.additionalProperties", text)
    if embedded and not schema.get(custom.PRESERVE) and not properties:
        text = f"must not be empty if {custom.EMBEDDED} is true without {custom.PRESERVE}"
        yield required(f"{path}.properties", text)
    if not root and not embedded:
        return
    for name, kind in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        if name in properties and properties[name].get("type") != kind:
            yield invalid(f"{path}.properties[{name}].type", properties[name].get("type", ""), f"must be {kind}")
    if root and _says_more_than_names(properties.get("metadata") or {}):
        text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(f"{path}.properties[metadata]", text)


def _says_more_than_names(metadata: Json) -> bool:
    stated = {name for name, value in metadata.items() if value not in (None, False, "", [], {})}
    if stated - {"type", "properties", "default"}:
        return True
    return not set(metadata.get("properties") or ()) <= {"name", "generateName"}


def _extensions(schema: Json, path: str) -> Iterator[FieldError]:
    if not schema.get(custom.INT_OR_STRING):
        return
    for name in (custom.PRESERVE, custom.EMBEDDED):
        if schema.get(name):
            yield invalid(f"{path}.{name}", True, f"must be false if {custom.INT_OR_STRING} is true")


def _pattern(schema: Json, path: str) -> Iterator[FieldError]:
    pattern = schema.get("pattern")
    why = go_patterns.fault(pattern) if isinstance(pattern, str) and pattern else ""
    if why:
        yield invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {why}")


_EITHER = [{"type": "integer"}, {"type": "string"}]
"""The one place for types in junctors: how an int-or-string is spelt out."""


def _parts(schema: Json, path: str) -> Iterator[tuple[Json, str]]:
    """The schemas that only validate values, with their paths."""
    for name in _JUNCTORS:
        for at, inner in enumerate(schema.get(name) or ()):
            yield inner, f"{path}.{name}[{at}]"
    if isinstance(schema.get("not"), Mapping):
        yield schema["not"], f"{path}.not"


def _junctors(schema: Json, path: str, spelt_out: bool = True) -> Iterator[FieldError]:
    """`spelt_out`: whether `anyOf` may be an integer or a string (outside, or in the first of `allOf`)."""
    for inner, below in _parts(schema, path):
        if spelt_out and below.startswith(f"{path}.anyOf") and schema["anyOf"] == _EITHER:
            continue
        yield from _values_only(inner, below, spelt_out and below == f"{path}.allOf[0]")


def _values_only(schema: Json, path: str, spelt_out: bool = False) -> Iterator[FieldError]:
    """A schema within a junctor: it may only narrow what the schema outside states."""
    for name, text in _ONLY_OUTSIDE.items():
        if schema.get(name):
            yield forbidden(f"{path}.{name}", text)
    yield from _pattern(schema, path)
    yield from _junctors(schema, path, spelt_out)
    properties = schema.get("properties") or {}
    if "metadata" in properties:
        yield forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")
    for name, inner in sorted(properties.items()):
        yield from _values_only(inner, f"{path}.properties[{name}]")
    if isinstance(schema.get("items"), Mapping):
        yield from _values_only(schema["items"], f"{path}.items")


def _completeness(values: Json, outer: Json | None, where: str, path: str) -> Iterator[FieldError]:
    """What junctors of the root mention and the schema outside (at `where`) does not. Those further inside are not
    looked at: the real server checks the root's only."""
    if outer is None:
        yield required(where, f"because it is defined in {path}")
        return
    for inner, below in _parts(values, path):
        yield from _mentioned(inner, outer, where, below)


def _mentioned(values: Json, outer: Json, where: str, path: str) -> Iterator[FieldError]:
    yield from _completeness(values, outer, where, path)
    known, named = outer.get("properties") or {}, values.get("properties") or {}
    inside = [(f".properties[{name}]", inner, known.get(name)) for name, inner in named.items()]
    if isinstance(values.get("items"), Mapping):
        inside.append((".items", values["items"], outer.get("items")))
    for suffix, inner, stated in inside:
        if stated is None:
            yield required(where + suffix, f"because it is defined in {path}{suffix}")
        else:
            yield from _mentioned(inner, stated, where + suffix, path + suffix)


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
