"""patch: JSON, merge, strategic merge and apply, each a pure function of the live object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from apiserver import errors, writeoptions
from apiserver.body import cannot_be_handled, load_yaml, strict_faults
from apiserver.field import invalid
from apiserver.handlers.commit import key_of
from apiserver.handlers.respond import object_response
from apiserver.handlers.write import create_object, modify
from apiserver.kinds.kind import Kind, Object
from apiserver.managers import apply as apply_managed
from apiserver.negotiation import JSON
from apiserver.patch.json_patch import apply_json
from apiserver.patch.merge_patch import apply_merge
from apiserver.patch.strategic import apply_strategic
from apiserver.request import Response
from apiserver.schema.decode import DecodeError, decode

if TYPE_CHECKING:
    from apiserver.request import Request
    from apiserver.writeoptions import WriteOptions

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
BUILTIN_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)
CUSTOM_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)


async def patch(request: Request) -> Response:
    """PATCH of an object or of a subresource that is the object itself."""
    media = patch_type(request)
    options = writeoptions.parse(request.info, "PatchOptions", apply=media == APPLY_PATCH)
    data = await request.body()
    if media == APPLY_PATCH:
        return await _apply(request, data, options)
    result = await modify(request, options, lambda live: patched(request, media, data, live, options))
    return object_response(request, result, 200)


def patch_type(request: Request) -> str:
    """The media type of the patch. Raises 415."""
    accepted = CUSTOM_TYPES if request.kind.custom else BUILTIN_TYPES
    media = request.header(b"content-type").partition(";")[0].strip().lower()
    if media not in BUILTIN_TYPES:
        raise errors.unsupported_patch_route()
    if media not in accepted:
        raise errors.unsupported_patch_type(accepted)
    return media


def patched(request: Request, media: str, data: bytes, live: Object, options: WriteOptions) -> Object:
    """The live object with the patch applied, decoded and checked. Raises 400, 409, 422."""
    kind = request.kind
    schema = request.server.registry.type_of(kind)
    if media == JSON_PATCH:
        new = apply_json(live, data)
    elif media == MERGE_PATCH:
        new = apply_merge(live, data)
    elif schema is not None:
        new = apply_strategic(live, data, schema)
    else:
        raise errors.unsupported_patch_type(CUSTOM_TYPES)
    return checked(request, new, live, options, data)


def checked(request: Request, new: Object, live: Object, options: WriteOptions, data: bytes) -> Object:
    """What a patch made, as an object of the kind: identity, unknown fields, types. Raises 400, 409, 422."""
    kind = request.kind
    if not isinstance(new, dict):
        raise errors.bad_request("the patched document is not an object")
    _identity(request, new, live, data)
    schema = request.server.registry.type_of(kind)
    if options.field_validation != "Ignore" and schema is not None:
        faults = strict_faults(new, b"", JSON, schema, by_name=True)
        if faults and options.field_validation == "Strict":
            fault = invalid("patch", _go_map(data), f"strict decoding error: {', '.join(faults)}")
            raise errors.invalid("", "", "", [fault])
        request.warnings.extend(faults)
    if schema is None:
        return new
    try:
        return decode(new, schema)
    except DecodeError as error:
        raise errors.invalid("", "", "", [invalid("patch", _go_map(data), str(error))]) from None


def _identity(request: Request, new: Object, live: Object, data: bytes) -> None:
    kind, info = request.kind, request.info
    if new.get("apiVersion") != kind.api_version or new.get("kind") != kind.kind:
        stated, version = str(new.get("kind") or ""), str(new.get("apiVersion") or "").rpartition("/")[2]
        why = cannot_be_handled(stated, version, kind, "the patch may not change apiVersion or kind").message
        raise errors.invalid("", "", "", [invalid("patch", _go_map(data), why)])
    metadata = new.get("metadata")
    if not isinstance(metadata, dict):
        raise errors.bad_request(
            f"the name of the object ({info.name} based on URL) was undeterminable: name must be provided"
        )
    if metadata.get("name") != info.name:
        raise errors.bad_request(
            f"the name of the object ({metadata.get('name')}) does not match the name on the URL ({info.name})"
            if metadata.get("name")
            else f"the name of the object ({info.name} based on URL) was undeterminable: name must be provided"
        )
    if kind.namespaced and metadata.get("namespace", info.namespace) != info.namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    version = metadata.get("resourceVersion") or live["metadata"]["resourceVersion"]
    if version != live["metadata"]["resourceVersion"]:
        raise errors.conflict(kind, info.name, errors.MODIFIED)


def _go_map(data: bytes) -> str:
    """A patch as Go's %v prints the decoded map in errors."""
    try:
        return go_value(orjson.loads(data))
    except orjson.JSONDecodeError:
        return data.decode("utf-8", "replace")


def go_value(value: object) -> str:
    """Go's %v of a JSON value: `map[a:1 b:[x y]]`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_value(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(go_value(item) for item in value)}]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


async def _apply(request: Request, data: bytes, options: WriteOptions) -> Response:
    """Server-side apply: creates what is missing, merges what is there."""
    kind, app = request.kind, request.server
    options.applied = True
    applied = _applied(request, data, options)
    live = app.store.get(key_of(kind, request.info.namespace, request.info.name))
    if live is None and request.subresource is None:
        uid = applied["metadata"].get("uid")
        if uid:
            raise errors.conflict(
                kind,
                request.info.name,
                f"uid mismatch: the provided object specified uid {uid}, and no existing object was found",
            )
        applied["metadata"].pop("resourceVersion", None)
        new = apply_managed(request, None, applied, options)
        return object_response(request, await create_object(request, new, options), 201)
    result = await modify(request, options, lambda current: _onto(request, current, applied, options))
    return object_response(request, result, 200)


def _onto(request: Request, live: Object, applied: Object, options: WriteOptions) -> Object:
    """The live object with `applied` merged in. Raises 409 where `applied` names another resourceVersion."""
    version = applied["metadata"].get("resourceVersion", "")
    if version and version != live["metadata"]["resourceVersion"]:
        raise errors.conflict(request.kind, request.info.name, errors.MODIFIED)
    return apply_managed(request, live, applied, options)


def _applied(request: Request, data: bytes, options: WriteOptions) -> Object:
    kind = request.kind
    try:
        value = orjson.loads(data) if data.lstrip().startswith(b"{") else load_yaml(data)
    except ValueError as error:
        raise errors.bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    if not isinstance(value, dict):
        shape = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
        why = f"json: cannot unmarshal {shape} into Go value of type map[string]interface {{}}"
        raise errors.bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    metadata = value.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise errors.bad_request("metadata accessor error: the applied document has no metadata")
    for key, wanted in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        if value.get(key) != wanted:
            raise errors.bad_request(_mismatch(kind, value))
    if metadata.get("name", request.info.name) != request.info.name:
        raise errors.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({request.info.name})"
        )
    metadata["name"] = request.info.name
    if kind.namespaced and metadata.get("namespace", request.info.namespace) != request.info.namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return value


def _mismatch(kind: Kind, value: Object) -> str:
    if not value.get("apiVersion") or not value.get("kind"):
        return f"invalid object type: {value.get('apiVersion', '')}, Kind={value.get('kind', '')}"
    return (
        "Incorrect version specified in apply patch. "
        f"Specified patch version: {value['apiVersion']}, expected: {kind.api_version}"
    )
