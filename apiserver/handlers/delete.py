"""delete and deletecollection: preconditions, finalizers, grace, and what the answer shows."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apiserver import errors, listoptions, writeoptions
from apiserver.encoding import object_as_version
from apiserver.handlers import read
from apiserver.handlers.commit import companion_writes, deletion_of, key_of, write_of
from apiserver.handlers.conversion import showable, storable
from apiserver.handlers.create import context_of
from apiserver.handlers.lists import render
from apiserver.handlers.respond import object_response, success_status, value_response
from apiserver.handlers.update import UPDATE_ATTEMPTS
from apiserver.kinds.kind import Context, Kind, Object
from apiserver.storage.types import Record, Stale, Unavailable
from apiserver.writeoptions import DeleteOptions, WriteOptions

if TYPE_CHECKING:
    from apiserver.request import Request, Response

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"


async def delete(request: Request) -> Response:
    """DELETE of one object."""
    options = await writeoptions.read_delete_options(request)
    obj, gone = await delete_one(request, request.info.name, options)
    if gone and not request.kind.strategy.delete_answers_object:
        metadata = obj["metadata"]
        return value_response(request, success_status(request.kind, metadata["name"], metadata["uid"]), 200)
    return object_response(request, obj, 200)


async def delete_collection(request: Request) -> Response:
    """DELETE of a collection: one deletion per matching object; answers the list of them."""
    selection = listoptions.parse(request.info, request.kind, watch=False)
    options = await writeoptions.read_delete_options(request)
    page = await read.select(request, selection)
    for record in page.records:
        try:
            await delete_one(request, record.key.name, options)
        except errors.StatusError as error:
            if error.code != 404:
                raise
    return render(request, page)


async def delete_one(request: Request, name: str, options: DeleteOptions) -> tuple[Object, bool]:
    """Delete by name: (the object as it was or as it now waits, whether it is gone). Raises StatusError."""
    app, kind = request.server, request.kind
    context = context_of(request, WriteOptions(dry_run=options.dry_run))
    key = key_of(kind, request.info.namespace, name)
    with app.turns.line() as line:
        for _ in range(UPDATE_ATTEMPTS):
            live = app.store.get(key)
            if live is None:
                raise errors.not_found(kind, name)
            await showable(kind, [live])
            old = object_as_version(kind, live)
            check_preconditions(kind, old, options)
            if old["metadata"].get("deletionTimestamp") and not kind.strategy.may_go(old):
                return old, False
            kind.strategy.check_delete(old, context)
            request.warnings.extend(kind.strategy.delete_warnings(old, options.raw))
            await app.admission.delete(request, kind, old, context)
            try:
                return await _attempt(request, live, old, options, context)
            except Stale:
                await line.join(key)
            except Unavailable as error:
                raise errors.unavailable(str(error)) from None
    raise errors.conflict(kind, name, errors.MODIFIED)


def check_preconditions(kind: Kind, live: Object, options: DeleteOptions) -> None:
    """DeleteOptions.preconditions (rest.BeforeDelete; what is marked first has words of its own). Raises 409."""
    metadata = live["metadata"]
    checks = (
        ("UID", options.uid, metadata["uid"], "deleted and then recreated"),
        ("ResourceVersion", options.resource_version, metadata["resourceVersion"], "modified"),
    )
    for what, wanted, actual, guess in checks:
        if wanted is None or wanted == actual:
            continue
        named = kind
        why = f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {actual}"
        if not kind.strategy.marked_first:
            named = replace(kind, plural=kind.kind)
            why = (
                f"the {what} in the precondition ({wanted}) does not match the {what} in record ({actual}). "
                f"The object might have been {guess}"
            )
        raise errors.conflict(named, metadata["name"], why)


async def _attempt(
    request: Request, live: Record, old: Object, options: DeleteOptions, context: Context
) -> tuple[Object, bool]:
    app, kind = request.server, request.kind
    new = object_as_version(kind, live)
    finalizers = wanted_finalizers(kind, old, options)
    if kind.strategy.marked_first and not old["metadata"].get("deletionTimestamp"):
        new["metadata"]["deletionTimestamp"] = context.now
        kind.strategy.mark_deleted(new, finalizers, context)
        waits = True
    else:
        grace = kind.strategy.grace_period(old, options.raw)
        waits = mark(new, grace, finalizers, context, kind.strategy.has_generation)
    if waits:
        if new == old or context.dry_run:
            return new, False
        await storable(kind, new)
        (record, *_) = await app.store.submit([write_of(kind, new, live.revision, kind.strategy.claims(new))])
        await showable(kind, [record])
        return object_as_version(kind, record), False
    if context.dry_run:
        return new if kind.strategy.announces_deletion else old, True
    gone = companion_writes(app, kind.strategy.companions(None, old, context))
    if kind.strategy.announces_deletion and not old["metadata"].get("deletionTimestamp"):
        return await _announced(request, live, new, gone)
    if kind.strategy.announces_deletion and new != old:
        return await _announced(request, live, new, gone)
    await storable(kind, old)
    (record, *_) = await app.store.submit([deletion_of(kind, old, live.revision), *gone])
    await showable(kind, [record])
    return object_as_version(kind, record), True


async def _announced(request: Request, live: Record, new: Object, gone: list) -> tuple[Object, bool]:  # type: ignore[type-arg]
    """Two events, as graceful deletion has them: MODIFIED with grace 0, then DELETED."""
    app, kind = request.server, request.kind
    (record, *_) = await app.store.submit([write_of(kind, new, live.revision, kind.strategy.claims(new))])
    marked = object_as_version(kind, record)
    await app.store.submit([deletion_of(kind, marked, record.revision), *gone])
    return marked, True


def wanted_finalizers(kind: Kind, old: Object, options: DeleteOptions) -> list[str]:
    """metadata.finalizers after the propagation policy: it adds or removes the two of the garbage collector."""
    current = list(old["metadata"].get("finalizers") or ())
    orphan, foreground = _policy(kind, old, current, options)
    kept = [name for name in current if name not in (ORPHAN, FOREGROUND)]
    if orphan:
        kept.append(ORPHAN)
    if foreground:
        kept.append(FOREGROUND)
    return kept if set(kept) != set(current) else current


def _policy(kind: Kind, old: Object, current: list[str], options: DeleteOptions) -> tuple[bool, bool]:
    if not kind.strategy.garbage_collected:
        return False, False
    if options.orphan is not None:
        marked = bool(old["metadata"].get("deletionTimestamp"))
        return options.orphan, not options.orphan and kind.strategy.marked_first and not marked
    if options.propagation:
        return options.propagation == "Orphan", options.propagation == "Foreground"
    if ORPHAN in current or FOREGROUND in current:
        return ORPHAN in current, FOREGROUND in current
    return kind.strategy.orphan_dependents_by_default, False


def mark(new: Object, grace: int, finalizers: list[str], context: Context, has_generation: bool) -> bool:
    """Set deletionTimestamp and grace on `new`; whether it has to wait for finalizers or its grace."""
    metadata = new["metadata"]
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    previous = metadata.get("deletionGracePeriodSeconds")
    if metadata.get("deletionTimestamp"):
        if previous is None:  # of what is marked first
            metadata["deletionGracePeriodSeconds"] = grace
        elif grace < previous:
            _set_deadline(metadata, grace, from_now=previous - grace)
        grace = min(grace, previous if previous is not None else grace)
    else:
        metadata["deletionTimestamp"] = _after(context.now, grace)
        metadata["deletionGracePeriodSeconds"] = grace
        if has_generation and "generation" in metadata:
            metadata["generation"] += 1
    return bool(finalizers) or grace > 0


def _set_deadline(metadata: Object, grace: int, from_now: int) -> None:
    metadata["deletionTimestamp"] = _after(metadata["deletionTimestamp"], -from_now)
    metadata["deletionGracePeriodSeconds"] = grace


def _after(timestamp: str, seconds: int) -> str:
    moment = datetime.strptime(timestamp[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp() + seconds
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
