"""Validation of custom resources: a compiled validator decides, `jsonschema` explains, in the words of kube-openapi."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from apiserver.field import (
    FieldError,
    invalid,
    not_supported,
    required,
    show_float,
    too_long,
    too_many,
    type_invalid,
)
from apiserver.schema import go_patterns
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
NO_PATH = "<nil>"
"""What Go prints for a fault that belongs to no field."""


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

    @cached_property
    def _explainer(self) -> Any:
        return _explainer(self._translated)

    def faults(self, value: Any, old: Any = None) -> list[FieldError]:
        """What is wrong with `value`; parts that equal `old`'s are overlooked."""
        if self._check(value):
            return []
        errors = [
            error for error in self._explainer.iter_errors(value) if not _unchanged(error, value, old, self.schema)
        ]
        return [fault for error in errors for fault in _faults(error)]


def _explainer(schema: Json) -> Any:
    import jsonschema
    from jsonschema.validators import extend

    checker = jsonschema.FormatChecker(formats=())
    for name, check in FORMATS.items():
        checker.checks(name)(_for_strings(check))
    own = {"pattern": _pattern, go_patterns.KEYWORD: _pattern, "type": _type}
    kind = extend(jsonschema.Draft4Validator, own)  # type: ignore[no-untyped-call]
    return kind(schema, format_checker=checker)


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


def _unchanged(error: Any, value: Any, old: Any, schema: Mapping[str, Any]) -> bool:
    """Whether the value at fault lies in a part that is as it was. Items of keyed lists are found by their keys; items
    of other lists cannot be told apart, so only the whole list counts; what `allOf` says of parts of a value counts as
    said of the value (KEP-4008)."""
    if old is None:
        return False
    here: Mapping[str, Any] = schema
    for step in islice(error.absolute_path, _outside_junctors(error.absolute_schema_path)):
        if value == old:
            return True
        value, old, here = _down(value, old, here, step)
        if old is None:
            return False
    return bool(value == old)


def _outside_junctors(path: Iterable[Any]) -> int:
    """How many steps into the value a path into the schema takes before it enters `allOf` or the like."""
    steps, rest = 0, iter(path)
    for keyword in rest:
        if keyword == "properties":
            next(rest, None)
        elif keyword not in ("items", "additionalProperties"):
            return steps
        steps += 1
    return steps


def _down(value: Any, old: Any, schema: Mapping[str, Any], step: Any) -> tuple[Any, Any, Mapping[str, Any]]:
    if isinstance(step, int):
        item, inner = value[step], schema.get("items") or {}
        keys = schema.get("x-kubernetes-list-map-keys")
        if not keys or not isinstance(item, dict) or not isinstance(old, list):
            return item, None, inner
        matches = (other for other in old if isinstance(other, dict) and all(other.get(k) == item.get(k) for k in keys))
        return item, next(matches, None), inner
    inner = (schema.get("properties") or {}).get(step) or schema.get("additionalProperties") or {}
    before = old.get(step) if isinstance(old, dict) else None
    return value[step], before, inner if isinstance(inner, Mapping) else {}


def path_of(steps: Iterable[Any]) -> str:
    """`spec.list[0].name`"""
    found = ""
    for step in steps:
        found += f"[{step}]" if isinstance(step, int) else f".{step}" if found else str(step)
    return found


def type_name(value: Any) -> str:
    """The JSON type of a value as kube-openapi calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int):
        return "integer"
    return {float: "number", list: "array"}.get(type(value), "object")


def _number(value: Any, instance: Any) -> str:
    """A limit as Go prints it: integers plainly beside integers, else `%v` of a float64."""
    if isinstance(value, int) and isinstance(instance, int):
        return str(value)
    return show_float(float(value))


_LIMITS: dict[str, tuple[str, str]] = {
    "maximum": ("should be less than or equal to", "should be less than"),
    "minimum": ("should be greater than or equal to", "should be greater than"),
}


def _faults(error: Any) -> Sequence[FieldError]:
    path, value, limit, rule = path_of(error.absolute_path), error.instance, error.validator_value, error.validator
    where = f"{path} in body"
    field = path or NO_PATH
    match rule:
        case "required":
            return [required(f"{path}.{name}" if path else name) for name in _missing(error)]
        case "type":
            kinds = ",".join(kind for kind in ([limit] if isinstance(limit, str) else limit) if kind != "null")
            given = type_name(value)
            return [type_invalid(field, given, f'{where} must be of type {kinds}: "{given}"')]
        case "format":
            return [type_invalid(field, value, f'{where} must be of type {limit}: "{value}"')]
        case "enum":
            return [not_supported(field, value, [_enum_value(item) for item in limit])]
        case "maxLength":
            return [too_long(field, limit)]
        case "maxItems" | "maxProperties":
            return [too_many(field, len(value), limit)]
        case "maximum" | "minimum":
            exclusive = bool(error.schema.get(f"exclusive{rule.capitalize()}"))
            return [invalid(field, value, f"{where} {_LIMITS[rule][exclusive]} {_number(limit, value)}")]
        case "anyOf" | "oneOf" | "allOf" | "not":
            return _alternatives(error, path)
    return [invalid(field, _shown(value, rule), f"{where} {_detail(rule, limit, value)}")]


def _shown(value: Any, rule: str) -> Any:
    return len(value) if rule in ("minItems", "minProperties") else value


def _detail(rule: str, limit: Any, value: Any) -> str:
    return {
        "minLength": f"should be at least {limit} chars long",
        "pattern": f"should match '{limit}'",
        go_patterns.KEYWORD: f"should match '{limit}'",
        "minItems": f"should have at least {limit} items",
        "minProperties": f"should have at least {limit} properties",
        "uniqueItems": "shouldn't contain duplicates",
        "multipleOf": f"should be a multiple of {_number(limit, value) if rule == 'multipleOf' else limit}",
    }.get(rule, f"is not valid ({rule})")


def _missing(error: Any) -> list[str]:
    """jsonschema reports each missing member by itself; its name is only in the message."""
    stated = [name for name in dict.fromkeys(error.validator_value) if name not in error.instance]
    named = [name for name in stated if error.message.startswith(f"{name!r} ")]
    return named or stated[:1]


def _enum_value(value: Any) -> str:
    import orjson

    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _alternatives(error: Any, path: str) -> list[FieldError]:
    """oneOf and the like: which rule failed, then what kept the closest alternative from passing."""
    branches: dict[int, list[Any]] = {}
    for cause in error.context or ():
        branches.setdefault(cause.schema_path[0], []).append(cause)
    best = min(branches.values(), key=len) if branches else []
    found = [fault for cause in best for fault in _faults(cause)]
    text = {
        "anyOf": "must validate at least one schema (anyOf)",
        "oneOf": "must validate one and only one schema (oneOf).",
        "not": "must not validate the schema (not)",
        "allOf": "must validate all the schemas (allOf)",
    }[error.validator]
    count = f" {_how_many(error)}" if error.validator == "oneOf" else ""
    return [invalid(NO_PATH, "", f'"{path}" {text}{count}'), *found]


def _how_many(error: Any) -> str:
    if error.context:
        return "Found none valid"
    valid = sum(1 for schema in error.validator_value if _explainer(schema).is_valid(error.instance))
    return f"Found {valid} valid alternatives"
