"""metadata.managedFields: who last set which field (KEP-555), kept up to date on every write that is no apply."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from apiserver.patch.compare import changes
from apiserver.patch.fieldset import FieldSet, difference, from_paths, json_text, ordered, parse, union, without
from apiserver.patch.nodes import Node, Untypable, node_of
from apiserver.recall import Recall
from apiserver.schema.types import Type

if TYPE_CHECKING:
    from apiserver.kinds.kind import Object

MAX_UPDATERS = 10
"""Update entries that an object keeps; the oldest beyond them are merged into one."""
ANCIENT = "ancient-changes"
UPDATE, APPLY = "Update", "Apply"
Entry = dict[str, Any]
_METADATA = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
)
STRIPPED: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {".": {}, **{f"f:{name}": {} for name in _METADATA}},
}
"""What nobody owns: identity and what the server sets."""


class Identity(NamedTuple):
    """What makes two entries the same manager. Appliers are one manager in every version."""

    manager: str
    operation: str
    api_version: str
    subresource: str

    @property
    def text(self) -> str:
        """How the real server names the manager internally; managers sort by it."""
        version = f',"apiVersion":{json_text(self.api_version)}' if self.api_version else ""
        sub = f',"subresource":{json_text(self.subresource)}' if self.subresource else ""
        return f'{{"manager":{json_text(self.manager)},"operation":"{self.operation}"{version}{sub}}}'


def identity(entry: Entry) -> Identity:
    operation = entry.get("operation", "")
    version = "" if operation == APPLY else entry.get("apiVersion", "")
    return Identity(entry.get("manager", ""), operation, version, entry.get("subresource", ""))


class Write(NamedTuple):
    """Who writes, and how. `reset` are fields that this kind of write cannot own."""

    manager: str
    api_version: str
    subresource: str
    now: str
    reset: FieldSet

    def entry(self, operation: str, fields: FieldSet, time: str | None) -> Entry:
        out: Entry = {"manager": self.manager, "operation": operation, "apiVersion": self.api_version}
        if time:
            out["time"] = time
        out["fieldsType"] = "FieldsV1"
        out["fieldsV1"] = fields
        if self.subresource:
            out["subresource"] = self.subresource
        return out


def reset_set(reset: FieldSet | Iterable[tuple[str, ...]] | None) -> FieldSet:
    """Reset fields as a set; they may come as paths of names, ("status",)."""
    if not reset:
        return {}
    return reset if isinstance(reset, dict) else _set_of_names(tuple(reset))


@lru_cache(maxsize=256)
def _set_of_names(paths: tuple[tuple[str, ...], ...]) -> FieldSet:
    return from_paths(tuple(f"f:{name}" for name in path) for path in paths)


def after_update(
    live: Object | None,
    new: Object,
    kind: Type,
    *,
    manager: str,
    api_version: str,
    subresource: str = "",
    now: str,
    reset: FieldSet | Iterable[tuple[str, ...]] | None = None,
    operation: str = UPDATE,
) -> None:
    """Set `new["metadata"]["managedFields"]` for a create (`live` None), update or patch.

    Added and modified fields go to the manager, removed ones leave everybody. An object that lost its managedFields is
    tracked again from its next apply on. The entry's time moves only when the manager gained something.
    """
    write = Write(manager, api_version, subresource, now, reset_set(reset))
    metadata = new["metadata"]
    entries = _known_entries(live, metadata.pop("managedFields", None), subresource)
    if entries or live is None:
        node = node_of(kind)
        entries = updated(node.empty if live is None else untracked(live), new, node, entries, write)
    if entries:
        metadata["managedFields"] = entries


def untracked(obj: Object) -> Object:
    """The object without its managedFields."""
    metadata = obj.get("metadata") or {}
    if "managedFields" not in metadata:
        return obj
    metadata = metadata.copy()
    del metadata["managedFields"]
    return {**obj, "metadata": metadata}


def _known_entries(live: Object | None, stated: Any, subresource: str) -> list[Entry]:
    """The entries to start from: those the client wrote, where it may and they make sense; else the live ones."""
    present: list[Entry] = ((live or {}).get("metadata") or {}).get("managedFields") or []
    if subresource or stated is None or stated == present:
        return present
    if stated in ([], [{}]):
        return []
    try:
        return checked(stated) or present
    except (ValueError, TypeError, AttributeError, RecursionError):
        return present


def checked(stated: Any) -> list[Entry]:
    """Entries that a client wrote, in the form in which the server keeps them. Raises ValueError, TypeError,
    AttributeError."""
    found: dict[Identity, Entry] = {}
    for entry in stated:
        if not all(isinstance(entry.get(name, ""), str) for name in ("manager", "apiVersion", "time", "subresource")):
            raise TypeError("managed fields entries are made of texts")
        if entry.get("operation") not in (UPDATE, APPLY):
            raise ValueError("operation must be `Apply` or `Update`")
        if not entry.get("apiVersion"):
            raise ValueError("apiVersion must not be empty")
        if entry.get("fieldsType") != "FieldsV1":
            raise ValueError(f"invalid fieldsType {entry.get('fieldsType')!r} in managed fields entry")
        fields = parse(entry.get("fieldsV1") or {})
        found[identity(entry)] = {**entry, "fieldsV1": fields}
    return in_order(list(found.values()))


def updated(old: Object, new: Object, node: Node, entries: list[Entry], write: Write) -> list[Entry]:
    """The entries after an update from `old` to `new`."""
    try:
        gained, lost = changes(old, new, node)
    except Untypable:
        return entries
    if write.reset:
        gained, lost = without(gained, write.reset), without(lost, write.reset)
    if not gained and not lost:
        return entries
    own = difference(gained, STRIPPED)
    if not own:
        return dispossessed(entries, gained, lost)
    mine, others = _parted(entries, write)
    before = [_fields(entry) for entry in mine], [_fields(entry) for entry in others]
    claimed, left = _divided(*before, gained, lost)
    kept = [{**entry, "fieldsV1": fields} for entry, fields in zip(others, left, strict=True) if fields]
    return in_order(_capped([*kept, write.entry(UPDATE, claimed, write.now)]))


_Division = tuple[FieldSet, list[FieldSet]]
_divisions: Recall[_Division] = Recall(256)
_seen: dict[tuple[tuple[int, ...], bytes], tuple[Any, _Division]] = {}
"""Divisions by the identity of what was owned before, which is kept along, so that no other gets the same."""


def _divided(mine: list[FieldSet], others: list[FieldSet], gained: FieldSet, lost: FieldSet) -> _Division:
    """`_divide`, recalled: replicas of one template get the same reports from the same writers. What they own is the
    same dict from then on, so that the next look-up needs its identity only."""
    owned = (*map(id, mine), 0, *map(id, others))
    change = orjson.dumps((gained, lost))
    found = _seen.get((owned, change))
    if found is None:
        division = _divisions.of(lambda: _divide(mine, others, gained, lost), mine, others, gained, lost)
        if len(_seen) >= 256:
            _seen.clear()
        found = _seen[owned, change] = (mine, others), division
    return found[1]


def _divide(
    mine: list[FieldSet], others: list[FieldSet], gained: FieldSet, lost: FieldSet
) -> tuple[FieldSet, list[FieldSet]]:
    """(what the writer owns, what is left to each of the others) after a write that gained and lost fields."""
    own = difference(gained, STRIPPED)
    taken = lost if own is gained else union(gained, lost)
    for fields in mine:
        kept = difference(fields, taken)
        both = union(kept, own)
        own = kept if both is kept else ordered(both)
    return own, [difference(difference(fields, gained), lost) for fields in others]


def _fields(entry: Entry) -> FieldSet:
    return entry.get("fieldsV1") or {}


def dispossessed(entries: list[Entry], *taken: FieldSet) -> list[Entry]:
    """The entries without what was taken from them; an entry that has nothing left goes."""
    out: list[Entry] = []
    for entry in entries:
        before = fields = _fields(entry)
        for part in taken:
            fields = difference(fields, part)
        if fields is not before:
            entry = {**entry, "fieldsV1": fields}
        if fields:
            out.append(entry)
    return out


def yielded(obj: Object, path: tuple[str, ...]) -> Object:
    """`obj` without any updater's claim to the field of that path; appliers keep theirs.

    So it is after an apply through a view (scale): entries go through it under the view's version, by which an updater,
    unlike an applier, is known, and it is not recognised on the way back.
    """
    fields = reset_set([path])
    kept: list[Entry] = []
    for entry in obj["metadata"].get("managedFields") or []:
        kept += [entry] if entry["operation"] == APPLY else dispossessed([entry], fields)
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    if kept:
        metadata["managedFields"] = kept
    return {**obj, "metadata": metadata}


def _parted(entries: list[Entry], write: Write) -> tuple[list[Entry], list[Entry]]:
    """(the writer's own entries, those of others)."""
    mine: list[Entry] = []
    others: list[Entry] = []
    for entry in entries:
        own = (
            entry.get("manager", "") == write.manager
            and entry.get("operation") == UPDATE
            and entry.get("apiVersion", "") == write.api_version
            and entry.get("subresource", "") == write.subresource
        )
        (mine if own else others).append(entry)
    return mine, others


def _capped(entries: list[Entry]) -> list[Entry]:
    """At most MAX_UPDATERS update entries: the oldest of a version are merged into that version's bucket."""
    updaters = [entry for entry in entries if entry["operation"] == UPDATE] if len(entries) > MAX_UPDATERS else []
    if len(updaters) <= MAX_UPDATERS:
        return entries
    updaters.sort(key=lambda entry: (entry.get("time") or "", identity(entry).text))
    kept = {identity(entry): entry for entry in entries}
    first: dict[str, Identity] = {}
    excess = len(updaters) - MAX_UPDATERS
    for entry in updaters:
        if not excess:
            break
        mine, version = identity(entry), entry["apiVersion"]
        if version not in first:
            first[version] = mine
            continue
        bucket = Identity(ANCIENT, UPDATE, version, "")
        into = kept[bucket] if bucket in kept else kept.pop(first[version])
        kept.pop(mine, None)
        kept[bucket] = _bucket(version, union(into["fieldsV1"], entry["fieldsV1"]), entry.get("time"))
        excess -= 1
    return list(kept.values())


def _bucket(version: str, fields: FieldSet, time: str | None) -> Entry:
    return Write(ANCIENT, version, "", "", {}).entry(UPDATE, ordered(fields), time)


def in_order(entries: list[Entry]) -> list[Entry]:
    """Appliers first, then by time, manager, version and subresource."""
    if len(entries) < 2:
        return entries
    return sorted(
        entries,
        key=lambda entry: (
            entry["operation"],
            entry.get("time") or "",
            entry.get("manager", ""),
            entry["apiVersion"],
            entry.get("subresource", ""),
        ),
    )
