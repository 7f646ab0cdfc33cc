"""Definitions of the published schemas as OpenAPI documents hold them: v2 (Swagger) and v3."""

from __future__ import annotations

from typing import Any

from apiserver.schema.go_enums import ENUMS, enum_text
from apiserver.schema.go_fields import ALWAYS, PLAIN_STRUCTS
from apiserver.schema.go_names import NAMED

Json = dict[str, Any]
_INT_OR_STRING = (
    "IntOrString is a type that can hold an int32 or a string.  When used in JSON or YAML marshalling and "
    "unmarshalling, it produces or consumes the inner type.  This allows you to have, for example, a JSON field that "
    "can accept a name or number."
)
_QUANTITY = """\
Quantity is a fixed-point representation of a number. It provides convenient marshaling/unmarshaling in JSON and YAML, \
in addition to String() and AsInt64() accessors.

The serialization format is:

``` <quantity>        ::= <signedNumber><suffix>

	(Note that <suffix> may be empty, from the "" case in <decimalSI>.)

<digit>           ::= 0 | 1 | ... | 9 <digits>          ::= <digit> | <digit><digits> <number>          ::= <digits> | \
<digits>.<digits> | <digits>. | .<digits> <sign>            ::= "+" | "-" <signedNumber>    ::= <number> | \
<sign><number> <suffix>          ::= <binarySI> | <decimalExponent> | <decimalSI> <binarySI>        ::= Ki | Mi | Gi | \
Ti | Pi | Ei

	(International System of units; See: http://physics.nist.gov/cuu/Units/binary.html)

<decimalSI>       ::= m | "" | k | M | G | T | P | E

	(Note that 1024 = 1Ki but 1000 = 1k; I didn't choose the capitalization.)

<decimalExponent> ::= "e" <signedNumber> | "E" <signedNumber> ```

No matter which of the three exponent forms is used, no quantity may represent a number greater than 2^63-1 in \
magnitude, nor may it have more than 3 decimal places. Numbers larger or more precise will be capped or rounded up. \
(E.g.: 0.1m will rounded up to 1m.) This may be extended in the future if we require larger or smaller quantities.

When a Quantity is parsed from a string, it will remember the type of suffix it had, and will use the same type again \
when it is serialized.

Before serializing, Quantity will be put in "canonical form". This means that Exponent/suffix will be adjusted up or \
down (with a corresponding increase or decrease in Mantissa) such that:

- No precision is lost - No fractional digits will be emitted - The exponent (or suffix) is as large as possible.

The sign will be omitted unless the number is negative.

Examples:

- 1.5 will be serialized as "1500m" - 1.5Gi will be serialized as "1536Mi"

Note that the quantity will NEVER be internally represented by a floating point number. That is the whole point of \
this exercise.

Non-canonical values will still parse as long as they are well formed, but will be re-emitted in their canonical form. \
(So always use canonical form, or don't diff.)

This format is intended to make it difficult to use these numbers without writing some sort of special handling code \
in the hopes that that will cause implementors to also use a fixed point implementation."""

SPECIAL_V3: dict[str, Json] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "description": _INT_OR_STRING,
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {
        "description": _QUANTITY,
        "oneOf": [{"type": "string"}, {"type": "number"}],
    },
}
SPECIAL_V2: dict[str, Json] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "description": _INT_OR_STRING,
        "format": "int-or-string",
        "type": "string",
    },
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"description": _QUANTITY, "type": "string"},
}


def swagger(name: str, raw: Json) -> Json:
    """A definition for `/openapi/v2`."""
    return SPECIAL_V2.get(name) or _plain(raw, "#/definitions/")


def _plain(raw: Json, prefix: str) -> Json:
    found: Json = {}
    for key, value in raw.items():
        match key:
            case "type":
                found["type"] = _single(value)
            case "$ref":
                found["$ref"] = prefix + value.rpartition("/")[2]
            case "properties":
                found["properties"] = {field: _plain(schema, prefix) for field, schema in value.items()}
            case "items" | "additionalProperties":
                found[key] = _plain(value, prefix) if isinstance(value, dict) else value
            case "enum" | "oneOf":
                pass  # of apiVersion and kind: an addition of the schema package
            case _:
                found[key] = value
    return found


def _single(stated: Any) -> Any:
    """The one type of `["string", "null"]`: Kubernetes documents do not say that null is allowed."""
    return next((kind for kind in stated if kind != "null"), "object") if isinstance(stated, list) else stated


def component(name: str, raw: Json) -> Json:
    """A definition for `/openapi/v3/...`: references with neighbours become `allOf`, enums and defaults are stated."""
    special = SPECIAL_V3.get(name)
    if special is not None:
        return special
    struct = name.rpartition(".")[2]
    found = _v3(raw)
    for field, schema in found.get("properties", {}).items():
        _annotate(schema, struct, field, raw)
    return found


def _v3(raw: Json) -> Json:
    found: Json = {}
    for key, value in raw.items():
        match key:
            case "type":
                found["type"] = _single(value)
            case "$ref":
                found["allOf"] = [{"$ref": "#/components/schemas/" + value.rpartition("/")[2]}]
            case "properties":
                found["properties"] = {field: _v3(schema) for field, schema in value.items()}
            case "items" | "additionalProperties":
                found[key] = _element(value) if isinstance(value, dict) else value
            case "enum" | "oneOf":
                pass
            case _:
                found[key] = value
    return found


def _element(schema: Json) -> Json:
    """Elements of lists and maps are never pointers: openapi-gen states their zero value as the default."""
    found = _v3(schema)
    if "allOf" in found:
        return {**found, "default": {}}
    zero = {"string": "", "integer": 0, "number": 0, "boolean": False}.get(found.get("type", ""))
    return found if zero is None or found.get("format") == "byte" else {**found, "default": zero}


def _annotate(schema: Json, struct: str, field: str, raw: Json) -> None:
    named = NAMED.get(f"{struct}.{field}", "")
    values = ENUMS.get(named.removeprefix("[]"))
    if values is not None:
        schema["description"] = schema.get("description", "") + enum_text(values)
        target = schema.get("items", schema)
        target["enum"] = list(values)
    if "allOf" in schema:
        top = field == "metadata" or (field in ("spec", "status") and "x-kubernetes-group-version-kind" in raw)
        if top or field in PLAIN_STRUCTS.get(struct, ()) or field in raw.get("required", ()):
            schema["default"] = {}
        elif len(schema) == 1:
            schema["$ref"] = schema.pop("allOf")[0]["$ref"]
    elif struct in ("ServicePort", "ContainerPort") and field == "protocol":
        schema["default"] = "TCP"
    elif field in ALWAYS.get(struct, ()) and schema.get("type") in ("string", "integer", "boolean"):
        schema["default"] = {"string": "", "integer": 0, "boolean": False}[schema["type"]]
