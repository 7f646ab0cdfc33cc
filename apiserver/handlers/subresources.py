"""Subresources that are no plain view of an object: projections such as scale, and calls such as binding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import orjson

from apiserver import errors, writeoptions
from apiserver.body import read_object
from apiserver.encoding import decode, object_as_version
from apiserver.handlers import patch as patches
from apiserver.handlers import read
from apiserver.handlers.commit import check_preconditions
from apiserver.handlers.conversion import showable
from apiserver.handlers.create import context_of, place
from apiserver.handlers.respond import transformed, value_response
from apiserver.handlers.update import check_name, modify
from apiserver.kinds.kind import Kind, Object, Projection
from apiserver.managers import apply as apply_managed
from apiserver.patch.configuration import check_configuration, read_configuration
from apiserver.patch.managed import yielded
from apiserver.storage.types import Record

if TYPE_CHECKING:
    from apiserver.request import Request, Response
    from apiserver.writeoptions import WriteOptions

Call = Callable[["Request"], Awaitable["Response"]]


def _view(request: Request) -> tuple[Projection, Kind]:
    assert request.subresource is not None
    assert request.subresource.projection is not None
    kind, projection = request.kind, request.subresource.projection
    group, version, name = request.subresource.gvk or (kind.group, kind.version, kind.kind)
    columns = projection.columns or kind.columns
    return projection, Kind(group, version, name, kind.plural, kind.namespaced, columns=columns)


def _shown(request: Request, obj: Object) -> Response:
    """The view of an object in the form that was asked for. Raises 406."""
    projection, view = _view(request)
    return value_response(request, transformed(request, projection.read(obj), view), 200)


def _object(found: Record | Object) -> Object:
    return decode(found) if isinstance(found, Record) else found


async def get_projection(request: Request) -> Response:
    """GET of a view (scale)."""
    record = read.find(request)
    await showable(request.kind, [record])
    obj = object_as_version(request.kind, record)
    return _shown(request, obj)


async def update_projection(request: Request) -> Response:
    """PUT of a view."""
    options = writeoptions.parse(request.info, "UpdateOptions")
    _, kind = _view(request)
    body = await read_object(request, kind, options.field_validation)
    check_name(request, body)
    place(request.kind, body["metadata"], request.info.namespace)
    changed = await _write(request, options, lambda view: body)
    return _shown(request, changed)


async def patch_projection(request: Request) -> Response:
    """PATCH of a view."""
    _, kind = _view(request)
    media = patches.patch_type(request)
    data = await request.body()
    if media == patches.APPLY_PATCH:
        return await _apply_projection(request, data)
    options = writeoptions.parse(request.info, "PatchOptions", apply=False)
    outer = request.kind

    def change(view: Object) -> Object:
        request.kind = kind
        try:
            return patches.patched(request, media, data, view, options)
        except errors.StatusError as error:
            if error.code == 409 and errors.MODIFIED in error.message:  # the storage of the object says so
                raise errors.conflict(outer, request.info.name, errors.MODIFIED) from None
            raise
        finally:
            request.kind = outer

    changed = await _write(request, options, change)
    return _shown(request, changed)


async def _apply_projection(request: Request, data: bytes) -> Response:
    """Server-side apply of a scale: its replicas are applied to the object by a manager of the subresource."""
    options = writeoptions.parse(request.info, "PatchOptions", apply=True)
    options.applied = True
    _, view = _view(request)
    wanted = read_configuration(data, view.api_version, view.kind)
    schema = request.server.registry.type_of(view)
    if schema is not None:
        check_configuration(wanted, schema)
    kind, name = request.kind, request.info.name
    applied: Object = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}
    if "replicas" in (wanted.get("spec") or {}):
        applied["spec"] = {"replicas": wanted["spec"]["replicas"]}

    def through(live: Object) -> Object:
        return yielded(apply_managed(request, live, applied, options), ("spec", "replicas"))

    changed = await modify(request, options, through)
    return _shown(request, _object(changed))


async def _write(request: Request, options: WriteOptions, change: Callable[[Object], Object]) -> Object:
    projection, view_kind = _view(request)
    context = context_of(request, options)

    def through(live: Object) -> Object:
        view = change(projection.read(live))
        metadata = view.get("metadata") or {}
        check_preconditions(request.kind, live, metadata.get("uid") or None, None)
        version = metadata.get("resourceVersion", "")
        if version not in ("", "0", live["metadata"]["resourceVersion"]):
            raise errors.conflict(request.kind, request.info.name, errors.MODIFIED)
        new: Object = orjson.loads(orjson.dumps(live))
        faults = projection.write(new, view, context)
        if faults:
            raise errors.invalid(view_kind.group, view_kind.kind, request.info.name, faults)
        return new

    return _object(await modify(request, options, through))
