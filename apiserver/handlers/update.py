"""update, and what patches have in common with it: the live object, what is made of it, checks, commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from apiserver import errors, writeoptions
from apiserver.body import read_object
from apiserver.encoding import object_as_version
from apiserver.field import FieldError
from apiserver.handlers.commit import (
    check_preconditions,
    deletion_of,
    key_of,
    must_be_specified,
    submit,
    unparsable_version,
)
from apiserver.handlers.conversion import showable, storable
from apiserver.handlers.create import SYSTEM_METADATA, context_of, create_object, drop_empty, place
from apiserver.handlers.ownerreferences import keep_one_of_each
from apiserver.handlers.respond import object_response
from apiserver.kinds.features import drop_disabled
from apiserver.kinds.kind import Context, Kind, Object, Strategy
from apiserver.managers import track
from apiserver.objectmeta import changed_meta
from apiserver.storage.types import Record, Stale
from apiserver.writeoptions import WriteOptions

if TYPE_CHECKING:
    from apiserver.request import Request, Response

_JUDGED = frozenset({"uid", "deletionTimestamp", "deletionGracePeriodSeconds"})
_CONTAINERS = (dict, list)
_FIRST_LEVEL = ("metadata", "spec", "status")
UPDATE_ATTEMPTS = 64

Update = Callable[[Object], Object]
"""Makes the new object from the live one; runs again when another writer was faster."""


async def update(request: Request) -> Response:
    """PUT of an object, or of its status or another subresource that is the object itself."""
    options = writeoptions.parse(request.info, "UpdateOptions")
    obj = await read_object(request, request.kind, options.field_validation)
    check_name(request, obj)
    app, kind, strategy = request.server, request.kind, request.kind.strategy
    metadata = obj.setdefault("metadata", {})
    place(kind, metadata, request.info.namespace)
    live = app.store.get(key_of(kind, request.info.namespace, request.info.name))
    if live is None and strategy.create_on_update and not request.subresource:
        return await _create_on_update(request, obj, options)
    if live is not None:
        unparsable_version(metadata.get("resourceVersion", ""))
    result = await modify(request, options, lambda current: _replacement(kind, strategy, obj, current))
    return object_response(request, result, 200)


async def _create_on_update(request: Request, obj: Object, options: WriteOptions) -> Response:
    if obj["metadata"].get("uid"):
        raise errors.conflict(request.kind, request.info.name, _missing_for_uid(request, obj))
    obj["metadata"].pop("resourceVersion", None)
    return object_response(request, await create_object(request, obj, options), 201)


def _missing_for_uid(request: Request, obj: Object) -> str:
    from apiserver.handlers.commit import storage_path

    where = storage_path(request.kind, request.info.namespace, request.info.name)
    return (
        f"StorageError: invalid object, Code: 4, Key: {where}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: {obj['metadata']['uid']}, UID in object meta: "
    )


def check_name(request: Request, obj: Object) -> None:
    """The name in the body must be the one in the URL. Raises 400."""
    name, wanted = (obj.get("metadata") or {}).get("name", ""), request.info.name
    if not name:
        raise errors.bad_request(
            f"the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
        )
    if name != wanted:
        raise errors.bad_request(f"the name of the object ({name}) does not match the name on the URL ({wanted})")


def _replacement(kind: Kind, strategy: Strategy, obj: Object, live: Object) -> Object:
    """A PUT's object against the live one: preconditions, then a copy to work on, where it may have to be tried again
    (with a version of its own it is in conflict with whoever was faster)."""
    metadata = obj["metadata"]
    version = metadata.get("resourceVersion", "")
    uid = metadata.get("uid")
    if uid:
        check_preconditions(kind, live, uid, None)
    if version in ("", "0"):
        if not strategy.unconditional_update:
            raise must_be_specified(kind, metadata["name"])
        copied: Object = orjson.loads(orjson.dumps(obj))
        return copied
    if version != live["metadata"]["resourceVersion"]:
        raise errors.conflict(kind, metadata["name"], errors.MODIFIED)
    return {**obj, "metadata": dict(metadata)}


async def modify(request: Request, options: WriteOptions, change: Update) -> Record | Object:
    """Read, change, check and commit an existing object, again when another writer was faster. Raises StatusError.

    `change` gets the live object in the request's version, leaves it alone and answers a new one, which may be made of
    parts of it.
    """
    app, kind = request.server, request.kind
    key = key_of(kind, request.info.namespace, request.info.name)
    with app.turns.line() as line:
        for _ in range(UPDATE_ATTEMPTS):
            live = app.store.get(key)
            if live is None:
                raise errors.not_found(kind, request.info.name)
            await showable(kind, [live])
            old = app.recent.object_of(kind, live)
            new = change(object_as_version(kind, live) if kind.custom else old)
            try:
                return await _commit_update(request, options, live, old, new)
            except Stale:
                await line.join(key)
    raise errors.conflict(kind, request.info.name, errors.MODIFIED)


async def _commit_update(
    request: Request, options: WriteOptions, live: Record, old: Object, new: Object
) -> Record | Object:
    kind = request.kind
    context = context_of(request, options)
    strategy = strategy_of(request)
    if new["metadata"] is not old["metadata"]:
        carry_metadata(new, old)
        drop_empty(new["metadata"])
    new = _owned(strategy, new, old, status_write=context.subresource == "status")
    if request.info.verb == "update":
        keep_one_of_each(request, new["metadata"], admitted=False)
    track(request, old, new, options, context)
    await request.server.admission.mutate(request, kind, new, old, context)
    keep_one_of_each(request, new["metadata"], admitted=True)
    finish_update(request, strategy, new, old, context)
    await request.server.admission.validate(request, kind, new, old, context)
    if unchanged(new, old):
        return live if not context.dry_run else old
    if may_go(kind.strategy, new):
        return await _last_finalizer_gone(request, live, old, new, context)
    recent = request.server.recent if strategy.defaulted is not None and kind.convert is None else None
    encoded = recent.encoded(live, new) if recent is not None else {}
    record = await submit(request.server, kind, kind.strategy, new, old, live.revision, context, encoded)
    if record is None:
        return new
    if recent is not None:
        recent.keep(record, new, encoded)
    return record


def _owned(strategy: Strategy, new: Object, old: Object, *, status_write: bool) -> Object:
    """The new object with its defaults, changeable without a trace in the live one (`Strategy.defaulted`)."""
    new = new.copy()
    if strategy.defaulted is None:
        for name, value in new.items():
            if value is old.get(name) and isinstance(value, _CONTAINERS):
                new[name] = orjson.loads(orjson.dumps(value))
        strategy.default(new)
        return new
    for name in strategy.defaulted:
        value, before = new.get(name), old.get(name)
        if value is not before and not (status_write and value == before):  # which puts it back whatever is in it
            strategy.default(new)
            break
    for name in _FIRST_LEVEL:
        if name in new and new[name] is old.get(name):
            new[name] = new[name].copy()
    return new


def strategy_of(request: Request) -> Strategy:
    """The rules of this write: the kind's, or those of the subresource."""
    if request.subresource is not None and request.subresource.strategy is not None:
        return request.subresource.strategy
    return request.kind.strategy


