"""Server-side apply (KEP-555): a configuration merged into the live object, with conflicts and ownership."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson

from apiserver import errors
from apiserver.patch.compare import changes, fields_of
from apiserver.patch.configuration import check_configuration, label
from apiserver.patch.conflicts import Conflict, conflict_error
from apiserver.patch.fieldset import FieldSet, contains, difference, intersection, ordered, paths, union, without
from apiserver.patch.lastapplied import KUBECTL, allowed_conflicts, refresh_last_applied
from apiserver.patch.managed import (
    APPLY,
    STRIPPED,
    Entry,
    Identity,
    Write,
    dispossessed,
    identity,
    in_order,
    reset_set,
    untracked,
    updated,
)
from apiserver.patch.merging import ABSENT, merged, removed, with_named_fields
from apiserver.patch.nodes import Untypable, node_of
from apiserver.schema.decode import decode
from apiserver.schema.scalars import DecodeError
from apiserver.schema.types import Type

if TYPE_CHECKING:
    from apiserver.kinds.kind import Object

BEFORE_FIRST_APPLY = "before-first-apply"


def apply(
    live: Object | None,
    applied: Object,
    kind: Type,
    *,
    manager: str,
    api_version: str,
    force: bool = False,
    subresource: str = "",
    now: str,
    reset: FieldSet | Iterable[tuple[str, ...]] | None = None,
) -> Object:
    """The live object (None: there is none) with `applied` merged in, managedFields included.

    `applied` must be as the client sent it: the real server's errors show its namespace, and kubectl's last-applied
    annotation its text. Where nothing changes the live object comes back. Raises 400 (managedFields in `applied`),
    409 (conflicts, unless `force`), and the real server's 500 for what does not fit the type.
    """
    return _Apply(kind, Write(manager, api_version, subresource, now, reset_set(reset))).run(live, applied, force)


class _Apply:
    """One apply: who (`write`), on what type (`node`), and the entry by which the applier is known."""

    def __init__(self, kind: Type, write: Write) -> None:
        self.kind, self.node, self.write = kind, node_of(kind), write
        self.applier = Identity(write.manager, APPLY, "", write.subresource)

    def run(self, live: Object | None, applied: Object, force: bool) -> Object:
        metadata = applied.get("metadata")
        if isinstance(metadata, dict) and isinstance(metadata.get("managedFields"), list):
            raise errors.bad_request("metadata.managedFields must be nil")
        check_configuration(applied, self.kind)
        entries = ((live or {}).get("metadata") or {}).get("managedFields") or []
        old = untracked(live) if live is not None else self.blank(applied)
        if not entries:
            owner = self.write._replace(manager=BEFORE_FIRST_APPLY)
            entries = updated(self.blank(applied), old, self.node, [], owner)
        new, entries, changed = self.attempt(old, applied, entries, force)
        if self.write.manager == KUBECTL:
            refresh_last_applied(new, applied)
        return self.finished(new, entries, changed, applied)

    def blank(self, applied: Object) -> Object:
        """An object of which nothing was set but what it is."""
        return {**self.node.empty, "apiVersion": applied.get("apiVersion"), "kind": applied.get("kind")}

    def attempt(
        self, old: Object, applied: Object, entries: list[Entry], force: bool
    ) -> tuple[Object, list[Entry], bool]:
        """(new object, entries, whether anything changed). Raises 409."""
        try:
            new, own = self.merge(old, applied, entries)
            gained, lost = changes(old, _dense(new), self.node)
        except Untypable as error:
            raise errors.plain_internal(f"failed to merge config: {error}") from None
        gained, lost = without(gained, self.write.reset), without(lost, self.write.reset)
        others = [entry for entry in entries if identity(entry) != self.applier]
        conflicts = [] if force else self.conflicts(others, gained)
        if conflicts and self.write.manager == KUBECTL:
            allowed = allowed_conflicts(old, self.node, self.write.api_version)
            conflicts = [conflict for conflict in conflicts if not contains(allowed, conflict.path)]
        if conflicts:
            raise conflict_error(conflicts)
        return new, self.owned(others, entries, own, gained, lost, new != old), new != old

    def merge(self, old: Object, applied: Object, entries: list[Entry]) -> tuple[Object, FieldSet]:
        """The merged object without what the applier gave up, and what the applier owns now."""
        combined = merged(old, applied, self.node)
        own = without(fields_of(applied, self.node), self.write.reset)
        last = next((entry["fieldsV1"] for entry in entries if identity(entry) == self.applier), None)
        if not last:
            return combined, own
        others = [entry["fieldsV1"] for entry in entries if identity(entry) != self.applier]
        return self.prune(combined, last, [own, *others]), own

    def prune(self, combined: Object, last: FieldSet, owned: list[FieldSet]) -> Object:
        """Take away what the applier applied last time (`last`), not this time, and nobody else owns."""
        node = self.node
        named_last = with_named_fields(last, node)
        pruned = removed(combined, named_last, node)
        everything = with_named_fields(fields_of(combined, node), node)
        kept = with_named_fields(fields_of(pruned or {}, node), node)
        for fields in owned:
            kept = union(kept, with_named_fields(fields, node))
        pruned = removed(combined, difference(everything, kept), node)
        kept = with_named_fields(fields_of(pruned or {}, node), node)
        gone = intersection(difference(everything, kept), named_last)
        found: Object = removed(combined, gone, node)
        return found

    def conflicts(self, others: list[Entry], gained: FieldSet) -> list[Conflict]:
        """Fields of other managers that would change; managers in order of their identity."""
        found: list[Conflict] = []
        for entry in sorted(others, key=lambda entry: identity(entry).text):
            shared = intersection(entry["fieldsV1"], gained)
            found += [Conflict(identity(entry), path) for path in paths(shared)]
        return found

    def owned(
        self,
        others: list[Entry],
        entries: list[Entry],
        own: FieldSet,
        gained: FieldSet,
        lost: FieldSet,
        changed: bool,
    ) -> list[Entry]:
        """The entries after the apply. The applier's time moves only where the object changed."""
        out = dispossessed(others, gained, lost)
        own = difference(own, STRIPPED)
        if own:
            before = next((entry for entry in entries if identity(entry) == self.applier), None)
            time = self.write.now if changed else (before or {}).get("time")
            out.append(self.write.entry(APPLY, ordered(own), time))
        return in_order(out)

    def finished(self, new: Object, entries: list[Entry], changed: bool, applied: Object) -> Object:
        """The object as the type holds it, with its managedFields."""
        if changed:
            try:
                new = decode(_dense(new), self.kind)
            except DecodeError as error:
                why = f"failed to convert new typed object ({label(applied)}) to object: {error}"
                raise errors.plain_internal(why) from None
        metadata: Object = {**(new.get("metadata") or {})}
        if entries:
            metadata["managedFields"] = entries
        copied: Object = orjson.loads(orjson.dumps({**new, "metadata": metadata}))
        return copied


def _dense(value: Any) -> Any:
    """Objects that lost everything are null at the end; the root stays an object."""
    return {} if value is None or value is ABSENT else value
