"""Custom kinds in OpenAPI documents: the CustomResourceDefinition's schema with the fields that every object has."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.kind import Kind
from apiserver.schema.openapi_paths import META, custom_definition_name

Json = dict[str, Any]
_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
API_VERSION = (
    "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized "
    "schemas to the latest internal value, and may reject unrecognized values. More info: "
    f"{_CONVENTIONS}#resources"
)
KIND = (
    "Kind is a string value representing the REST resource this object represents. Servers may infer this from the "
    f"endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: {_CONVENTIONS}#types-kinds"
)
OBJECT_META = f"Standard object's metadata. More info: {_CONVENTIONS}#metadata"
LIST_META = f"Standard list metadata. Servers and clients populate it. More info: {_CONVENTIONS}#types-kinds"


def _type_meta() -> Json:
    return {
        "apiVersion": {"description": API_VERSION, "type": "string"},
        "kind": {"description": KIND, "type": "string"},
    }


def _reference(name: str, description: str = "") -> Json:
    found: Json = {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}
    return {**found, "description": description} if description else found


def custom_definitions(kind: Kind) -> dict[str, Json]:
    """The OpenAPI v3 components of a custom kind: the object and its list."""
    name = custom_definition_name(kind.group, kind.version, kind.kind)
    list_name = custom_definition_name(kind.group, kind.version, kind.list_name)
    return {name: _object(kind), list_name: _list(kind, name)}


def _gvk(kind: Kind, name: str) -> list[Json]:
    return [{"group": kind.group, "kind": name, "version": kind.version}]


def _object(kind: Kind) -> Json:
    published = kind.schema.published if kind.schema is not None else None
    found: Json = {"type": "object", "x-kubernetes-group-version-kind": _gvk(kind, kind.kind)}
    if not published or (published.get("x-kubernetes-preserve-unknown-fields") and not published.get("properties")):
        return found
    found |= {key: value for key, value in published.items() if key != "properties"}
    properties = _type_meta() | {"metadata": _reference(META + "ObjectMeta", OBJECT_META)}
    stated = published.get("properties") or {}
    found["properties"] = properties | {key: value for key, value in stated.items() if key not in properties}
    return found


def _list(kind: Kind, name: str) -> Json:
    items = {
        "description": f"List of {kind.plural}. More info: {_CONVENTIONS}",
        "type": "array",
        "items": _reference(name),
    }
    metadata = _reference(META + "ListMeta", LIST_META)
    return {
        "description": f"{kind.list_name} is a list of {kind.kind}",
        "type": "object",
        "required": ["items"],
        "properties": _type_meta() | {"items": items, "metadata": metadata},
        "x-kubernetes-group-version-kind": _gvk(kind, kind.list_name),
    }


_NOT_IN_V2 = frozenset({"anyOf", "oneOf", "not", "nullable", "default", "x-kubernetes-validations"})


def as_swagger(schema: Any) -> Any:
    """An OpenAPI v3 component as Swagger 2.0 says it: no alternatives, no null, references stand alone."""
    if isinstance(schema, list):
        return [as_swagger(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found: Json = {}
    for key, value in schema.items():
        if key == "allOf":
            if len(value) == 1 and "$ref" in value[0]:
                found["$ref"] = value[0]["$ref"].replace("#/components/schemas/", "#/definitions/")
        elif key == "properties":
            found[key] = {name: as_swagger(item) for name, item in value.items()}
        elif key not in _NOT_IN_V2:
            found[key] = as_swagger(value) if key in ("items", "additionalProperties") else value
    return found
