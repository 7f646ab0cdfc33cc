"""Request bodies -> objects: JSON, YAML and protobuf, with the real server's words for what cannot be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from apiserver import errors, gojson, goyaml
from apiserver.kinds.kind import Kind, Object
from apiserver.negotiation import JSON, PROTOBUF, YAML, content_type
from apiserver.schema.decode import decode, decode_strictly
from apiserver.schema.scalars import DecodeError
from apiserver.schema.strict import duplicate_fields, merged, strict_faults, unknown_fields, yaml_duplicates
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.registry import Registry
    from apiserver.request import Request
    from apiserver.schema.types import Type

_ENVELOPE = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'


def parse(data: bytes, media: str, expected: str) -> Any:
    """The JSON value of a body. `expected` is the kind that errors name. Raises 400."""
    if media == PROTOBUF:
        return _protobuf(data, expected)
    if media == YAML and not data.lstrip().startswith(b"{"):
        return _yaml(data, expected)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        if media == YAML:
            return _yaml(data, expected)
        why = gojson.explain(data)
    if not why:
        return _shallow(gojson.lenient_loads(data))
    raise unrecognized(data, expected, f"couldn't get version/kind; json parse error: {why}")


def unrecognized(data: bytes, expected: str, why: str) -> StatusError:
    """400: the bytes are no object at all."""
    return errors.bad_request(
        f"the object provided is unrecognized (must be of type {expected}): {why} ({gojson.summary(data)})"
    )


def _shallow(value: Any) -> Any:
    """Refuse what cannot be encoded again later."""
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise errors.bad_request(f"the object provided cannot be stored: {error}") from None
    return value


def _protobuf(data: bytes, expected: str) -> Any:
    from apiserver.protobuf.codec import ProtobufError
    from apiserver.protobuf.codec import decode as decode_protobuf

    try:
        return decode_protobuf(data)
    except ProtobufError as error:
        raise errors.bad_request(str(error)) from None


def _yaml(data: bytes, expected: str) -> Any:
    try:
        return goyaml.load(data)
    except goyaml.GoYamlError as error:
        raise unrecognized(data, expected, str(error)) from None


async def read_object(request: Request, kind: Kind, validation: str) -> Object:
    """The body as an object of `kind`, typed and without unknown fields; `validation` is Strict, Warn or Ignore.

    Raises 400, 413, 415; adds Warning headers.
    """
    media = content_type(request.header(b"content-type"))
    data = await request.body()
    value = parse(data, media, kind.kind)
    obj = identified(value, data, kind, request.server.registry)
    schema = request.server.registry.type_of(kind)
    found, whole = typed(obj, kind, schema)  # a wrong type is reported before an unknown field
    if validation != "Ignore" and media != PROTOBUF:
        faults = duplicates(value, data, media, schema)
        if faults and media == JSON and schema is not None and not kind.custom:
            found, _ = typed(identified(merged(data), data, kind, request.server.registry), kind, schema)
            faults = strict_faults(data, schema)
        elif not whole and schema is not None:
            faults += unknown_fields(obj, schema, by_name=media == YAML)  # which becomes JSON with sorted members first
        _refuse(request, kind, faults, validation)
    return found


def identified(value: Any, data: bytes, kind: Kind, registry: Registry) -> Object:
    """A JSON value as an object of `kind` as far as apiVersion and kind go; missing ones are filled in."""
    if value is None:
        value = {}
    if not isinstance(value, dict):
        shape = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
        text = f"json: cannot unmarshal {shape} into Go value of type {_ENVELOPE}"
        raise unrecognized(data, kind.kind, f"couldn't get version/kind; json parse error: {text}")
    if kind.custom and not (value.get("apiVersion") and value.get("kind")):
        missing = "Kind" if not value.get("kind") else "apiVersion"
        raise unrecognized(data, kind.kind, f"Object '{missing}' is missing in '{data.decode('utf-8', 'replace')}'")
    api_version = value.get("apiVersion") or kind.api_version
    name = value.get("kind") or kind.kind
    for key, text in (("apiVersion", api_version), ("kind", name)):
        if not isinstance(text, str):
            shape = {list: "array", dict: "object", bool: "bool"}.get(type(text), "number")
            why = f"json: cannot unmarshal {shape} into Go struct field .{key} of type string"
            raise unrecognized(data, kind.kind, f"couldn't get version/kind; json parse error: {why}")
    if (api_version, name) != (kind.api_version, kind.kind):
        _other_kind(api_version, name, kind, registry)
    return {**value, "apiVersion": api_version, "kind": name}


def _other_kind(api_version: str, name: str, kind: Kind, registry: Registry) -> None:
    group, _, version = api_version.rpartition("/")
    known = registry.schemas.type(group, version, name) is not None
    if kind.custom:
        if api_version == kind.api_version:
            return  # the kind's own validation refuses another kind
        raise errors.bad_request(_other_version(api_version, kind))
    if known and name == kind.kind and kind.convert is not None:
        raise errors.bad_request(_other_version(api_version, kind))
    if known:
        why = (
            f"converting ({_go_package(group, version)}.{name}) to ({_internal(kind)}.{kind.kind}): unknown conversion"
        )
    else:
        why = (
            f'no kind "{name}" is registered for version "{api_version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
        )
    raise cannot_be_handled(name, version, kind, why)


def _other_version(stated: str, kind: Kind) -> str:
    return f"the API version in the data ({stated}) does not match the expected API version ({kind.api_version})"


def _go_package(group: str, version: str) -> str:
    return version


def _internal(kind: Kind) -> str:
    return kind.group.partition(".")[0] or "core"


def cannot_be_handled(name: str, version: str, kind: Kind, why: str) -> StatusError:
    return errors.bad_request(f'{name} in version "{version}" cannot be handled as a {kind.kind}: {why}')


def _refuse(request: Request, kind: Kind, faults: list[str], validation: str) -> None:
    if not faults:
        return
    if validation == "Strict":
        raise cannot_be_handled(kind.kind, kind.version, kind, f"strict decoding error: {_joined(faults)}")
    request.warnings.extend(faults)


def duplicates(value: Any, data: bytes, media: str, schema: Type | None) -> list[str]:
    """Fields that a body says twice, in the order in which the real server names them, before unknown ones."""
    if media == YAML:
        return yaml_duplicates(data)
    return duplicate_fields(data, schema, value) if media == JSON else []


def _joined(faults: list[str]) -> str:
    """go-yaml collects its errors under one head line."""
    lines = [fault for fault in faults if re.match(r"line \d+: ", fault)]
    rest = [fault for fault in faults if fault not in lines]
    head = ["yaml: unmarshal errors:\n" + "\n".join(f"  {line}" for line in lines)] if lines else []
    return ", ".join(head + rest)


def typed(obj: Object, kind: Kind, schema: Type | None) -> tuple[Object, bool]:
    """The object as the Go types hold it, and whether they know all its fields. Raises 400."""
    if schema is None:
        return obj, True
    try:
        return decode_strictly(obj, schema)
    except DecodeError as error:
        raise cannot_be_handled(kind.kind, kind.version, kind, str(error)) from None


def typed_options(value: Any, data: bytes, request: Request) -> dict[str, Any]:
    """A DeleteOptions body. Raises 400."""
    name = "DeleteOptions"
    if not isinstance(value, dict):
        value = identified(value, data, Kind("", "v1", name, "", False), request.server.registry)
    schema = request.server.registry.schemas.definition("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
    stated = value.get("kind") or name
    if stated != name:
        scheme = "pkg/apis/meta/internalversion/scheme/register.go:27"
        version = value.get("apiVersion", "")
        raise errors.bad_request(f'no kind "{stated}" is registered for version "{version}" in scheme "{scheme}"')
    try:
        return decode(value, schema)
    except DecodeError as error:
        raise errors.bad_request(f'{name} in version "v1" cannot be handled as a {name}: {error}') from None
