"""What is wrong with a custom resource, in the words and the order of kube-openapi (pkg/validation/validate).

Validators judge a value in turn: type, `anyOf` and the like, string, format, number, list, enum, object. Each counts
what it applied: of several alternatives that all fail, the one with the highest count is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from apiserver.field import (
    FieldError,
    invalid,
    not_supported,
    quote,
    required,
    show_float,
    too_long,
    too_many,
    type_invalid,
)
from apiserver.schema import go_patterns
from apiserver.schema.custom_formats import FORMATS

Schema = Mapping[str, Any]
NO_PATH = "<nil>"
"""What Go prints for a fault that belongs to no field."""
_GREATEST_INTEGER = 2**53 - 1
"""The greatest float64 that counts as an integer (JSON's MAX_SAFE_INTEGER)."""
_GO_FORMATS = {"integer": "int64", "number": "float64"}
"""The format of a decoded value, which is named where a formatted string was wanted."""


class Verdict:
    """Faults, each once, and how much of the schema was applied."""

    __slots__ = ("applied", "faults")

    def __init__(self, *faults: FieldError, applied: int = 0) -> None:
        self.faults = list(faults)
        self.applied = applied

    def add(self, fault: FieldError) -> None:
        if fault not in self.faults:
            self.faults.append(fault)

    def merge(self, other: Verdict) -> None:
        for fault in other.faults:
            self.add(fault)
        self.applied += other.applied


def faults(schema: Schema, value: Any, old: Any = None) -> list[FieldError]:
    """What is wrong with `value`; parts that equal `old`'s are overlooked (KEP-4008)."""
    return _judged(schema, value, "", old).faults


def _judged(schema: Schema, value: Any, path: str, old: Any) -> Verdict:
    if old is not None and value == old:
        return Verdict()
    if value is None:
        found = _type(schema, value, path, old)
        found.merge(_enum(schema, value, path, old))
        return found
    found = Verdict(applied=1)
    for applies, judge in _VALIDATORS:
        if applies(schema, value):
            found.merge(judge(schema, value, path, old))
            found.applied += 1
    return found


def _kinds(schema: Schema) -> list[str]:
    if schema.get("x-kubernetes-int-or-string"):
        return ["integer", "string"]
    return [schema["type"]] if schema.get("type") else []


def _known_format(schema: Schema) -> str:
    name = schema.get("format")
    return name if isinstance(name, str) and name in FORMATS else ""


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


def _type(schema: Schema, value: Any, path: str, old: Any) -> Verdict:
    kinds, given, form = _kinds(schema), type_name(value), _known_format(schema)
    if value is None:
        fits = not kinds or bool(schema.get("nullable"))
    else:
        fits = given in kinds or (_is_number(value) and _fits_number(kinds, value))
    if form and value is not None:
        if isinstance(value, str | list) and not {"number", "integer"}.intersection(kinds):
            return Verdict(applied=1)  # left to the format
        if not isinstance(value, str | list) and not fits:
            return _wrong_type(path, form, _GO_FORMATS.get(given, ""))
    return Verdict(applied=1) if fits else _wrong_type(path, ",".join(kinds), given)


def _fits_number(kinds: list[str], value: float) -> bool:
    if isinstance(value, int):
        return "number" in kinds
    return "integer" in kinds and value.is_integer() and abs(value) <= _GREATEST_INTEGER


def _wrong_type(path: str, wanted: str, given: str) -> Verdict:
    return Verdict(type_invalid(path or NO_PATH, given, f'{path} in body must be of type {wanted}: "{given}"'))


def _alternatives(schema: Schema, value: Any, path: str, old: Any) -> Verdict:
    """anyOf, oneOf, allOf and not; old values do not excuse what is said inside."""
    found = Verdict(applied=1)

    def tell(what: str) -> None:
        found.add(invalid(NO_PATH, "", f"{quote(path)} must {what}"))

    if verdicts := _each(schema, "anyOf", value, path):
        valid = [verdict for verdict in verdicts if not verdict.faults]
        if not valid:
            tell("validate at least one schema (anyOf)")
        found.merge(valid[0] if valid else _closest(verdicts))
    if verdicts := _each(schema, "oneOf", value, path):
        valid = [verdict for verdict in verdicts if not verdict.faults]
        if len(valid) != 1:
            count = f"Found {len(valid)} valid alternatives" if valid else "Found none valid"
            tell(f"validate one and only one schema (oneOf). {count}")
        if len(valid) < 2:
            found.merge(valid[0] if valid else _closest(verdicts))
    if verdicts := _each(schema, "allOf", value, path):
        for verdict in verdicts:
            found.merge(verdict)
        failed = sum(1 for verdict in verdicts if verdict.faults)
        if failed:
            tell("validate all the schemas (allOf)" + (". None validated" if failed == len(verdicts) else ""))
    if isinstance(schema.get("not"), Mapping) and not _judged(schema["not"], value, path, None).faults:
        tell("not validate the schema (not)")
    return found


def _each(schema: Schema, rule: str, value: Any, path: str) -> list[Verdict]:
    return [_judged(inner, value, path, None) for inner in schema.get(rule) or ()]


def _closest(verdicts: list[Verdict]) -> Verdict:
    return max(verdicts, key=lambda verdict: verdict.applied)


def _string(schema: Schema, value: str, path: str, old: Any) -> Verdict:
    """The first of its faults alone."""
    where, field = f"{path} in body", path or NO_PATH
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        return Verdict(too_long(field, schema["maxLength"]))
    if "minLength" in schema and len(value) < schema["minLength"]:
        return Verdict(invalid(field, value, f"{where} should be at least {schema['minLength']} chars long"))
    pattern = schema.get("pattern")
    if pattern and not go_patterns.matcher(pattern)(value):
        return Verdict(invalid(field, value, f"{where} should match '{pattern}'"))
    return Verdict()


def _format(schema: Schema, value: str, path: str, old: Any) -> Verdict:
    name = _known_format(schema)
    if FORMATS[name](value):
        return Verdict()
    return Verdict(type_invalid(path or NO_PATH, value, f'{path} in body must be of type {name}: "{value}"'))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(schema: Schema, value: float, path: str, old: Any) -> Verdict:
    found = Verdict(applied=1)
    for wrong in _out_of_bounds(schema, value):
        found.add(invalid(path or NO_PATH, value, f"{path} in body should be {wrong}"))
    return found


def _out_of_bounds(schema: Schema, value: float) -> Iterator[str]:
    factor, least, most = schema.get("multipleOf", 0), schema.get("minimum"), schema.get("maximum")
    if factor > 0 and not _is_multiple(value, factor):
        yield f"a multiple of {_shown(factor, value)}"
    if least is not None and (value <= least if schema.get("exclusiveMinimum") else value < least):
        yield f"greater than {'' if schema.get('exclusiveMinimum') else 'or equal to '}{_shown(least, value)}"
    if most is not None and (value >= most if schema.get("exclusiveMaximum") else value > most):
        yield f"less than {'' if schema.get('exclusiveMaximum') else 'or equal to '}{_shown(most, value)}"


def _is_multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor == 0
    times = value / factor if factor >= 1 else value * (1 / factor)
    whole = float(int(times))
    return times == whole or abs(times - whole) / (abs(times) + abs(whole)) < 1e-9


def _shown(limit: float, value: float) -> str:
    """A limit as Go prints it: integers plainly beside integers, else `%v` of a float64."""
    return str(limit) if isinstance(limit, int) and isinstance(value, int) else show_float(float(limit))


def _list(schema: Schema, value: list[Any], path: str, old: Any) -> Verdict:
    found, field = Verdict(applied=1), path or NO_PATH
    items = schema.get("items")
    if isinstance(items, Mapping):
        keys = schema.get("x-kubernetes-list-map-keys")
        for index, item in enumerate(value):
            found.merge(_judged(items, item, f"{path}[{index}]", _same_keys(item, old, keys)))
    if "minItems" in schema and len(value) < schema["minItems"]:
        found.add(invalid(field, len(value), f"{path} in body should have at least {schema['minItems']} items"))
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        found.add(too_many(field, len(value), schema["maxItems"]))
    return found


def _same_keys(item: Any, old: Any, keys: list[str] | None) -> Any:
    """The item of a keyed list as it was; items of other lists cannot be told apart, so only the whole list counts."""
    if not keys or not isinstance(item, dict) or not isinstance(old, list):
        return None
    return next((o for o in old if isinstance(o, dict) and all(o.get(key) == item.get(key) for key in keys)), None)


def _enum(schema: Schema, value: Any, path: str, old: Any) -> Verdict:
    listed = schema.get("enum") or ()
    if not listed or any(isinstance(item, bool) is isinstance(value, bool) and item == value for item in listed):
        return Verdict()
    return Verdict(not_supported(path or NO_PATH, value, [_enum_value(item) for item in listed]))


def _enum_value(value: Any) -> str:
    import orjson

    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _object(schema: Schema, value: dict[str, Any], path: str, old: Any) -> Verdict:
    field, count = path or NO_PATH, len(value)
    if "minProperties" in schema and count < schema["minProperties"]:
        least = schema["minProperties"]
        return Verdict(invalid(field, count, f"{path} in body should have at least {least} properties"))
    if "maxProperties" in schema and count > schema["maxProperties"]:
        return Verdict(too_many(field, count, schema["maxProperties"]))
    found, before = Verdict(), old if isinstance(old, dict) else {}
    known, rest = schema.get("properties") or {}, schema.get("additionalProperties")
    if isinstance(rest, Mapping):
        for name in value:
            if name not in known:
                found.merge(_judged(rest, value[name], f"{path}.{name}" if path else name, before.get(name)))
    for name, inner in known.items():
        if name in value:
            found.merge(_judged(inner, value[name], f"{path}.{name}" if path else name, before.get(name)))
    for name in schema.get("required") or ():
        if name not in value:
            found.add(required(f"{path}.{name}" if path else name))
    return found


_VALIDATORS: tuple[tuple[Callable[[Schema, Any], bool], Callable[[Schema, Any, str, Any], Verdict]], ...] = (
    (lambda schema, value: bool(_kinds(schema) or _known_format(schema)), _type),
    (lambda schema, value: True, _alternatives),
    (lambda schema, value: isinstance(value, str), _string),
    (lambda schema, value: isinstance(value, str) and bool(_known_format(schema)), _format),
    (lambda schema, value: _is_number(value), _number),
    (lambda schema, value: isinstance(value, list), _list),
    (lambda schema, value: True, _enum),
    (lambda schema, value: isinstance(value, dict), _object),
)
"""The validators in the order in which they are asked, each with what it applies to."""
