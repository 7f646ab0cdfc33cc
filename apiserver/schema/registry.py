"""The published schemas of one Kubernetes minor as `Type`s, made when first asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import orjson

from apiserver.schema.go_fields import ALWAYS, PLAIN_STRUCTS
from apiserver.schema.go_names import NAMED
from apiserver.schema.go_pointers import POINTERS
from apiserver.schema.types import Field, Shape, Type

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
DEFINITIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
RECURSIVE = frozenset({"JSONSchemaProps", "CustomResourceDefinition", "CompositePodGroupTemplate", "Workload"})
"""Structs that hold themselves and the kinds that hold them: their depth must be bounded."""
SPECIAL: dict[str, tuple[Shape, str]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("quantity", "resource.Quantity"),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ("intstr", "int32"),
    META + "Time": ("time", "string"),
    META + "MicroTime": ("microtime", "string"),
    META + "FieldsV1": ("any", "v1.FieldsV1"),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": ("any", "runtime.RawExtension"),
    DEFINITIONS + "JSON": ("any", "v1.JSON"),
    DEFINITIONS + "JSONSchemaPropsOrArray": ("any", "v1.JSON"),
    DEFINITIONS + "JSONSchemaPropsOrBool": ("any", "v1.JSON"),
    DEFINITIONS + "JSONSchemaPropsOrStringArray": ("any", "v1.JSON"),
}
_SCALARS: dict[str, Shape] = {
    "string": "string",
    "bytes": "bytes",
    "bool": "bool",
    "int32": "int32",
    "int64": "int64",
    "double": "float64",
}
_KEY_DEFAULTS = {"protocol": "TCP"}
"""Defaults of list map keys, which the published schemas leave out (`+default` markers of k8s.io/api)."""


def _package() -> Path:
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package kubernetes-validate is not installed")
    return Path(spec.origin).parent / "kubernetes-json-schema"


@lru_cache(maxsize=1)
def wire() -> dict[str, dict[str, list[str]]]:
    """Every protobuf message: field number -> [JSON name, type]. `*T` is repeated, `map:T` has string keys."""
    found: dict[str, dict[str, list[str]]] = orjson.loads((Path(__file__).parent / "wire.json").read_bytes())
    return found


def message_name(definition: str) -> str:
    """The protobuf message of a definition: `io.k8s.api.core.v1.Pod` -> `k8s.io.api.core.v1.Pod`."""
    return "k8s.io." + definition.removeprefix("io.k8s.").replace("-", "_")


class Schemas:
    """Types by kind and by definition name."""

    def __init__(self, minor: int) -> None:
        self.minor = minor
        path = _package() / f"v1.{minor}.0-local" / "_definitions.json"
        if not path.exists():
            raise ValueError(
                f"no schemas for Kubernetes 1.{minor}; there are {', '.join(f'1.{m}' for m in self.minors())}"
            )
        document = orjson.loads(path.read_bytes())
        self.raw: dict[str, dict[str, Any]] = document.get("$defs") or document["definitions"]
        self._types: dict[str, Type] = {}
        self._kinds: dict[tuple[str, str, str], str] = {}
        for name, definition in self.raw.items():
            published = definition.get("x-kubernetes-group-version-kind") or ()
            for gvk in published if len(published) == 1 else ():
                self._kinds[gvk["group"], gvk["version"], gvk["kind"]] = name

    @staticmethod
    @cache
    def for_minor(minor: int) -> Schemas:
        """The schemas of Kubernetes 1.`minor`. Raises ValueError where there are none."""
        return Schemas(minor)

    @staticmethod
    def minors() -> list[int]:
        """The minors that have schemas."""
        names = (path.name for path in _package().iterdir() if path.name.endswith("-local"))
        return sorted(int(name.split(".")[1]) for name in names)

    def kinds(self) -> Iterator[tuple[str, str, str]]:
        """(group, version, kind) of every published kind."""
        return iter(self._kinds)

    def definition_name(self, group: str, version: str, kind: str) -> str | None:
        return self._kinds.get((group, version, kind))

    def type(self, group: str, version: str, kind: str) -> Type | None:
        """The Type of a kind."""
        name = self._kinds.get((group, version, kind))
        return self.definition(name) if name else None

    def definition(self, name: str) -> Type:
        """The Type of a definition."""
        found = self._types.get(name)
        return found if found is not None else self._build(name)

    def _build(self, name: str) -> Type:
        if name in SPECIAL:
            shape, go = SPECIAL[name]
            found = self._types[name] = Type(shape, name, go)
            if name.startswith(DEFINITIONS + "JSONSchemaPropsOr"):
                found.union = self._union(name)
            return found
        raw = self.raw[name]
        owner = name.rpartition(".")[2]
        go = ".".join(name.split(".")[-2:])
        properties = raw.get("properties")
        if properties is None:
            found = self._types[name] = self._anonymous(raw, None, name)
            return found
        found = Type("struct", name, go, owner)
        self._types[name] = found  # before its fields: JSONSchemaProps contains itself
        found.atomic = raw.get("x-kubernetes-map-type") == "atomic"
        numbers = {entry[0]: (int(number), entry[1]) for number, entry in wire().get(message_name(name), {}).items()}
        is_kind = bool(raw.get("x-kubernetes-group-version-kind"))
        found.recursive = owner in RECURSIVE
        required = frozenset(raw.get("required") or ())
        for json_name, schema in properties.items():
            found.fields[json_name] = self._field(found, json_name, schema, numbers.get(json_name), required, is_kind)
        return found

    def _union(self, name: str) -> tuple[Type, ...]:
        """What a JSONSchemaPropsOr... reads from an object and, where it takes one, from an array."""
        schema = self.definition(DEFINITIONS + "JSONSchemaProps")
        if name.endswith("OrBool"):
            return (schema,)
        item = Type("string", go="string") if name.endswith("OrStringArray") else schema
        return schema, Type("list", go=f"[]{item.go}", element=item)

    def _field(
        self,
        owner: Type,
        name: str,
        schema: dict[str, Any],
        number: tuple[int, str] | None,
        required: frozenset[str],
        is_kind: bool,
    ) -> Field:
        kind = self._field_type(schema, number[1] if number else None)
        named = NAMED.get(f"{owner.owner}.{name}")
        if named and not kind.name:
            kind.go = named
            if kind.shape == "list" and kind.element is not None:
                kind.element.go = named.removeprefix("[]")
        if kind.shape == "struct":
            pointer = not _plain_struct(owner, name, is_kind)
        else:
            pointer = name in _lookup(POINTERS, owner)
        strategy = tuple(filter(None, (schema.get("x-kubernetes-patch-strategy") or "").split(",")))
        return Field(
            json=name,
            type=kind,
            required=name in required,
            pointer=pointer,
            keep_zero=name in _lookup(ALWAYS, owner) or (is_kind and name == "items"),
            patch_strategy=strategy,
            patch_merge_key=schema.get("x-kubernetes-patch-merge-key", ""),
            number=number[0] if number else None,
            description=schema.get("description", ""),
        )

    def _field_type(self, schema: dict[str, Any], wire_type: str | None) -> Type:
        reference = schema.get("$ref")
        if reference:
            return self.definition(reference.rpartition("/")[2])
        return self._anonymous(schema, wire_type, "")

    def _anonymous(self, schema: dict[str, Any], wire_type: str | None, name: str) -> Type:
        stated = schema.get("type")
        kinds = [stated] if isinstance(stated, str) else [kind for kind in stated or () if kind != "null"]
        kind = kinds[0] if kinds else ""
        if kind == "array":
            return self._list(schema, wire_type, name)
        if kind == "object":
            return self._map(schema, wire_type, name)
        base = (wire_type or "").lstrip("*").removeprefix("map:")
        shape = _SCALARS.get(base) or _shape(kind, schema.get("format", ""))
        return Type(shape, name, {"bytes": "[]uint8"}.get(shape, shape))

    def _list(self, schema: dict[str, Any], wire_type: str | None, name: str) -> Type:
        element = self._field_type(schema.get("items") or {}, wire_type)
        found = Type("list", name, f"[]{element.go}", element=element)
        found.list_type = schema.get("x-kubernetes-list-type") or ""
        found.list_map_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        keys = found.list_map_keys
        found.key_defaults = {key: value for key, value in _KEY_DEFAULTS.items() if key in keys and len(keys) > 1}
        return found

    def _map(self, schema: dict[str, Any], wire_type: str | None, name: str) -> Type:
        inner = schema.get("additionalProperties")
        if not isinstance(inner, dict):
            return Type("any", name, "map[string]interface {}")
        element = self._field_type(inner, wire_type)
        atomic = schema.get("x-kubernetes-map-type") == "atomic"
        return Type("map", name, f"map[string]{element.go}", element=element, atomic=atomic)


def _shape(kind: str, form: str) -> Shape:
    match kind:
        case "string":
            return "bytes" if form == "byte" else "string"
        case "boolean":
            return "bool"
        case "integer":
            return "int64" if form == "int64" else "int32"
        case "number":
            return "float64"
    return "any"


def _names(owner: Type) -> tuple[str, ...]:
    parts = owner.name.split(".")
    group, version = parts[-3] if len(parts) > 2 else "", parts[-2] if len(parts) > 1 else ""
    return f"{group}/{version}.{owner.owner}", f"{group}.{owner.owner}", owner.owner


def _lookup(table: dict[str, frozenset[str]], owner: Type) -> frozenset[str]:
    """The entry of a struct: the most specific of group/version, group and bare name."""
    return next((table[name] for name in _names(owner) if name in table), frozenset())


def _plain_struct(owner: Type, name: str, is_kind: bool) -> bool:
    """Whether Go embeds the struct by value: of kinds, metadata, spec and status."""
    if is_kind and name in ("metadata", "spec", "status"):
        return True
    return name in _lookup(PLAIN_STRUCTS, owner)
