"""Embedded resources of custom resources (`x-kubernetes-embedded-resource`, KEP-693): objects inside an object, whose
apiVersion, kind and metadata are those of any object (apiextensions' objectmeta package)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiserver.field import FieldError, invalid, required
from apiserver.objectmeta import object_meta
from apiserver.schema.decode import decode
from apiserver.schema.scalars import DecodeError
from apiserver.schema.types import Type
from apiserver.validation import dns1035_label, path_segment

EMBEDDED = "x-kubernetes-embedded-resource"
UNNAMED = "fakename"
"""Stands for the name that an embedded object need not have."""


def member(schema: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """The schema of one member of an object."""
    found = (schema.get("properties") or {}).get(key)
    if found is None:
        found = schema.get("additionalProperties")
    return found if isinstance(found, Mapping) else None


def parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas of all members and items."""
    inner = (*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties"))
    return (part for part in inner if isinstance(part, Mapping))


def inside(schema: Any) -> bool:
    """Whether a schema has an embedded resource anywhere."""
    if isinstance(schema, Mapping):
        return bool(schema.get(EMBEDDED)) or any(inside(value) for value in schema.values())
    return isinstance(schema, list) and any(inside(value) for value in schema)


def coerce(value: Any, schema: Mapping[str, Any], meta: Type, path: str = "", *, drop: bool = False) -> None:
    """Make apiVersion, kind and metadata of embedded objects what Go holds of them (in place). What does not fit is
    dropped where asked. Raises DecodeError."""
    if isinstance(value, dict):
        if schema.get(EMBEDDED):
            _coerce_one(value, meta, f"{path}." if path else "", drop)
        for key, item in value.items():
            inner = member(schema, key)
            if inner is not None:
                named = key in (schema.get("properties") or {})
                below = (f"{path}.{key}" if path else key) if named else f"{path}[{key}]"
                coerce(item, inner, meta, below, drop=drop)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for index, item in enumerate(value):
            coerce(item, schema["items"], meta, f"{path}[{index}]", drop=drop)


def _coerce_one(value: dict[str, Any], meta: Type, path: str, drop: bool) -> None:
    for name in ("apiVersion", "kind"):
        if isinstance(value.get(name, ""), str):
            continue
        if not drop:
            raise DecodeError(str(invalid(path + name, value[name], "must be a string")))
        del value[name]
    if "metadata" not in value:
        return
    stated = value["metadata"] if value["metadata"] is not None else {}
    try:
        value["metadata"] = decode(stated, meta)
    except DecodeError as error:
        if not drop:
            raise DecodeError(str(invalid(f"{path}metadata", stated, str(error)))) from None
        if isinstance(stated, dict):
            value["metadata"] = {name: part for name, part in stated.items() if _fits({name: part}, meta)}


def _fits(part: dict[str, Any], meta: Type) -> bool:
    try:
        decode(part, meta)
    except DecodeError:
        return False
    return True


def faults(value: Any, schema: Mapping[str, Any], path: str) -> list[FieldError]:
    """What is wrong with the embedded objects of a value."""
    found: list[FieldError] = []
    if isinstance(value, dict):
        if schema.get(EMBEDDED):
            found += _object_faults(value, path)
        for key, item in value.items():
            inner = member(schema, key)
            if inner is not None:
                found += faults(item, inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for at, item in enumerate(value):
            found += faults(item, schema["items"], f"{path}[{at}]")
    return found


def _object_faults(value: Mapping[str, Any], path: str) -> list[FieldError]:
    found = []
    for name in ("apiVersion", "kind"):
        stated = value.get(name, "")
        if stated == "":
            found.append(required(f"{path}.{name}", "must not be empty"))
        elif not isinstance(stated, str):
            found.append(invalid(f"{path}.{name}", stated, "must be a string"))
        elif name == "kind" and (why := dns1035_label(stated.lower())):
            text = f"may have mixed case, but should otherwise match: {','.join(why)}"
            found.append(invalid(f"{path}.kind", stated, text))
        elif name == "apiVersion" and stated.count("/") > 1:
            found.append(invalid(f"{path}.apiVersion", stated, f"unexpected GroupVersion string: {stated}"))
    meta = value.get("metadata")
    if isinstance(meta, dict):
        named = {**meta, "name": meta.get("name") or UNNAMED}
        found += object_meta(named, bool(meta.get("namespace")), _segment, f"{path}.metadata")
    return found


def _segment(name: str, prefix: bool) -> list[str]:
    return path_segment(name)
