"""create: generic code owns the verb and its order, the strategy owns the kind."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import orjson

from apiserver import errors, writeoptions
from apiserver.body import read_object
from apiserver.encoding import decode
from apiserver.handlers.commit import commit, key_of, submit
from apiserver.handlers.ownerreferences import keep_one_of_each
from apiserver.handlers.precedents import Case, Precedent
from apiserver.handlers.respond import object_response
from apiserver.kinds.features import drop_disabled
from apiserver.kinds.kind import Context, Kind, Object, Strategy
from apiserver.managers import track
from apiserver.objectmeta import object_meta
from apiserver.storage.types import Exists, Key, Record
from apiserver.uids import new_uid
from apiserver.writeoptions import WriteOptions

if TYPE_CHECKING:
    from apiserver.request import Request, Response
    from apiserver.server import App

NEW_ON_CREATION = ("selfLink", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
SYSTEM_METADATA = (*NEW_ON_CREATION, "generation", "namespace")
"""What no update changes (rest.BeforeUpdate). A generation that an object is created with stays, where nobody counts;
another namespace is refused before."""
NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""apimachinery's `rand.String`: no vowels, no characters that look alike."""
GENERATED_LENGTH, NAME_LIMIT, NAME_ATTEMPTS = 5, 63, 8


def context_of(request: Request, options: WriteOptions) -> Context:
    return Context(
        cluster=request.server.cluster,
        user=request.user,
        namespace=request.info.namespace if request.kind.namespaced else "",
        now=request.server.now(),
        dry_run=options.dry_run,
        subresource=request.info.subresource,
        options={"request": request},
        warnings=request.warnings,
    )


async def create(request: Request) -> Response:
    """POST to a collection. What came of an earlier create that says the same but for the name is recalled."""
    if request.kind.closed:
        raise errors.closed(request.kind)
    precedents = request.server.precedents
    case = precedents.case(request)
    precedent = precedents.known(request, case)
    record = await _create_alike(request, case, precedent) if case is not None and precedent is not None else None
    if record is not None:
        return object_response(request, record, 201)
    options = writeoptions.parse(request.info, "CreateOptions")
    obj = await read_object(request, request.kind, options.field_validation)
    return object_response(request, await create_object(request, obj, options, case=case), 201)


async def _create_alike(request: Request, case: Case, precedent: Precedent) -> Record | None:
    """Create another object like an earlier one; None where there is more to be said of its name. Raises 409."""
    app, kind = request.server, request.kind
    name = case.name
    for _ in range(1 if name else NAME_ATTEMPTS):
        name = case.name or generated(precedent.prefix)
        if not kind.strategy.plain(name):
            return None
        key = key_of(kind, request.info.namespace, name)
        try:
            return await commit(app, [precedent.write(key, new_uid(), app.now())])
        except Exists:
            if case.name:
                raise _exists(app, kind, key) from None
    raise errors.generate_name_conflict(kind, name)


async def create_object(
    request: Request, obj: Object, options: WriteOptions, *, default: bool = True, case: Case | None = None
) -> Record | Object:
    """Create a decoded object. Managed fields show what the client and the defaults say, not what admission and the
    strategy add. `case`: as what it may be a precedent. Answers the record, or the object itself for a dry run. Raises
    StatusError."""
    kind, strategy = request.kind, request.kind.strategy
    context = context_of(request, options)
    metadata = obj.setdefault("metadata", {})
    context.unique = "managedFields" in metadata  # they have times of their own
    place(kind, metadata, context.namespace)
    if default:
        strategy.default(obj)
    drop_empty(metadata)
    if not options.applied:
        keep_one_of_each(request, metadata, admitted=False)
    track(request, None, obj, options, context)
    await request.server.admission.mutate(request, kind, obj, None, context)
    keep_one_of_each(request, metadata, admitted=True)
    version = metadata.pop("resourceVersion", "")
    generate = bool(metadata.get("generateName")) and not metadata.get("name")
    for _ in range(NAME_ATTEMPTS if generate else 1):
        if generate:
            metadata["name"] = generated(metadata["generateName"])
        prepared = orjson.loads(orjson.dumps(obj)) if generate else obj
        finish_create(request, strategy, prepared, context)
        if version and version != "0":
            raise errors.plain_internal("resourceVersion should not be set on objects to be created")
        await request.server.admission.validate(request, kind, prepared, None, context)
        if case is not None:
            request.server.precedents.keep(case, request, prepared, context)
        try:
            return await _store_new(request, strategy, prepared, context)
        except Exists:
            if not generate:
                raise _exists(request.server, kind, key_of(kind, context.namespace, metadata["name"])) from None
    raise errors.generate_name_conflict(kind, metadata["name"])


async def _store_new(request: Request, strategy: Strategy, obj: Object, context: Context) -> Record | Object:
    app, kind = request.server, request.kind
    key = key_of(kind, context.namespace, obj["metadata"]["name"])
    if context.dry_run and app.store.get(key) is not None:
        raise Exists(key)
    record = await submit(app, kind, strategy, obj, None, 0, context)
    return record if record is not None else obj


def _exists(app: App, kind: Kind, key: Key) -> Exception:
    error = errors.already_exists(kind, key.name)
    live = app.store.get(key)
    if live is not None and decode(live)["metadata"].get("deletionTimestamp"):
        error.message = f"object is being deleted: {error.message}"
    return error


def place(kind: Kind, metadata: Object, namespace: str) -> None:
    """Put the namespace of the URL into the object. Raises 400 where the object names another one."""
    if not kind.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.get("namespace", namespace) != namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = namespace


def generated(prefix: str) -> str:
    """A name from generateName: cut to fit, five random characters behind it."""
    suffix = "".join(random.choices(NAME_ALPHABET, k=GENERATED_LENGTH))
    return prefix[: NAME_LIMIT - GENERATED_LENGTH] + suffix


def finish_create(request: Request, strategy: Strategy, obj: Object, context: Context) -> None:
    """rest.BeforeCreate: system metadata, the strategy's preparation, validation. Raises 422."""
    kind, metadata = request.kind, obj["metadata"]
    for name in NEW_ON_CREATION:
        metadata.pop(name, None)
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = context.now
    if strategy.has_generation:
        metadata["generation"] = 1
    drop_disabled(strategy.disabled_fields, obj, None)
    strategy.prepare_for_create(obj, context)
    faults = object_meta(metadata, kind.namespaced, strategy.validate_name, built_in=strategy.built_in)
    faults += strategy.validate(obj, context)
    if faults:
        raise errors.invalid(kind.stored_group, obj["kind"], metadata.get("name", ""), faults)
    request.warnings.extend(strategy.warnings(obj, None, context))


def drop_empty(metadata: Object) -> None:
    """Empty maps and lists of the metadata vanish, as Go's omitempty has it. Empty managedFields mean something to
    whoever tracks them."""
    for name in ("labels", "annotations", "finalizers", "ownerReferences", "generateName"):
        if name in metadata and not metadata[name]:
            del metadata[name]
