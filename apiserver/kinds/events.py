"""Events: core/v1 (stored) and events.k8s.io/v1, one storage in two views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver import errors
from apiserver import validation as rules
from apiserver.field import FieldError, immutable, invalid, required
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.pods.checks import each
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

    def __init__(self, group: str) -> None:
        """Only events.k8s.io asks for a DNS name, and looks at the metadata of an update again."""
        self.strict = bool(group)
        self.metadata_again = int(self.strict)

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return super().validate_name(name, prefix) if self.strict else rules.path_segment(name)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Everything is the client's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Everything is the client's."""

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return _as_core(obj, _new(convert(obj, "v1"), obj.get("apiVersion", "v1")))

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        version = obj.get("apiVersion", "v1")
        return _as_core(obj, _changed(convert(obj, "v1"), convert(old, "v1"), version))

    def field_values(self, obj: Object) -> Mapping[str, str]:
        core = convert(obj, "v1")
        involved, source = core.get("involvedObject") or {}, core.get("source") or {}
        names = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        values = {f"{prefix}.{name}": involved.get(name, "") for prefix in PREFIXES for name in names}
        return values | {
            "reportingController": core.get("reportingComponent", ""),
            "reason": core.get("reason", ""),
            "reportingComponent": core.get("reportingComponent", ""),
            "source": source.get("component", "") or core.get("reportingComponent", ""),
            "type": core.get("type", ""),
        }


def _as_core(obj: Object, faults: list[FieldError]) -> list[FieldError]:
    """Errors are about the core Event whichever version the client speaks. Raises 422."""
    if faults:
        raise errors.invalid("", "Event", obj["metadata"].get("name", ""), faults)
    return faults


TEXT_LIMIT, NOTE_LIMIT = 128, 1024
EVENT_TYPES = ("Normal", "Warning")


def _common(event: Object, version: str) -> list[FieldError]:
    """What both API groups ask for; an event with an eventTime is of the new style whatever its version."""
    namespace, about = event["metadata"].get("namespace", ""), event.get("involvedObject") or {}
    home, path = about.get("namespace", ""), "involvedObject.namespace"
    mismatch = "does not match event.namespace"
    if not event.get("eventTime"):
        homes = ("", "default") if not home else (home,)
        return [] if namespace in homes else [invalid(path, home, mismatch)]
    found: list[FieldError] = []
    if not home and namespace not in ("default", "kube-system"):
        found.append(invalid(path, home, mismatch))
    controller = event.get("reportingComponent", "")
    name = "reportingComponent" if version == "v1" else "reportingController"
    found += [] if controller else [required(name)]
    found += each(name, controller, rules.qualified_name(controller))
    for name in ("reportingInstance", "action", "reason"):
        value = event.get(name, "")
        if not value:
            found.append(required(name))
        elif len(value.encode()) > TEXT_LIMIT:
            found.append(invalid(name, "", f"can have at most {TEXT_LIMIT} characters"))
    if len(event.get("message", "").encode()) > NOTE_LIMIT:
        found.append(invalid("message", "", f"can have at most {NOTE_LIMIT} characters"))
    return found


def _series(event: Object) -> list[FieldError]:
    series = event.get("series")
    if series is None:
        return []
    found: list[FieldError] = []
    if series.get("count", 0) < 2:
        found.append(invalid("series.count", "", "should be at least 2"))
    return found + ([] if series.get("lastObservedTime") else [required("series.lastObservedTime")])


_UNSET = ("firstTimestamp", "lastTimestamp", "count", "source")


def _new(event: Object, version: str) -> list[FieldError]:
    found = _common(event, version)
    if version == "v1":
        return found
    found += _series(event)
    if not event.get("eventTime"):
        found.append(required("eventTime"))
    if event.get("type") not in EVENT_TYPES:
        found.append(invalid("type", "", f"has invalid value: {event.get('type', '')}"))
    return found + [invalid(name, "", "needs to be unset") for name in _UNSET if event.get(name)]


_FIXED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "reason", "type",
    "eventTime", "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip
"""In the real server's order, which judges the reason twice."""


def _changed(event: Object, old: Object, version: str) -> list[FieldError]:
    found = _common(event, version)
    if version == "v1":
        return found
    if event.get("series") != old.get("series"):
        found += _series(event)
    for name in _FIXED:
        if (event.get(name) or None) != (old.get(name) or None):
            path = "reportingController" if name == "reportingComponent" else name
            found.append(immutable(path, _internal(name, event.get(name))))
    return found


_REFERENCE = ("Kind", "Namespace", "Name", "UID", "APIVersion", "ResourceVersion", "FieldPath")
_STRUCTS = {"involvedObject": _REFERENCE, "related": _REFERENCE, "source": ("Component", "Host")}
_TIMES = ("firstTimestamp", "lastTimestamp", "eventTime")


def _internal(name: str, value: Any) -> Any:
    """A value of the core Event as the real server prints its internal type."""
    if name == "related" and value is None:
        return "null"
    if name in _STRUCTS:
        known = {key.lower(): text for key, text in (value or {}).items()}
        return {field: known.get(field.lower(), "") for field in _STRUCTS[name]}
    if name in _TIMES:
        return value
    return value or (0 if name == "count" else "")


PREFIXES = ("involvedObject", "regarding")
NEW_FIELDS = (
    *(f"regarding.{n}" for n in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")),
    "reason",
    "reportingController",
    "type",
)
FIELDS = (
    *(
        f"involvedObject.{n}"
        for n in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    ),
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
    Column("Name", lambda obj: obj["metadata"].get("name", ""), format="name", priority=1),
)
LAST_SEEN = Column("Last Seen", _last_seen)


def _kind(group: str, fields: tuple[str, ...]) -> Kind:
    return Kind(
        group,
        "v1",
        "Event",
        "events",
        True,
        EventStrategy(group),
        short_names=("ev",),
        columns=COLUMNS,
        name_column=LAST_SEEN,
        selectable_fields=fields,
        stored_as=("", "v1"),
        convert=convert,
    )


KINDS: tuple[Kind, ...] = (_kind("", FIELDS), _kind("events.k8s.io", NEW_FIELDS))
