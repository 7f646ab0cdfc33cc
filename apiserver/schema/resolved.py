"""The published schema of a kind with what it refers to in its place, as CEL declares types of it.

Source of the rules: `k8s.io/apiserver/pkg/cel/openapi/resolver/refs.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.cel.schema import INT_OR_STRING
from apiserver.kinds.kind import Kind
from apiserver.schema import openapi_schemas as schemas_of
from apiserver.schema.custom_openapi import custom_definitions
from apiserver.schema.openapi_paths import custom_definition_name
from apiserver.schema.registry import Schemas

Json = dict[str, Any]
_ANYTHING: Json = {INT_OR_STRING: True}


def resolved(kind: Kind, schemas: Schemas) -> Json | None:
    """None for a kind that publishes no schema."""
    if kind.custom:
        known = custom_definitions(kind)
        name: str | None = custom_definition_name(kind.group, kind.version, kind.kind)
    else:
        known, name = {}, schemas.definition_name(kind.group, kind.version, kind.kind)
    return None if name is None else _Resolver(known, schemas).component(name, frozenset())


class _Resolver:
    def __init__(self, known: Mapping[str, Json], schemas: Schemas) -> None:
        self._known, self._schemas = known, schemas

    def component(self, name: str, around: frozenset[str]) -> Json | None:
        if name in around:
            return {"type": "object"}
        found = self._known.get(name)
        if found is None and name in self._schemas.raw:
            found = schemas_of.component(name, self._schemas.raw[name])
        return None if found is None else self._schema(found, around | {name})

    def _schema(self, schema: Json, around: frozenset[str]) -> Json:
        name = _referred(schema)
        if name is not None:
            return self.component(name, around) or {}
        if schema.get("format") == "int-or-string" or ("oneOf" in schema and "type" not in schema):
            return _ANYTHING
        found = dict(schema)
        if "properties" in schema:
            found["properties"] = {field: self._schema(inner, around) for field, inner in schema["properties"].items()}
        for part in ("items", "additionalProperties"):
            if isinstance(schema.get(part), dict):
                found[part] = self._schema(schema[part], around)
        return found


def _referred(schema: Json) -> str | None:
    """What a schema stands for; a reference with a description is in an `allOf`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    return next((_referred(inner) for inner in schema.get("allOf") or () if "$ref" in inner), None)
