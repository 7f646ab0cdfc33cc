"""How the objects of a CustomResourceDefinition are shown, selected and scaled: the rules of versions for that."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apiserver.field import FieldError, duplicate, invalid, required, too_many
from apiserver.kinds.kind import Object

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MAX_SELECTABLE_FIELDS = 8
NOT_SELECTABLE = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)
SIMPLE_PATH = "must be a simple json path starting with ."


def _columns(columns: Any, path: str, version: Object) -> list[FieldError]:
    found: list[FieldError] = []
    for index, column in enumerate(columns or ()):
        at, kind, where = f"{path}[{index}]", column.get("type", ""), column.get("jsonPath", "")
        if not column.get("name"):
            found.append(required(f"{at}.name"))
        if not kind:
            found.append(required(f"{at}.type", f"must be one of {','.join(COLUMN_TYPES)}"))
        elif kind not in COLUMN_TYPES:
            found.append(invalid(f"{at}.type", kind, f"must be one of {','.join(COLUMN_TYPES)}"))
        form = column.get("format") or ""
        if form and form not in COLUMN_FORMATS:
            found.append(invalid(f"{at}.format", form, f"must be one of {','.join(COLUMN_FORMATS)}"))
        found += [required(f"{at}.JSONPath")] if not where else _simple(where, f"{at}.JSONPath")
    return found


def _simple(where: str, path: str) -> list[FieldError]:
    return [] if where.startswith(".") else [invalid(path, where, SIMPLE_PATH)]


def _subresources(parts: Any, path: str, version: Object) -> list[FieldError]:
    scale = (parts or {}).get("scale")
    if scale is None:
        return []
    found: list[FieldError] = []
    for name, root in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        where, at = scale.get(name, ""), f"{path}.scale.{name}"
        if not where:
            found.append(required(at))
            continue
        faults = _simple(where, at)
        if not faults and not where.startswith(root):
            faults = [invalid(at, where, f"should be a json path under {root[:-1]}")]
        found += faults
    where = scale.get("labelSelectorPath")
    if where:
        faults = _simple(where, f"{path}.scale.labelSelectorPath")
        if not faults and not where.startswith((".spec.", ".status.")):
            faults = [
                invalid(f"{path}.scale.labelSelectorPath", where, "should be a json path under either .spec or .status")
            ]
        found += faults
    return found


def _selectable(fields: Any, path: str, version: Object) -> list[FieldError]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, field in enumerate(fields or ()):
        where, at = field.get("jsonPath", ""), f"{path}[{index}].jsonPath"
        if not where:
            found.append(required(at))
            continue
        inner, fault = _followed(where, schema)
        if fault:
            found.append(invalid(at, where, f"is an invalid path: {fault}"))
            continue
        if where.startswith(".metadata."):
            found.append(invalid(at, where, "must not point to fields in metadata"))
        if inner.get("type") not in ("string", "boolean", "integer"):
            found.append(invalid(at, where, NOT_SELECTABLE))
        if where in seen:
            found.append(duplicate(at, where))
        seen.add(where)
    if len(seen) > MAX_SELECTABLE_FIELDS:
        found.append(too_many(path, len(seen), MAX_SELECTABLE_FIELDS))
    return found


def _followed(where: str, schema: Object) -> tuple[Object, str]:
    """The schema of the field at a path, or what is wrong with the path (cel.ValidFieldPath without brackets)."""
    tokens = [token for token in re.split(r"([.\[\]])", where) if token]
    inner: Any = schema
    while tokens:
        token = tokens.pop(0)
        if token == "[":
            return {}, "array notation is not allowed"
        if token != ".":
            return {}, f"expected [ or . but got: {token}"
        if not tokens:
            return {}, "unexpected end of JSON path"
        inner = (inner.get("properties") or {}).get(tokens[0]) or _of_any_key(inner)
        if inner is None:
            return {}, "does not refer to a valid field"
        tokens.pop(0)
    return inner, ""


def _of_any_key(schema: Object) -> Object | None:
    """The schema of a map's values."""
    values = None if schema.get("properties") else schema.get("additionalProperties")
    return values if isinstance(values, dict) else None


Check = Callable[[Any, str, Object], list[FieldError]]
VIEWS: tuple[tuple[str, Check], ...] = (
    ("subresources", _subresources),
    ("additionalPrinterColumns", _columns),
    ("selectableFields", _selectable),
)
"""In the real server's order."""


def shared(versions: list[Any], name: str) -> bool:
    """Whether all versions say the same in a field."""
    return all(version.get(name) == versions[0].get(name) for version in versions)
