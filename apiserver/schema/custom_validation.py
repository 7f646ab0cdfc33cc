"""Validation of custom resources: a compiled validator decides, `custom_faults` explains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from apiserver.field import FieldError
from apiserver.schema import go_patterns
from apiserver.schema.custom_faults import faults
from apiserver.schema.custom_formats import FORMATS

Check = Callable[[Any], bool]
Json = dict[str, Any]
_COPIED = frozenset(
    [
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "enum",
        "required",
        "minProperties",
        "maxProperties",
    ]
)


def json_schema(schema: Mapping[str, Any]) -> Json:
    """A structural schema as JSON Schema draft 4: `nullable` and int-or-string become types."""
    found: Json = {key: value for key, value in schema.items() if key in _COPIED} | _conditional(schema)
    kinds = (
        ["integer", "string"]
        if schema.get("x-kubernetes-int-or-string")
        else [schema["type"]]
        if schema.get("type")
        else []
    )
    if kinds:
        found["type"] = [*kinds, "null"] if schema.get("nullable") else kinds
    if schema.get("format") in FORMATS:
        found["format"] = schema["format"]
    if schema.get("properties"):
        found["properties"] = {name: json_schema(inner) for name, inner in schema["properties"].items()}
    for key in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(key), Mapping):
            found[key] = json_schema(schema[key])
    for key in ("allOf", "anyOf", "oneOf"):
        if schema.get(key):
            found[key] = [json_schema(inner) for inner in schema[key]]
    return found


def _conditional(schema: Mapping[str, Any]) -> Json:
    """What JSON Schema has no word for, or not by itself."""
    found: Json = dict(go_patterns.keyword(schema["pattern"])) if schema.get("pattern") else {}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if bound in schema and schema.get(exclusive):
            found[exclusive] = True
    if schema.get("multipleOf", 0) > 0:
        found["multipleOf"] = schema["multipleOf"]
    return found


class Validator:
    """The validator of one structural schema; compiled when first used."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema

    @cached_property
    def _translated(self) -> Json:
        return json_schema(self.schema)

    @cached_property
    def _check(self) -> Check:
        import jsonschema_rs

        try:
            valid: Check = jsonschema_rs.Draft4Validator(
                self._translated,
                formats=dict(FORMATS),
                validate_formats=True,
                pattern_options=jsonschema_rs.RegexOptions(),  # linear time, as Go's
                keywords={go_patterns.KEYWORD: go_patterns.GoPattern},
            ).is_valid
        except jsonschema_rs.ValidationError:  # no schema by draft 4, though one to Kubernetes: `required: [a, a]`
            return lambda value: False
        return valid

    def faults(self, value: Any, old: Any = None) -> list[FieldError]:
        """What is wrong with `value`; parts that equal `old`'s are overlooked."""
        if self._check(value):
            return []
        return faults(self.schema, value, old)
