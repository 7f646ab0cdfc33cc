"""Random objects of any kind, made from its schema: few words, so that two of them have much in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from apiserver.schema.decode import decode
from apiserver.schema.registry import Schemas
from apiserver.schema.types import Field, Type

Json = dict[str, Any]
SCHEMAS = Schemas.for_minor(36)
WORDS = st.sampled_from("abcd")
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": WORDS,
    "bytes": st.sampled_from(["AA==", "AQI="]),
    "bool": st.booleans(),
    "int32": st.integers(0, 3),
    "int64": st.integers(0, 3),
    "float64": st.sampled_from([0.5, 1.5]),
    "quantity": st.sampled_from(["1", "500m", "1Gi"]),
    "intstr": st.sampled_from([1, "a", "25%"]),
    "time": st.sampled_from(["2026-01-02T03:04:05Z", "2026-02-03T04:05:06Z"]),
    "microtime": st.just("2026-01-02T03:04:05.000006Z"),
    "duration": st.sampled_from(["30s", "1m0s"]),
}
DEPTH, MOST_FIELDS = 6, 4
METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
"""What clients write of the metadata; the rest is the server's."""


def type_of(group: str, version: str, kind: str) -> Type:
    """The schema of a kind of Kubernetes 1.36."""
    found = SCHEMAS.type(group, version, kind)
    assert found is not None
    return found


@st.composite
def objects(draw: st.DrawFn, group: str, version: str, kind: str) -> Json:
    """Objects of a kind, all of the same name, as the server decodes them."""
    whole = type_of(group, version, kind)
    metadata = whole.fields["metadata"].type
    body = {name: field for name, field in whole.fields.items() if name not in ("apiVersion", "kind", "metadata")}
    body.pop("status", None)
    made = {
        "apiVersion": f"{group}/{version}" if group else version,
        "kind": kind,
        "metadata": {"name": "x", **_struct(draw, {name: metadata.fields[name] for name in METADATA}, 3)},
        **_struct(draw, body, DEPTH),
    }
    return decode(made, whole)


def _struct(draw: st.DrawFn, fields: dict[str, Field], depth: int, required: Iterable[str] = ()) -> Json:
    """A struct with some of its fields; below `depth` there are no more structs."""
    embedded = "metadata" in fields  # an object within another: protobuf has no place for its kind
    names = [
        name
        for name, field in fields.items()
        if _fits(field.type, depth) and not (embedded and name in ("apiVersion", "kind"))
    ]
    chosen = draw(st.sets(st.sampled_from(names), max_size=MOST_FIELDS)) if names else set()
    made = {name: _value(draw, fields[name], depth - 1) for name in sorted({*chosen, *required})}
    return {name: value for name, value in made.items() if value not in ({}, [])}


def _fits(kind: Type, depth: int) -> bool:
    if kind.element is not None:
        return _fits(kind.element, depth)
    return kind.shape in SCALARS or (kind.shape == "struct" and bool(kind.fields) and depth > 0)


def _value(draw: st.DrawFn, field: Field, depth: int) -> Any:
    kind = field.type
    if kind.shape == "list":
        return _items(draw, field, depth)
    if kind.shape == "map":
        assert kind.element is not None
        element = Field("", kind.element)
        made = {key: _value(draw, element, depth) for key in sorted(draw(st.sets(WORDS, min_size=1, max_size=2)))}
        return {key: value for key, value in made.items() if value != {}}
    return _struct(draw, kind.fields, depth) if kind.shape == "struct" else draw(SCALARS[kind.shape])


def _items(draw: st.DrawFn, field: Field, depth: int) -> list[Any]:
    """A list; where its items are merged by key, every key occurs once. Empty lists, maps and structs are left out, as
    clients in Go leave them out."""
    element = field.type.element
    assert element is not None
    count = draw(st.integers(1, 3))
    if element.shape != "struct":
        made = [_value(draw, Field("", element), depth) for _ in range(count)]
        return list(dict.fromkeys(made)) if element.shape in SCALARS else made
    keys = [key for key in (field.patch_merge_key, *field.type.list_map_keys) if key in element.fields]
    entries = [_struct(draw, element.fields, depth, keys) for _ in range(count)]
    unique = {entry.get(keys[0]): entry for entry in entries} if keys else {}
    return list(unique.values()) if keys else [entry for entry in entries if entry]
