"""Custom kinds: the `Kind` of one served version of a CustomResourceDefinition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from apiserver.conversion import WebhookConversion
from apiserver.field import FieldError, invalid
from apiserver.gointegers import bounded
from apiserver.kinds.customversions import Versions
from apiserver.kinds.kind import (
    ALL_VERBS,
    STATUS,
    Column,
    Context,
    Kind,
    Object,
    Projection,
    Strategy,
    Subresource,
)
from apiserver.objectmeta import STANDARD_FINALIZERS
from apiserver.schema.custom import CustomSchema
from apiserver.schema.registry import Schemas
from apiserver.table import age
from apiserver.webhookclient import WebhookClient

_STEP = re.compile(
    r"""\.?(?:\[\?\(@\.([\w.\-/]+)\s*==\s*["']([^"']*)["']\)\]|\[(\d+|\*)\]|\['([^']+)'\]|((?:[^.\[\\]|\\.)+))"""
)


def json_path(path: str) -> list[tuple[str, Any]]:
    """A printer column's JSONPath as steps: ("key", name), ("index", n), ("all", None), ("where", (field, value))."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps: list[tuple[str, Any]] = []
    for match in _STEP.finditer(text):
        field, value, index, quoted, name = match.groups()
        if field is not None:
            steps.append(("where", (field, value)))
        elif index == "*":
            steps.append(("all", None))
        elif index is not None:
            steps.append(("index", bounded(index)))
        else:
            steps.append(("key", quoted or name.replace("\\.", ".")))
    return steps


def found_at(obj: Any, steps: list[tuple[str, Any]]) -> Any:
    """The first value at a path, None where there is none."""
    values = [obj]
    for kind, what in steps:
        values = [found for value in values for found in _step(value, kind, what)]
    return values[0] if values else None


def _step(value: Any, kind: str, what: Any) -> list[Any]:
    if kind == "key":
        return [value[what]] if isinstance(value, dict) and what in value else []
    if not isinstance(value, list):
        return []
    if kind == "index":
        return [value[what]] if what < len(value) else []
    if kind == "all":
        return value
    field, wanted = what
    return [item for item in value if isinstance(item, dict) and item.get(field) == wanted]


class CustomStrategy(Strategy):
    """Objects of a custom kind: their schema decides."""

    unconditional_update = False
    has_generation = True
    built_in = False

    def __init__(self, kind: str, schema: CustomSchema, has_status: bool, fields: tuple[str, ...]) -> None:
        self.kind, self.schema, self.has_status = kind, schema, has_status
        self.paths = {field.lstrip("."): json_path(field) for field in fields}

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        if self.has_status:
            obj.pop("status", None)

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        if self.has_status:
            super().prepare_for_update(obj, old, context)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        if obj.get("kind") != self.kind:
            return [invalid("kind", obj.get("kind", ""), f"must be {self.kind}")]
        return self.schema.validate(obj)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return self.schema.validate(obj, old)

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return self.schema.validate_status(obj, old)

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        found = _finalizer_warnings(obj, old)
        return found if old is None else found + self.schema.ratcheted(obj, old)

    def field_values(self, obj: Object) -> Mapping[str, str]:
        return {name: _text(found_at(obj, steps)) for name, steps in self.paths.items()}


def _finalizer_warnings(obj: Object, old: Object | None) -> list[str]:
    """Of finalizers that the write adds (the customresource strategy's validateKubeFinalizerName)."""
    names = obj["metadata"].get("finalizers") or ()
    before = ((old or {}).get("metadata") or {}).get("finalizers") or ()
    return [
        f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name including a path (/) to avoid '
        "accidental conflicts with other finalizer writers"
        for name in sorted(set(names) - set(before))
        if "/" not in name and name not in STANDARD_FINALIZERS
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def kinds_of(definition: Object, schemas: Schemas, client: WebhookClient, since: int = 0) -> list[Kind]:
    """The kinds of the served versions of an established definition, the storage version's conversion included.
    `client` calls conversion webhooks. `since`: the revision from which on objects are stored under these schemas."""
    spec = definition["spec"]
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    stated, conversion = spec.get("conversion") or {}, None
    if stated.get("strategy") == "Webhook":
        conversion = WebhookConversion(client, stated, f"{spec['group']}/{storage}")
    known = {f"{spec['group']}/{v['name']}": _schema(definition, v, schemas) for v in spec["versions"]}
    versions = Versions(known, f"{spec['group']}/{storage}")
    served = [version for version in spec["versions"] if version.get("served")]
    plain = [_kind(definition, version, storage, known[f"{spec['group']}/{version['name']}"]) for version in served]
    return [
        replace(
            kind,
            convert=versions.convert if conversion is None else conversion.convert,
            conversion=conversion,
            complete=versions.complete,
            complete_since=since,
        )
        for kind in plain
    ]


def _names(definition: Object) -> Object:
    found: Object = (definition.get("status") or {}).get("acceptedNames") or definition["spec"]["names"]
    return found


def _schema(definition: Object, version: Object, schemas: Schemas) -> CustomSchema:
    published = (version.get("schema") or {}).get("openAPIV3Schema")
    if definition["spec"].get("preserveUnknownFields"):
        published = {**(published or {}), "x-kubernetes-preserve-unknown-fields": True}
    return CustomSchema(published, schemas, definition["spec"]["group"], version["name"], _names(definition)["kind"])


CLOSED = "create not allowed while custom resource definition is terminating"


def _kind(definition: Object, version: Object, storage: str, schema: CustomSchema) -> Kind:
    spec, names = definition["spec"], _names(definition)
    group, name = spec["group"], version["name"]
    parts = version.get("subresources") or {}
    selectable = tuple(field["jsonPath"] for field in version.get("selectableFields") or ())
    strategy = CustomStrategy(names["kind"], schema, "status" in parts, selectable)
    return Kind(
        group,
        name,
        names["kind"],
        names["plural"],
        spec["scope"] == "Namespaced",
        strategy,
        singular=names.get("singular", ""),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        verbs=ALL_VERBS,
        columns=_columns(version.get("additionalPrinterColumns")),
        selectable_fields=tuple(field.lstrip(".") for field in selectable),
        subresources=_subresources(parts),
        stored_as=(group, storage),
        list_kind=names.get("listKind", ""),
        warning=_warning(definition, version),
        schema=schema.type,
        custom=True,
        closed=CLOSED if definition["metadata"].get("deletionTimestamp") else "",
    )


def _warning(definition: Object, version: Object) -> str:
    if not version.get("deprecated"):
        return ""
    group, kind = definition["spec"]["group"], definition["spec"]["names"]["kind"]
    return version.get("deprecationWarning") or f"{group}/{version['name']} {kind} is deprecated"


AGE = Column("Age", age, type="date", description="")


def _columns(wanted: list[Object] | None) -> tuple[Column, ...]:
    if not wanted:
        return (AGE,)
    return tuple(_column(column) for column in wanted)


def _column(column: Object) -> Column:
    steps, kind = json_path(column["jsonPath"]), column["type"]

    def value(obj: Object) -> Any:
        found = found_at(obj, steps)
        if kind == "date":
            from apiserver.table import since

            return since(found) if isinstance(found, str) else "<unknown>" if found is not None else None
        return _cell(found, kind)

    description = column.get("description", "")
    return Column(column["name"], value, kind, column.get("format", ""), column.get("priority", 0), description)


def _cell(found: Any, kind: str) -> Any:
    """A value as the column's type shows it; null where it is of another type."""
    if found is None:
        return None
    match kind:
        case "integer":
            return found if type(found) is int else int(found) if type(found) is float else None
        case "number":
            return found if type(found) in (int, float) else None
        case "boolean":
            return found if type(found) is bool else None
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def _subresources(parts: Object) -> tuple[Subresource, ...]:
    found: list[Subresource] = []
    if "status" in parts:
        found.append(Subresource("status", STATUS))
    if "scale" in parts:
        found.append(_scale(parts["scale"]))
    return tuple(found)


def _scale(paths: Object) -> Subresource:
    spec, status = (_keys(paths[name]) for name in ("specReplicasPath", "statusReplicasPath"))
    selector = _keys(paths["labelSelectorPath"]) if paths.get("labelSelectorPath") else []

    def read(obj: Object) -> Object:
        metadata = obj["metadata"]
        kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        replicas, now = _dig(obj, spec), _dig(obj, status)
        view: Object = {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {key: metadata[key] for key in kept if key in metadata},
            "spec": {"replicas": replicas} if replicas else {},
            "status": {"replicas": now or 0},
        }
        if selector and _dig(obj, selector):
            view["status"]["selector"] = _dig(obj, selector)
        return view

    def write(obj: Object, view: Object, context: Context) -> list[FieldError]:
        replicas = (view.get("spec") or {}).get("replicas", 0)
        if replicas < 0:
            return [invalid("spec.replicas", replicas, "should be a non-negative integer")]
        inner = obj
        for key in spec[:-1]:
            inner = inner.setdefault(key, {})
        inner[spec[-1]] = replicas
        return []

    return Subresource(
        "scale", ("get", "patch", "update"), gvk=("autoscaling", "v1", "Scale"), projection=Projection(read, write)
    )


def _keys(path: str) -> list[str]:
    return path.lstrip(".").split(".")


def _dig(obj: Any, keys: list[str]) -> Any:
    for key in keys:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj
