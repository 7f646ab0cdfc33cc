"""A schema as the bad value of an error: Go's internal JSONSchemaProps, which has no JSON names, every field stated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]
_TEXTS = {"id": "ID", "$schema": "Schema", "description": "", "type": "", "format": "", "title": "", "pattern": ""}
_FLAGS = {
    "nullable": "",
    "exclusiveMaximum": "",
    "exclusiveMinimum": "",
    "uniqueItems": "",
    "x-kubernetes-embedded-resource": "XEmbeddedResource",
    "x-kubernetes-int-or-string": "XIntOrString",
}
_OWN_NAMES = {
    "$ref": "Ref",
    "x-kubernetes-preserve-unknown-fields": "XPreserveUnknownFields",
    "x-kubernetes-list-map-keys": "XListMapKeys",
    "x-kubernetes-list-type": "XListType",
    "x-kubernetes-map-type": "XMapType",
    "x-kubernetes-validations": "XValidations",
}
_ORDER = (
    "id $schema $ref description type nullable format title default maximum exclusiveMaximum minimum "
    "exclusiveMinimum maxLength minLength pattern maxItems minItems uniqueItems multipleOf enum maxProperties "
    "minProperties required items allOf oneOf anyOf not properties additionalProperties patternProperties "
    "dependencies additionalItems definitions externalDocs example x-kubernetes-preserve-unknown-fields "
    "x-kubernetes-embedded-resource x-kubernetes-int-or-string x-kubernetes-list-map-keys x-kubernetes-list-type "
    "x-kubernetes-map-type x-kubernetes-validations"
).split()


def go_name(name: str) -> str:
    """What Go calls a keyword."""
    own = _TEXTS.get(name) or _FLAGS.get(name) or _OWN_NAMES.get(name)
    return own or name[:1].upper() + name[1:]


def stated(schema: Json) -> Iterator[str]:
    """The Go names of the keywords that say something, in the order of Go's struct."""
    return (go_name(name) for name in _ORDER if _says_something(name, schema.get(name)))


def _says_something(name: str, value: Any) -> bool:
    if name in _TEXTS or name in _FLAGS:
        return bool(value)
    return value is not None


def as_go(schema: Json) -> dict[str, Any]:
    """The whole schema."""
    return {go_name(name): _value(name, schema.get(name)) for name in _ORDER}


def _value(name: str, value: Any) -> Any:
    if name in _TEXTS:
        return value or ""
    if name in _FLAGS:
        return bool(value)
    part = _PARTS.get(name)
    return value if part is None or value is None else part(value)


def _schemas(value: Any) -> Any:
    return [as_go(inner) for inner in value]


def _by_name(value: Any) -> Any:
    return {name: as_go(inner) for name, inner in sorted(value.items())}


def _or_bool(value: Any) -> Any:
    is_schema = isinstance(value, Mapping)
    return {"Allows": True if is_schema else bool(value), "Schema": as_go(value) if is_schema else None}


def _or_list(value: Any) -> Any:
    many = isinstance(value, list)
    return {"Schema": None if many else as_go(value), "JSONSchemas": _schemas(value) if many else None}


def rule_as_go(rule: Json) -> dict[str, Any]:
    """A validation rule."""
    names = ("rule", "message", "messageExpression", "reason", "fieldPath", "optionalOldSelf")
    empty = {"reason": None, "optionalOldSelf": None}
    return {go_name(name): rule.get(name, empty.get(name, "")) for name in names}


_PARTS: Mapping[str, Callable[[Any], Any]] = {
    "items": _or_list,
    "allOf": _schemas,
    "oneOf": _schemas,
    "anyOf": _schemas,
    "not": as_go,
    "properties": _by_name,
    "patternProperties": _by_name,
    "definitions": _by_name,
    "additionalProperties": _or_bool,
    "additionalItems": _or_bool,
    "externalDocs": lambda value: {"Description": value.get("description", ""), "URL": value.get("url", "")},
    "x-kubernetes-validations": lambda value: [rule_as_go(rule) for rule in value],
}
