"""The OpenAPI v2 document in the protobuf form that kubectl before 1.29 asks for.

Source of the numbers: gnostic's OpenAPIv2.proto, which client-go reads `/openapi/v2` with. Its messages follow the
JSON document but for choices (oneof) and maps, which are lists of (name, value) pairs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from apiserver.protobuf.wire import FIXED64, VARINT, ProtobufError, delimited, tag, varint

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
Json = Mapping[str, Any]

_LIMITS = {
    "maximum": "double",
    "exclusiveMaximum": "bool",
    "minimum": "double",
    "exclusiveMinimum": "bool",
    "maxLength": "int64",
    "minLength": "int64",
    "pattern": "string",
    "maxItems": "int64",
    "minItems": "int64",
    "uniqueItems": "bool",
}
_BOUNDS = {"default": "any", **_LIMITS, "enum": "*any", "multipleOf": "double"}
_PLAIN = {"type": "string", "format": "string", "items": "PrimitivesItems", "collectionFormat": "string", **_BOUNDS}
_NAMED = {"required": "bool", "in": "string", "description": "string", "name": "string"}


def _numbered(fields: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """Numbers in order, and `x-` for the vendor extensions that most messages end in."""
    return {name: (number, kind) for number, (name, kind) in enumerate(fields.items(), 1)}


MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Document": _numbered(
        {
            "swagger": "string",
            "info": "Info",
            "host": "string",
            "basePath": "string",
            "schemes": "*string",
            "consumes": "*string",
            "produces": "*string",
            "paths": "Paths",
            "definitions": "{Schema",
            "parameters": "{Parameter",
            "responses": "{Response",
            "security": "*SecurityRequirement",
            "securityDefinitions": "{SecurityDefinition",
            "tags": "*Tag",
            "externalDocs": "ExternalDocs",
            "x-": "extensions",
        }
    ),
    "Info": _numbered(
        {
            "title": "string",
            "version": "string",
            "description": "string",
            "termsOfService": "string",
            "contact": "Contact",
            "license": "License",
            "x-": "extensions",
        }
    ),
    "Contact": _numbered({"name": "string", "url": "string", "email": "string", "x-": "extensions"}),
    "License": _numbered({"name": "string", "url": "string", "x-": "extensions"}),
    "ExternalDocs": _numbered({"description": "string", "url": "string", "x-": "extensions"}),
    "Tag": _numbered({"name": "string", "description": "string", "externalDocs": "ExternalDocs", "x-": "extensions"}),
    "PathItem": _numbered(
        {
            "$ref": "string",
            **dict.fromkeys(("get", "put", "post", "delete", "options", "head", "patch"), "Operation"),
            "parameters": "*ParametersItem",
            "x-": "extensions",
        }
    ),
    "Operation": _numbered(
        {
            "tags": "*string",
            "summary": "string",
            "description": "string",
            "externalDocs": "ExternalDocs",
            "operationId": "string",
            "produces": "*string",
            "consumes": "*string",
            "parameters": "*ParametersItem",
            "responses": "Responses",
            "schemes": "*string",
            "deprecated": "bool",
            "security": "*SecurityRequirement",
            "x-": "extensions",
        }
    ),
    "Response": _numbered(
        {
            "description": "string",
            "schema": "SchemaItem",
            "headers": "Headers",
            "examples": "Examples",
            "x-": "extensions",
        }
    ),
    "Header": _numbered({**_PLAIN, "description": "string", "x-": "extensions"}),
    "JsonReference": _numbered({"$ref": "string", "description": "string"}),
    "BodyParameter": _numbered(
        {
            "description": "string",
            "name": "string",
            "in": "string",
            "required": "bool",
            "schema": "Schema",
            "x-": "extensions",
        }
    ),
    "query": _numbered({**_NAMED, "allowEmptyValue": "bool", **_PLAIN, "x-": "extensions"}),
    "formData": _numbered({**_NAMED, "allowEmptyValue": "bool", **_PLAIN, "x-": "extensions"}),
    "header": _numbered({**_NAMED, **_PLAIN, "x-": "extensions"}),
    "path": _numbered({**_NAMED, **_PLAIN, "x-": "extensions"}),
    "PrimitivesItems": _numbered({**_PLAIN, "x-": "extensions"}),
    "basic": _numbered({"type": "string", "description": "string", "x-": "extensions"}),
    "apiKey": _numbered(
        {"type": "string", "name": "string", "in": "string", "description": "string", "x-": "extensions"}
    ),
    "Xml": _numbered(
        {
            "name": "string",
            "namespace": "string",
            "prefix": "string",
            "attribute": "bool",
            "wrapped": "bool",
            "x-": "extensions",
        }
    ),
    "Schema": _numbered(
        {
            "$ref": "string",
            "format": "string",
            "title": "string",
            "description": "string",
            "default": "any",
            "multipleOf": "double",
            **_LIMITS,
            "maxProperties": "int64",
            "minProperties": "int64",
            "required": "*string",
            "enum": "*any",
            "additionalProperties": "AdditionalProperties",
            "type": "Strings",
            "items": "Items",
            "allOf": "*Schema",
            "properties": "{Schema",
            "discriminator": "string",
            "readOnly": "bool",
            "xml": "Xml",
            "externalDocs": "ExternalDocs",
            "example": "any",
            "x-": "extensions",
        }
    ),
}
"""Message -> JSON name -> (number, kind). `*` is a list, `{` a message that maps names."""
_PARAMETER_PLACES = {"header": 1, "formData": 2, "query": 3, "path": 4}


def openapi_v2_protobuf(document: Json) -> bytes:
    """An OpenAPI v2 (swagger) document as `openapi.v2.Document`. Raises ProtobufError where it is not one."""
    return _message("Document", document)


def _message(name: str, value: Any) -> bytes:
    if not isinstance(value, Mapping):
        raise ProtobufError(f"{name} is an object, not {type(value).__name__}")
    fields = MESSAGES[name]
    parts = [_field(*fields[key], value[key]) for key in fields if key in value]
    if "x-" in fields:
        number = fields["x-"][0]
        parts += [_pair(number, key, _any(value[key])) for key in value if key.startswith("x-")]
    return b"".join(parts)


def _field(number: int, kind: str, value: Any) -> bytes:
    if kind[0] == "*":
        return b"".join(_single(number, kind[1:], item) for item in value)
    if kind[0] == "{":
        return delimited(number, _named(kind[1:], value))
    return _single(number, kind, value)


def _single(number: int, kind: str, value: Any) -> bytes:
    match kind:
        case "string":
            return delimited(number, str(value).encode())
        case "bool" | "int64":
            return tag(number, VARINT) + varint(int(value))
        case "double":
            return tag(number, FIXED64) + struct.pack("<d", value)
    return delimited(number, _value(kind, value))


def _value(kind: str, value: Any) -> bytes:
    writer = _CHOICES.get(kind)
    return writer(value) if writer is not None else _message(kind, value)


def _pair(number: int, name: str, value: bytes) -> bytes:
    return delimited(number, delimited(1, name.encode()) + delimited(2, value))


def _named(kind: str, value: Json) -> bytes:
    return b"".join(_pair(1, name, _value(kind, item)) for name, item in value.items())


def _any(value: Any) -> bytes:
    """A value as YAML text, of which JSON is a part."""
    return delimited(2, orjson.dumps(value))


def _paths(value: Json) -> bytes:
    return b"".join(
        _pair(1, path, _any(item)) if path.startswith("x-") else _pair(2, path, _message("PathItem", item))
        for path, item in value.items()
    )


def _responses(value: Json) -> bytes:
    return b"".join(
        _pair(2, code, _any(item)) if code.startswith("x-") else _pair(1, code, _response_value(item))
        for code, item in value.items()
    )


def _response_value(value: Json) -> bytes:
    if "$ref" in value:
        return delimited(2, _message("JsonReference", value))
    return delimited(1, _message("Response", value))


def _parameters_item(value: Json) -> bytes:
    if "$ref" in value:
        return delimited(2, _message("JsonReference", value))
    return delimited(1, _parameter(value))


def _parameter(value: Json) -> bytes:
    place = value.get("in", "")
    if place == "body":
        return delimited(1, _message("BodyParameter", value))
    if place not in _PARAMETER_PLACES:
        raise ProtobufError(f"there are no parameters in {place!r}")
    return delimited(2, delimited(_PARAMETER_PLACES[place], _message(place, value)))


def _additional(value: Any) -> bytes:
    return tag(2, VARINT) + varint(value) if isinstance(value, bool) else delimited(1, _message("Schema", value))


def _items(value: Any) -> bytes:
    schemas = value if isinstance(value, Sequence) else [value]
    return b"".join(delimited(1, _message("Schema", schema)) for schema in schemas)


def _strings(value: Any) -> bytes:
    return b"".join(delimited(1, item.encode()) for item in ([value] if isinstance(value, str) else value))


def _security_definition(value: Json) -> bytes:
    kind = value.get("type", "")
    if kind not in ("basic", "apiKey"):
        raise ProtobufError(f"security of type {kind!r} has no form here")
    return delimited(1 if kind == "basic" else 2, _message(kind, value))


_CHOICES: dict[str, Callable[[Any], bytes]] = {
    "AdditionalProperties": _additional,
    "Examples": lambda value: b"".join(_pair(1, name, _any(item)) for name, item in value.items()),
    "Headers": lambda value: b"".join(_pair(1, name, _message("Header", item)) for name, item in value.items()),
    "Items": _items,
    "Parameter": _parameter,
    "ParametersItem": _parameters_item,
    "Paths": _paths,
    "Responses": _responses,
    "SchemaItem": lambda value: delimited(1, _message("Schema", value)),
    "SecurityDefinition": _security_definition,
    "SecurityRequirement": lambda value: b"".join(_pair(1, name, _strings(item)) for name, item in value.items()),
    "Strings": _strings,
    "any": _any,
}
"""Messages that are not their JSON's fields one by one."""
