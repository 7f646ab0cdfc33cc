"""Events: core/v1 (stored) and events.k8s.io/v1, one storage in two views."""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.table import since

RENAMED = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_BACK = {new: old for old, new in RENAMED.items()}
_ALWAYS = {"events.k8s.io/v1": {"reportingComponent", "reportingInstance"}}


def convert(obj: Object, target: str) -> Object:
    """Between the core and the events.k8s.io form."""
    if obj.get("apiVersion") == target:
        return obj
    names = RENAMED if target == "events.k8s.io/v1" else _BACK
    found = {names.get(key, key): value for key, value in obj.items()}
    found["apiVersion"] = target
    if target == "v1":
        for name in ("reportingComponent", "reportingInstance"):
            found.setdefault(name, "")
        return found
    for name in ("reportingController", "reportingInstance"):
        if not found.get(name):
            found.pop(name, None)
    return found


class EventStrategy(Strategy):
    """Events of either group."""

    garbage_collected = False
    create_on_update = True

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Everything is the client's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Everything is the client's."""

    def field_values(self, obj: Object) -> Mapping[str, str]:
        core = convert(obj, "v1")
        involved, source = core.get("involvedObject") or {}, core.get("source") or {}
        names = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        values = {f"involvedObject.{name}": involved.get(name, "") for name in names}
        return values | {
            "reason": core.get("reason", ""),
            "reportingComponent": core.get("reportingComponent", ""),
            "source": source.get("component", "") or core.get("reportingComponent", ""),
            "type": core.get("type", ""),
        }


FIELDS = (
    *(f"involvedObject.{n}" for n in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")),
    "reason",
    "reportingComponent",
    "source",
    "type",
)


def _last_seen(obj: Object) -> str:
    core = convert(obj, "v1")
    series = core.get("series") or {}
    when = series.get("lastObservedTime") or core.get("lastTimestamp") or core.get("eventTime")
    return since(when) if when else since(core.get("firstTimestamp"))


def _first_seen(obj: Object) -> str:
    core = convert(obj, "v1")
    when = core.get("firstTimestamp") or core.get("eventTime")
    return since(when) if when else "<unknown>"


def _object(obj: Object) -> str:
    involved = convert(obj, "v1").get("involvedObject") or {}
    name = involved.get("name", "")
    return f"{involved['kind'].lower()}/{name}" if involved.get("kind") else str(name)


def _source(obj: Object) -> str:
    core = convert(obj, "v1")
    source = core.get("source") or {}
    component = source.get("component") or core.get("reportingComponent", "")
    host = source.get("host") or core.get("reportingInstance", "")
    return f"{component}, {host}" if host else str(component)


def _count(obj: Object) -> int:
    core = convert(obj, "v1")
    return int((core.get("series") or {}).get("count") or core.get("count") or 1)


def _subobject(obj: Object) -> str:
    return str((convert(obj, "v1").get("involvedObject") or {}).get("fieldPath", ""))


COLUMNS = (
    Column("Type", lambda obj: obj.get("type", "")),
    Column("Reason", lambda obj: obj.get("reason", "")),
    Column("Object", _object),
    Column("Subobject", _subobject, priority=1),
    Column("Source", _source, priority=1),
    Column("Message", lambda obj: str(convert(obj, "v1").get("message", "")).strip()),
    Column("First Seen", _first_seen, priority=1),
    Column("Count", _count, priority=1),
    Column("Name", lambda obj: obj["metadata"].get("name", ""), priority=1),
)
LAST_SEEN = Column("Last Seen", _last_seen)


def _kind(group: str) -> Kind:
    return Kind(group, "v1", "Event", "events", True, EventStrategy(), short_names=("ev",), columns=COLUMNS,
                name_column=LAST_SEEN, selectable_fields=FIELDS, stored_as=("", "v1"), convert=convert)


KINDS: tuple[Kind, ...] = (_kind(""), _kind("events.k8s.io"))
