"""From a finished object to committed bytes: allocation, encoding, the write itself, and lost races."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from apiserver import errors
from apiserver.encoding import NOTHING, template, to_storage
from apiserver.field import invalid
from apiserver.gointegers import parse_unsigned
from apiserver.handlers.conversion import showable, storable
from apiserver.kinds.kind import Context, Kind, Object, Strategy
from apiserver.storage.types import Claim, ClaimTaken, Exists, Key, Record, Stale, Unavailable, Write

if TYPE_CHECKING:
    from apiserver.server import App

ATTEMPTS = 32
"""How often a lost address, port or companion is tried again before the client is told to come back."""


def key_of(kind: Kind, namespace: str, name: str) -> Key:
    return Key(kind.resource, namespace if kind.namespaced else "", name)


def write_of(
    kind: Kind, obj: Object, expected: int, claims: tuple[Claim, ...] | None, encoded: Mapping[str, bytes] = NOTHING
) -> Write:
    """The Write that stores `obj`; expected 0 creates it. `encoded` is as `template` has it."""
    metadata = obj["metadata"]
    return Write(
        key=key_of(kind, metadata.get("namespace", ""), metadata["name"]),
        type="MODIFIED" if expected else "ADDED",
        expected=expected,
        template=template(to_storage(kind, obj), encoded),
        uid=metadata["uid"],
        labels=metadata.get("labels") or {},
        claims=claims,
    )


def deletion_of(kind: Kind, obj: Object, expected: int) -> Write:
    """The Write that removes an object; `obj` is the content that the DELETED event shows."""
    write = write_of(kind, obj, expected, ())
    write.type = "DELETED"
    return write


async def commit(app: App, writes: Sequence[Write]) -> Record:
    """Store some writes together: the record of the first. Raises Exists, Stale, ClaimTaken, StatusError."""
    try:
        return (await app.store.submit(writes))[0]
    except Unavailable as error:
        raise errors.unavailable(str(error)) from None


async def submit(
    app: App,
    kind: Kind,
    strategy: Strategy,
    obj: Object,
    old: Object | None,
    expected: int,
    context: Context,
    encoded: Mapping[str, bytes] = NOTHING,
) -> Record | None:
    """Allocate, encode (what is not `encoded`) and commit a create (`old` None) or an update; None for a dry run.

    Raises Exists or Stale for the caller to translate, StatusError for the client.
    """
    pristine = copy.deepcopy(obj) if _allocates(strategy) else None
    with app.turns.line() as line:
        for _ in range(ATTEMPTS):
            strategy.allocate(obj, old, context)
            companions = strategy.companions(obj, old, context)
            companions += [companion for ask in context.companions for companion in ask()]
            if context.dry_run:
                return None
            await storable(kind, obj)
            write = write_of(kind, obj, expected, strategy.claims(obj), encoded)
            writes = [write, *companion_writes(app, companions)]
            try:
                record = await commit(app, writes)
                await showable(kind, [record])
                return record
            except ClaimTaken:
                pass
            except (Exists, Stale) as error:
                if error.key == write.key:
                    raise
                await line.join(error.key)
            if pristine is not None:
                obj.clear()
                obj.update(copy.deepcopy(pristine))
    raise errors.too_many_requests("what this object takes from others is contended; try again", 1)


def _allocates(strategy: Strategy) -> bool:
    return type(strategy).allocate is not Strategy.allocate


def companion_writes(app: App, companions: list[tuple[str, Object]]) -> list[Write]:
    """Writes of the objects that come and go with another one."""
    writes = []
    for action, obj in companions:
        group, _, version = obj["apiVersion"].rpartition("/")
        kind = app.registry.companion(group, version, obj["kind"])
        if action == "create":
            app.complete_metadata(obj)
            writes.append(write_of(kind, obj, 0, None))
            continue
        if action == "update":
            writes.append(write_of(kind, obj, int(obj["metadata"]["resourceVersion"]), None))
            continue
        record = app.store.get(key_of(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))
        if record is not None:
            from apiserver.encoding import decode

            writes.append(deletion_of(kind, decode(record), record.revision))
    return writes


def unparsable_version(text: str) -> int:
    """resourceVersion of a body as a number, 0 for none. Raises the real server's 500 for anything else."""
    if not text:
        return 0
    try:
        return parse_unsigned(text)
    except ValueError as error:
        raise errors.plain_internal(str(error)) from None


def check_preconditions(kind: Kind, live: Object, uid: str | None, version: str | None) -> None:
    """DeleteOptions.preconditions and the uid of a PUT. Raises 409 with the StorageError text."""
    metadata = live["metadata"]
    where = storage_path(kind, metadata.get("namespace", ""), metadata["name"])
    if uid is not None and uid != metadata["uid"]:
        raise errors.precondition_failed(kind, where, metadata["name"], "UID", uid, metadata["uid"])
    if version is not None and version != metadata["resourceVersion"]:
        raise errors.precondition_failed(
            kind, where, metadata["name"], "ResourceVersion", version, metadata["resourceVersion"]
        )


_STORAGE_NAMES = {
    "services": "services/specs",
    "endpoints": "services/endpoints",
    "nodes": "minions",
    "replicationcontrollers": "controllers",
    "ingresses.networking.k8s.io": "ingress",
    "leases.coordination.k8s.io": "leases",
}
"""etcd prefixes that differ from the plural; they appear in precondition errors."""


def storage_path(kind: Kind, namespace: str, name: str) -> str:
    """The etcd key that the real server would name in an error."""
    prefix = _STORAGE_NAMES.get(kind.resource) or (f"{kind.group}/{kind.plural}" if kind.custom else kind.plural)
    return "/".join(part for part in ("", "registry", prefix, namespace, name) if part or part == "")


def must_be_specified(kind: Kind, name: str) -> Exception:
    """A PUT without resourceVersion to a kind that does not take unconditional updates."""
    fault = invalid("metadata.resourceVersion", 0, "must be specified for an update")
    return errors.invalid(kind.group, kind.plural, name, [fault])
