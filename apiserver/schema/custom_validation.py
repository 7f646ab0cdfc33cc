"""Validation of custom resources: a compiled validator decides (`jsonschema_rs`; `jsonschema` what it will not take),
`custom_faults` explains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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

_TYPES = frozenset(["array", "boolean", "integer", "null", "number", "object", "string"])


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
            return lenient(self._translated)
        return valid

    def faults(self, value: Any, old: Any = None) -> list[FieldError]:
        """What is wrong with `value`; parts that equal `old`'s are overlooked."""
        if self._check(value):
            return []
        return faults(self.schema, value, old)


def lenient(schema: Json) -> Check:
    """A check by the library `jsonschema`, which takes a schema as it is."""
    import jsonschema
    from jsonschema.validators import extend

    checker = jsonschema.FormatChecker(formats=())
    for name, check in FORMATS.items():
        checker.checks(name)(_for_strings(check))
    own = {"pattern": _pattern, go_patterns.KEYWORD: _pattern, "type": _type}
    kind = extend(jsonschema.Draft4Validator, own)  # type: ignore[no-untyped-call]
    valid: Check = kind(schema, format_checker=checker).is_valid
    return valid


def _for_strings(check: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or check(value)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Json) -> Iterator[Any]:
    """`pattern` in linear time: Python's own engine can be made to run for ever."""
    import jsonschema

    if isinstance(instance, str) and not go_patterns.matcher(pattern)(instance):
        yield jsonschema.ValidationError("does not match")


def _type(validator: Any, kinds: Sequence[str], instance: Any, schema: Json) -> Iterator[Any]:
    """`type`, where a type that there is not is nobody's."""
    import jsonschema

    if not any(kind in _TYPES and validator.is_type(instance, kind) for kind in kinds):
        yield jsonschema.ValidationError("is of another type")
