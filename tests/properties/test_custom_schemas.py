"""Custom resources of random structural schemas: what is pruned and defaulted validates, and stays as it is."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.schema.custom import CustomSchema
from apiserver.schema.registry import Schemas
from apiserver.schema.structural import faults

Json = dict[str, Any]
SCHEMAS = Schemas.for_minor(36)
NAMES = ("a", "b", "c", "d")
PRESERVE = "x-kubernetes-preserve-unknown-fields"
some = settings(max_examples=120, deadline=None)


@st.composite
def schemas(draw: st.DrawFn, depth: int = 3) -> Json:
    """A structural schema of any type; members may be required, nullable or have a default."""
    kinds = ["string", "integer", "boolean", *(["object", "object", "map", "array"] if depth else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "string":
        return draw(st.sampled_from([{"type": "string"}, {"type": "string", "enum": ["x", "y"]}]))
    if kind == "integer":
        return {"type": "integer", "minimum": draw(st.integers(0, 2)), "maximum": 9}
    if kind == "array":
        return {"type": "array", "items": draw(schemas(depth - 1)), "maxItems": 3}
    if kind == "map":
        return {"type": "object", "additionalProperties": draw(schemas(depth - 1))}
    return draw(structs(depth)) if kind == "object" else {"type": "boolean"}


@st.composite
def structs(draw: st.DrawFn, depth: int = 3) -> Json:
    """A schema of an object with named members."""
    members: Json = {}
    for name in sorted(draw(st.sets(st.sampled_from(NAMES), min_size=1))):
        members[name] = draw(schemas(depth - 1))
        if draw(st.booleans()):
            members[name]["nullable"] = True
        elif draw(st.booleans()):
            members[name]["default"] = draw(fitting(members[name], junk=False))
    found: Json = {"type": "object", "properties": members}
    required = [name for name in members if draw(st.booleans())]
    if required:
        found["required"] = required
    if draw(st.integers(0, 4)) == 0:
        found[PRESERVE] = True
    return found


@st.composite
def fitting(draw: st.DrawFn, schema: Json, junk: bool = True) -> Any:
    """A value of the schema; with `junk` there are members that it does not name, and nulls where a default waits."""
    if schema.get("nullable") and "enum" not in schema and draw(st.booleans()):
        return None
    match schema["type"]:
        case "string":
            return draw(st.sampled_from(schema.get("enum", NAMES)))
        case "integer":
            return draw(st.integers(schema["minimum"], schema["maximum"]))
        case "boolean":
            return draw(st.booleans())
        case "array":
            return [draw(fitting(schema["items"], junk)) for _ in range(draw(st.integers(0, 3)))]
    inner = schema.get("additionalProperties")
    if inner is not None:
        return {key: draw(fitting(inner, junk)) for key in sorted(draw(st.sets(st.sampled_from(NAMES))))}
    made: Json = {}
    for name, member in schema.get("properties", {}).items():
        if name in schema.get("required", ()) or draw(st.booleans()):
            made[name] = draw(fitting(member, junk))
        if junk and "default" in member and draw(st.booleans()):
            made[name] = None
    return {**made, "unknown": {"deep": [1]}} if junk and draw(st.booleans()) else made


@st.composite
def cases(draw: st.DrawFn) -> tuple[Json, Json]:
    """(the schema of a kind, an object of it as a client may send it)."""
    schema = {"type": "object", "properties": {"spec": draw(structs())}}
    head = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}}
    return schema, {**head, "spec": draw(fitting(schema["properties"]["spec"]))}


def custom(schema: Json) -> CustomSchema:
    return CustomSchema(schema, SCHEMAS, "example.com", "v1", "Thing")


def unknown(value: Any, schema: Json) -> list[str]:
    """Names that are in a value and not in its schema."""
    if isinstance(value, list):
        return [name for item in value for name in unknown(item, schema["items"])]
    if not isinstance(value, dict):
        return []
    inner, members = schema.get("additionalProperties"), schema.get("properties", {})
    found = [] if inner or schema.get(PRESERVE) else [name for name in value if name not in members]
    below = [(item, inner or members.get(name)) for name, item in value.items()]
    return found + [name for item, known in below if known for name in unknown(item, known)]


@some
@given(cases())
def test_a_pruned_and_defaulted_object_validates(case: tuple[Json, Json]) -> None:
    schema, sent = case
    assert faults(schema, "schema") == []
    before = copy.deepcopy(sent)
    found = custom(schema).defaulted(sent)
    assert sent == before, "the argument is the client's"
    assert custom(schema).validate(found) == []
    assert unknown(found["spec"], schema["properties"]["spec"]) == []


@some
@given(cases())
def test_pruning_and_defaulting_twice_is_once(case: tuple[Json, Json]) -> None:
    schema, sent = case
    known = custom(schema)
    once = known.defaulted(sent)
    assert known.defaulted(once) == once


@some
@given(cases(), st.data())
def test_what_does_not_fit_is_found(case: tuple[Json, Json], data: st.DataObject) -> None:
    """A member of another type than its schema's is always a fault on its path."""
    schema, sent = case
    found = custom(schema).defaulted(sent)
    members = schema["properties"]["spec"]["properties"]
    name = data.draw(st.sampled_from(sorted(members)))
    found["spec"][name] = {"string": 1, "integer": "1", "boolean": "true"}.get(members[name]["type"], "text")
    assert f"spec.{name}" in [fault.field for fault in custom(schema).validate(found)]
