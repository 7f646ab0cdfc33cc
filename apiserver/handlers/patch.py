"""patch: JSON, merge, strategic merge and apply, each a pure function of the live object."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from apiserver import errors, writeoptions
from apiserver.field import immutable, invalid
from apiserver.handlers.commit import key_of, must_be_specified, unparsable_version
from apiserver.handlers.create import create_object
from apiserver.handlers.respond import object_response
from apiserver.handlers.update import modify
from apiserver.kinds.kind import Object
from apiserver.managers import apply as apply_managed
from apiserver.patch.configuration import read_configuration
from apiserver.patch.gotext import plain
from apiserver.patch.json_patch import apply_json, patch_faults
from apiserver.patch.merge_patch import load_json, merged_with, read_merge
from apiserver.patch.stated import merge_stated
from apiserver.patch.strategic import merge_strategic, read_strategic
from apiserver.patch.unstructured import restore_fault
from apiserver.request import Response
from apiserver.schema.decode import decode_changed, decode_differing
from apiserver.schema.scalars import DecodeError
from apiserver.schema.strict import duplicate_fields, unknown_fields, yaml_duplicates
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.request import Request
    from apiserver.schema.types import Type
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
    document: Object | None = None
    new: Object | None
    if media == JSON_PATCH:
        new = apply_json(live, data, strict=options.field_validation != "Ignore")
    elif media == MERGE_PATCH:
        document = read_merge(data)
        new = merged_with(live, document)
    elif schema is not None:
        document = read_strategic(data)
        defaulted = kind.strategy.defaulted
        new = merge_stated(live, document, schema, defaulted) if defaulted is not None else None
        if new is not None:
            schema = None  # there is nothing left to decode
        else:
            new = merge_strategic(live, document, schema)
    else:
        raise errors.unsupported_patch_type(CUSTOM_TYPES)
    return _checked(request, new, live, options, _Patch(media, data, document), schema)


class _Patch(NamedTuple):
    """A patch as it was sent; `document` is what `data` says, where that is an object."""

    media: str
    data: bytes
    document: Object | None


def _checked(
    request: Request, new: Object, live: Object, options: WriteOptions, sent: _Patch, schema: Type | None
) -> Object:
    """What a patch made, as an object of the kind: types, unknown fields, identity. Raises 400, 409, 422."""
    media, data, document = sent
    why = _unfit(request, new)
    if why:
        raise _invalid_patch(new, data, media, why)
    typed, whole = _decoded(request, new, live, schema, data, media)  # a wrong type is reported before an unknown field
    if options.field_validation != "Ignore":
        faults = patch_faults(data) if media == JSON_PATCH else duplicate_fields(data, parsed=document)
        if schema is not None and not whole:
            faults += unknown_fields(new, schema, by_name=True)
        if faults and options.field_validation == "Strict":
            raise _invalid_patch(new, data, media, f"strict decoding error: {', '.join(faults)}")
        request.warnings.extend(faults)
    identified(request, typed, live)
    return typed


def _decoded(
    request: Request, new: Object, live: Object, schema: Type | None, data: bytes, media: str
) -> tuple[Object, bool]:
    """The patched document as the kind's type. Strategic patches have words of their own for what does not fit; they
    are looked for only where something does not. Raises 422."""
    if schema is None:
        return new, True
    try:
        if request.kind.strategy.defaulted is not None:
            return decode_differing(new, schema, live, "status")
        return decode_changed(new, schema, live)
    except DecodeError as error:
        why = restore_fault(new, schema) if media == STRATEGIC_PATCH else ""
        raise _invalid_patch(new, data, media, why or str(error)) from None


def _unfit(request: Request, new: object) -> str:
    """Why the patched document is no object of the kind as far as apiVersion and kind go."""
    kind = request.kind
    if not isinstance(new, dict):
        return "the patched document is not an object"
    if new.get("apiVersion") != kind.api_version or new.get("kind") != kind.kind:
        stated, version = str(new.get("kind") or ""), str(new.get("apiVersion") or "").rpartition("/")[2]
        return (
            f'{stated} in version "{version}" cannot be handled as a {kind.kind}: '
            "the patch may not change apiVersion or kind"
        )
    return ""


def _invalid_patch(new: object, data: bytes, media: str, why: str) -> StatusError:
    """422 on the field `patch`: a strategic patch is shown as Go prints its map, else the patched document."""
    shown = plain(load_json(data)) if media == STRATEGIC_PATCH else orjson.dumps(new).decode()
    return errors.invalid("", "", "", [invalid("patch", shown, why)])


def identified(request: Request, new: Object, live: Object | None) -> None:
    """A patched object against the URL and the live object: name, namespace, uid, version. Raises 400, 409, 422."""
    kind, info = request.kind, request.info
    metadata = new.get("metadata")
    if live is not None and metadata is live["metadata"]:
        return
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
    if live is None:
        return
    before = live["metadata"]
    revision = unparsable_version(metadata.get("resourceVersion", ""))
    if not revision and not kind.strategy.unconditional_update:
        raise must_be_specified(kind, info.name)
    if revision and revision != int(before["resourceVersion"]):
        raise errors.conflict(kind, info.name, errors.MODIFIED)
    if metadata.get("uid", before["uid"]) != before["uid"]:
        fault = immutable("metadata.uid", metadata["uid"])
        raise errors.invalid(kind.group, kind.kind, info.name, [fault, fault])


async def _apply(request: Request, data: bytes, options: WriteOptions) -> Response:
    """Server-side apply: creates what is missing, merges what is there."""
    kind, app = request.kind, request.server
    options.applied = True
    applied = read_configuration(data, kind.api_version, kind.kind)
    live = app.store.get(key_of(kind, request.info.namespace, request.info.name))
    if live is None and request.subresource is None:
        new = _merged(request, None, applied, data, options)
        unparsable_version(new["metadata"].get("resourceVersion", ""))
        new["metadata"].pop("resourceVersion", None)
        return object_response(request, await create_object(request, new, options), 201)
    result = await modify(request, options, lambda current: _merged(request, current, applied, data, options))
    return object_response(request, result, 200)


def _merged(request: Request, live: Object | None, applied: Object, data: bytes, options: WriteOptions) -> Object:
    new = apply_managed(request, live, applied, options)
    if options.field_validation != "Ignore":
        faults = [] if data.lstrip().startswith(b"{") else yaml_duplicates(data)
        if faults and options.field_validation == "Strict":
            raise errors.bad_request(f"error strict decoding YAML: {', '.join(faults)}")
        request.warnings.extend(faults)
    uid = new["metadata"].get("uid")
    if live is None and uid:
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise errors.conflict(request.kind, request.info.name, why)
    identified(request, new, live)
    return new