def carry_metadata(new: Object, old: Object) -> None:
    """What no client may change in metadata comes from the live object. Another uid, and a deletion that nobody asked
    for, are errors, which validation words."""
    metadata, before = new["metadata"], old["metadata"]
    metadata["resourceVersion"] = before["resourceVersion"]
    for name in SYSTEM_METADATA:
        if name in _JUDGED and metadata.get(name) is not None and (name == "uid" or name not in before):
            continue
        if name in before:
            metadata[name] = before[name]
        else:
            metadata.pop(name, None)


def finish_update(request: Request, strategy: Strategy, new: Object, old: Object, context: Context) -> None:
    """rest.BeforeUpdate: preparation, generation, validation. Raises 422."""
    kind, metadata = request.kind, new["metadata"]
    status_write = request.info.subresource == "status"
    if strategy.has_generation and "generation" in old["metadata"]:
        metadata["generation"] = old["metadata"]["generation"]
    if status_write:
        strategy.prepare_for_status_update(new, old, context)
    else:
        drop_disabled(strategy.disabled_fields, new, old)
        strategy.prepare_for_update(new, old, context)
    if strategy.has_generation and not status_write and metadata.get("generation") == old["metadata"].get("generation"):
        bump_generation(new, old)
    faults: list[FieldError] = []
    if not _same_but_managed(metadata, old["metadata"]):
        again = 0 if status_write else strategy.metadata_again
        faults += changed_meta(
            metadata, old["metadata"], kind.namespaced, strategy.validate_name, again, built_in=strategy.built_in
        )
    if status_write:
        faults += strategy.validate_status_update(new, old, context)
    else:
        faults += strategy.validate_update(new, old, context)
    if faults:
        raise errors.invalid(kind.stored_group, kind.kind, metadata.get("name", ""), faults)
    request.warnings.extend(strategy.warnings(new, old, context))


def bump_generation(new: Object, old: Object) -> None:
    """metadata.generation counts changes of the desired state (API conventions, "Metadata")."""
    outside = ("metadata", "status", "apiVersion", "kind")
    if {k: v for k, v in new.items() if k not in outside} != {k: v for k, v in old.items() if k not in outside}:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def unchanged(new: Object, old: Object) -> bool:
    """Whether a write would change nothing; the times of managed fields alone do not count."""
    metadata, before = new["metadata"], old["metadata"]
    if {**new, "metadata": None} != {**old, "metadata": None} or not _same_but_managed(metadata, before):
        return False
    return metadata == before or _managers(new) == _managers(old)


def _same_but_managed(metadata: Object, before: Object) -> bool:
    """Whether nothing but managedFields differs."""
    return {**metadata, "managedFields": None} == {**before, "managedFields": None}


def _managers(obj: Object) -> list[Object]:
    entries = obj["metadata"].get("managedFields") or []
    return [{k: v for k, v in entry.items() if k != "time"} for entry in entries]


def may_go(strategy: Strategy, new: Object) -> bool:
    """Whether this update ends a deletion: marked, no finalizer left, no grace to wait for."""
    metadata = new["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if not strategy.may_go(new):
        return False
    return bool(metadata.get("deletionGracePeriodSeconds", 0) == 0)


async def _last_finalizer_gone(
    request: Request, live: Record, old: Object, new: Object, context: Context
) -> Record | Object:
    """The update becomes the deletion: the event shows the content before it, the answer the one after it, with the
    old resourceVersion (as the real server does)."""
    if not context.dry_run:
        app, kind = request.server, request.kind
        from apiserver.handlers.commit import companion_writes

        gone = companion_writes(app, kind.strategy.companions(None, old, context))
        await storable(kind, old)
        await app.store.submit([deletion_of(kind, old, live.revision), *gone])
    return new
