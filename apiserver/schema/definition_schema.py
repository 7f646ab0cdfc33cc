"""What no schema of a CustomResourceDefinition may say, structural or not, and what its list types and rules need.

Source of the rules: ValidateCustomResourceDefinitionOpenAPISchema of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from apiserver.cel.definitions import Place, Rules, inside
from apiserver.cel.schema import RULES, STEP
from apiserver.field import FieldError, forbidden, invalid, not_supported, required
from apiserver.schema import custom
from apiserver.schema.custom_formats import FORMATS

Json = Mapping[str, Any]
TYPES = ("array", "boolean", "integer", "number", "object", "string")
UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_OBJECT_FIELDS = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True, slots=True)
class _Place:
    """What the schemas around a schema mean for it: why it may have no default, the outermost one whose parts
    cannot be told from one another across an update, whether it is within apiVersion, kind or metadata, how many values
    of it an object can have (None where nothing bounds that)."""

    no_default: str = ""
    uncorrelatable: str = ""
    object_field: bool = False
    root: bool = False
    cardinality: int | None = 1


def faults(schema: Json, path: str, *, expressions: bool) -> list[FieldError]:
    """What is wrong with the schema of one version. `expressions`: whether its rules can be compiled."""
    found = _Found([], [], Rules() if expressions else None)
    _check(schema, path, _Place(root=True), found)
    return [*found.schemas, *found.expressions, *(found.rules.total(path) if found.rules else ())]


@dataclass(frozen=True, slots=True)
class _Found:
    """Faults of the schema, then those of its rules; `rules` is None where rules are not looked at."""

    schemas: list[FieldError]
    expressions: list[FieldError]
    rules: Rules | None


def _check(schema: Json, path: str, place: _Place, found: _Found) -> None:
    schemas = found.schemas
    before = len(schemas)
    schemas += _stated(schema, path, place)
    for inner, below, around in _structural_parts(schema, path, place):
        _check(inner, below, around, found)
    for inner, below in _junctors(schema, path):
        _check(inner, below, replace(place, root=False), replace(found, rules=None))
    schemas += [*_extensions(schema, path), *_lists(schema, path), *_rules(schema, path)]
    if found.rules is not None and len(schemas) == before:
        where = Place(path, place.root, place.uncorrelatable, place.cardinality)
        found.expressions.extend(found.rules.faults(schema, where))


def _structural_parts(schema: Json, path: str, place: _Place) -> Iterator[tuple[Json, str, _Place]]:
    around = replace(place, root=False, cardinality=inside(place.cardinality, schema))
    if isinstance(schema.get("additionalProperties"), Mapping):
        below = replace(around, no_default="inside additionalProperties applying to object metadata")
        yield schema["additionalProperties"], f"{path}.additionalProperties", below if place.object_field else around
    for name, inner in sorted((schema.get("properties") or {}).items()):
        below = around
        if name in _OBJECT_FIELDS and (place.root or schema.get(custom.EMBEDDED)):
            below = replace(around, object_field=True)
            if place.root:
                below = replace(below, no_default=f"in top-level {name}")
        yield inner, f"{path}.properties[{name}]", below
    if isinstance(schema.get("items"), Mapping):
        keyed = schema.get(custom.LIST_TYPE) == "map"
        below = replace(around, uncorrelatable=around.uncorrelatable or ("" if keyed else path))
        yield schema["items"], f"{path}.items", below


def _junctors(schema: Json, path: str) -> Iterator[tuple[Json, str]]:
    if isinstance(schema.get("not"), Mapping):
        yield schema["not"], f"{path}.not"
    for name in ("allOf", "oneOf", "anyOf"):
        for at, inner in enumerate(schema.get(name) or ()):
            yield inner, f"{path}.{name}[{at}]"


def _stated(schema: Json, path: str, place: _Place) -> Iterator[FieldError]:
    kind = schema.get("type")
    if kind and kind not in TYPES:
        yield not_supported(f"{path}.type", kind, TYPES)
    if schema.get("default") is not None and place.no_default:
        yield forbidden(f"{path}.default", f"must not be set {place.no_default}")
    for name in UNSUPPORTED:
        if schema.get(name):
            yield forbidden(f"{path}.{name}", f"{name} is not supported")
    if kind == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.object_field and schema.get(custom.EMBEDDED):
        yield forbidden(f"{path}.{custom.EMBEDDED}", "must not be used inside of resource meta")
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", text)
    if schema.get("properties") and schema.get("additionalProperties") not in (None, True):
        text = "additionalProperties and properties are mutual exclusive"
        yield forbidden(f"{path}.additionalProperties", text)


def _extensions(schema: Json, path: str) -> Iterator[FieldError]:
    kind, map_type = schema.get("type"), schema.get(custom.MAP_TYPE)
    if schema.get(custom.PRESERVE) is False:
        yield invalid(f"{path}.{custom.PRESERVE}", False, "must be true or undefined")
    if map_type is not None and kind != "object":
        text = f"must be object if {custom.MAP_TYPE} is specified"
        yield invalid(f"{path}.type", kind, text) if kind else required(f"{path}.type", text)
    if map_type is not None and map_type not in ("atomic", "granular"):
        yield not_supported(f"{path}.{custom.MAP_TYPE}", map_type, ["atomic", "granular"])


def _lists(schema: Json, path: str) -> Iterator[FieldError]:
    list_type, kind = schema.get(custom.LIST_TYPE), schema.get("type")
    keys, items = schema.get(custom.LIST_KEYS) or (), schema.get("items")
    if list_type is not None and kind != "array":
        text = f"must be array if {custom.LIST_TYPE} is specified"
        yield invalid(f"{path}.type", kind, text) if kind else required(f"{path}.type", text)
    elif list_type == "set" and isinstance(items, Mapping):
        yield from _members_of_set(items, f"{path}.items")
    if list_type not in (None, "atomic", "map", "set"):
        yield not_supported(f"{path}.{custom.LIST_TYPE}", list_type, ["atomic", "set", "map"])
    if keys and list_type != "map":
        text, where = f"must be map if {custom.LIST_KEYS} is non-empty", f"{path}.{custom.LIST_TYPE}"
        yield invalid(where, list_type, text) if list_type else required(where, text)
    if list_type == "map":
        yield from _keyed(items, keys, path)
    if list_type in ("map", "set") and isinstance(items, Mapping):
        yield from _never_null(items, keys if list_type == "map" else (), list_type, f"{path}.items")


def _members_of_set(items: Json, path: str) -> Iterator[FieldError]:
    """They are compared as a whole. The bad value of both is the list type: so the real server has it."""
    text = f"must be atomic as item of a list with {custom.LIST_TYPE}=set"
    list_type = items.get(custom.LIST_TYPE)
    if items.get("type") == "array" and list_type not in (None, "atomic"):
        yield invalid(f"{path}.{custom.LIST_TYPE}", list_type, text)
    if items.get("type") == "object" and items.get(custom.MAP_TYPE) != "atomic":
        yield invalid(f"{path}.{custom.MAP_TYPE}", list_type, text)


def _keyed(items: Any, keys: Any, path: str) -> Iterator[FieldError]:
    parent = f"if parent array's {custom.LIST_TYPE} is map"
    if not keys:
        yield required(f"{path}.{custom.LIST_KEYS}", f"must not be empty if {custom.LIST_TYPE} is map")
    if not isinstance(items, Mapping):
        yield required(f"{path}.items", f"must have a schema if {custom.LIST_TYPE} is map")
        return
    if items.get("type") != "object":
        yield invalid(f"{path}.items.type", items.get("type") or "", f"must be object {parent}")
        return
    properties = items.get("properties") or {}
    for at, key in enumerate(keys):
        if key not in properties:
            yield invalid(f"{path}.{custom.LIST_KEYS}", list(keys), "entries must all be names of item properties")
        elif properties[key].get("type") in ("array", "object"):
            yield invalid(f"{path}.items.properties[{key}].type", "object", f"must be a scalar type {parent}")
        if key in keys[:at]:
            yield invalid(f"{path}.{custom.LIST_KEYS}", list(keys), "must not contain duplicate entries")


def _never_null(items: Json, keys: Any, list_type: str, path: str) -> Iterator[FieldError]:
    if items.get("nullable"):
        yield forbidden(f"{path}.nullable", f"cannot be nullable when {custom.LIST_TYPE} is {list_type}")
    for key in keys:
        known, why = (items.get("properties") or {}).get(key), f"this property is in {custom.LIST_KEYS}, so it"
        if known is None:
            continue
        if key not in (items.get("required") or ()) and known.get("default") is None:
            text = f"{why} must have a default or be a required property"
            yield required(f"{path}.properties[{key}].default", text)
        if known.get("nullable"):
            yield forbidden(f"{path}.properties[{key}].nullable", f"{why} cannot be nullable")


def _rules(schema: Json, path: str) -> Iterator[FieldError]:
    for at, rule in enumerate(schema.get(RULES) or ()):
        where = f"{path}.{RULES}[{at}]"
        yield from _texts(rule, where)
        reason, field_path = rule.get("reason"), rule.get("fieldPath") or ""
        if reason is not None and reason not in REASONS:
            yield not_supported(f"{where}.reason", reason, REASONS)
        if field_path and not field_path.strip():
            yield invalid(f"{where}.fieldPath", field_path, "fieldPath must be non-empty if specified")
        if _breaks(field_path):
            yield invalid(f"{where}.fieldPath", field_path, "fieldPath must not contain line breaks")
        if field_path and not _names_a_field(field_path, schema):
            yield invalid(f"{where}.fieldPath", field_path, "fieldPath must be a valid path")


def _texts(rule: Json, where: str) -> Iterator[FieldError]:
    text, message = str(rule.get("rule") or "").strip(), rule.get("message") or ""
    if not text:
        yield required(f"{where}.rule", "rule is not specified")
    elif message and not message.strip():
        yield invalid(f"{where}.message", message, "message must be non-empty if specified")
    elif _breaks(message.strip()):
        yield invalid(f"{where}.message", message, "message must not contain line breaks")
    elif _breaks(text) and not message:
        yield required(f"{where}.message", "message must be specified if rule contains line breaks")
    expression = rule.get("messageExpression") or ""
    if expression and not expression.strip():
        yield required(f"{where}.messageExpression", "messageExpression must be non-empty if specified")


def _breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


def _names_a_field(text: str, schema: Any) -> bool:
    """Whether a path of fields and map keys (`.spec.map['key']`) leads to a part of the schema."""
    at = 0
    while at < len(text):
        step = STEP.match(text, at)
        if step is None or not isinstance(schema, Mapping):
            return False
        name, at = step[1] or step[2], step.end()
        known, rest = (schema.get("properties") or {}).get(name), schema.get("additionalProperties")
        schema = known if known is not None or step[1] else rest
    return isinstance(schema, Mapping)


_ONLY_KNOWN = {"isbn", "isbn10", "isbn13", "k8sshortname", "k8slongname"}
_KNOWN_FORMATS = {name.replace("-", "") for name in FORMATS} | _ONLY_KNOWN


def unknown_formats(schema: Any) -> Iterator[str]:
    """Formats of strings anywhere in a schema that nothing is checked for."""
    if not isinstance(schema, Mapping):
        return
    form = schema.get("format") or ""
    if schema.get("type") == "string" and form and form.replace("-", "") not in _KNOWN_FORMATS:
        yield form
    inner = [schema.get("items"), *(part for part, _ in _junctors(schema, ""))]
    inner += [part for _, part in sorted((schema.get("properties") or {}).items())]
    for part in (*inner, schema.get("additionalProperties")):
        yield from unknown_formats(part)
