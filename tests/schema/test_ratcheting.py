"""What an update of a custom resource may leave invalid, and what not (KEP-4008)."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.schema.custom import CustomSchema
from apiserver.schema.registry import Schemas

SCHEMAS = Schemas.for_minor(36)
Json = dict[str, Any]
TEXT: Json = {"type": "string"}
SHORT: Json = {"type": "string", "maxLength": 1}
KEYED: Json = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
ITEM: Json = {"type": "object", "required": ["k"], "properties": {"k": TEXT, "v": SHORT}}


def custom(part: Json, status: Json | None = None) -> CustomSchema:
    spec = {"type": "object", "properties": {"a": part, "other": {"type": "integer"}}}
    schema = {
        "type": "object",
        "required": ["must"],
        "properties": {"spec": spec, "must": TEXT, "status": status or {}},
    }
    if status is None:
        del schema["properties"]["status"], schema["required"]  # type: ignore[attr-defined]
    return CustomSchema(schema, SCHEMAS, "example.com", "v1", "Widget")


def widget(value: Any, other: int = 0) -> Json:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {}, "spec": {"a": value, "other": other}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({**TEXT, "enum": ["x"]}, "y"),
        ({**TEXT, "pattern": "^x$"}, "y"),
        ({**TEXT, "format": "ipv4"}, "y"),
        (SHORT, "yy"),
        ({"type": "integer"}, "y"),
        ({"type": "integer", "multipleOf": 2}, 3),
        ({"type": "object", "required": ["q"], "properties": {"q": TEXT}}, {}),
        ({"type": "array", "maxItems": 1, "items": TEXT}, ["a", "b"]),
        ({"type": "array", "items": SHORT}, ["yy"]),
        ({"type": "object", "maxProperties": 1, "additionalProperties": TEXT}, {"a": "1", "b": "2"}),
        ({"type": "object", "properties": {"q": TEXT}, "oneOf": [{"required": ["q"]}]}, {}),
        ({"type": "object", "properties": {"q": TEXT}, "not": {"required": ["q"]}}, {"q": "1"}),
        ({**TEXT, "allOf": [{"maxLength": 1}]}, "yy"),
        ({**TEXT, "anyOf": [{"maxLength": 1}, {"pattern": "x"}]}, "yy"),
        ({"type": "array", "x-kubernetes-list-type": "set", "items": TEXT}, ["a", "a"]),
        ({**KEYED, "items": ITEM}, [{"k": "a"}, {"k": "a"}]),
    ],
)
def test_what_did_not_change_blocks_no_update(schema: Json, value: Any) -> None:
    found = custom(schema)
    assert found.validate(widget(value)) != []
    assert found.validate(widget(value, 1), widget(value)) == []


@pytest.mark.parametrize(
    ("schema", "before", "after", "texts"),
    [
        (KEYED | {"items": ITEM}, [{"k": "a", "v": "yy"}], [{"k": "b", "v": "1"}, {"k": "a", "v": "yy"}], []),
        (
            KEYED | {"items": ITEM},
            [{"k": "a", "v": "yy"}],
            [{"k": "a", "v": "zz"}],
            ["spec.a[0].v: Too long: may not be more than 1 bytes"],
        ),
        ({"type": "object", "additionalProperties": SHORT}, {"a": "yy"}, {"a": "yy", "b": "1"}, []),
        (
            {"type": "array", "items": SHORT},
            ["yy"],
            ["yy", "z"],
            ["spec.a[0]: Too long: may not be more than 1 bytes"],
        ),
        (
            {"type": "object", "required": ["q"], "properties": {"q": TEXT, "r": SHORT, "s": TEXT}},
            {"r": "yy", "s": "old"},
            {"r": "yy", "s": "new"},
            ["spec.a.q: Required value"],
        ),
        (
            {
                "type": "object",
                "properties": {"q": TEXT, "r": TEXT},
                "allOf": [{"properties": {"q": {"maxLength": 1}}}],
            },
            {"q": "yy", "r": "old"},
            {"q": "yy", "r": "new"},
            [
                "spec.a.q: Too long: may not be more than 1 bytes",
                '<nil>: Invalid value: "": "spec.a" must validate all the schemas (allOf). None validated',
            ],
        ),
        (
            {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
            ["a", "b"],
            ["a", "a"],
            ['spec.a[1]: Duplicate value: "a"'],
        ),
        ({"type": "array", "x-kubernetes-list-type": "set", "items": TEXT}, ["a", "a"], ["a", "a", "b", "b"], []),
    ],
)
def test_what_changed_around_it(schema: Json, before: Any, after: Any, texts: list[str]) -> None:
    assert [str(fault) for fault in custom(schema).validate(widget(after), widget(before))] == texts


def test_embedded_resources_are_never_overlooked() -> None:
    found = custom(
        {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    )
    (fault,) = found.validate(widget({"kind": "Pod"}, 1), widget({"kind": "Pod"}))
    assert str(fault) == "spec.a.apiVersion: Required value: must not be empty"


def test_of_a_status_update_only_the_status_is_looked_at() -> None:
    found = custom(TEXT, {"type": "object", "properties": {"n": {"type": "integer", "maximum": 5}}})
    before = widget(1)
    assert found.validate(before) != []
    assert found.validate_status({**before, "status": {"n": 1}}, before) == []
    assert [str(fault) for fault in found.validate_status({**before, "status": {"n": 9}}, before)] == [
        "status.n: Invalid value: 9: status.n in body should be less than or equal to 5"
    ]
    high = {**before, "status": {"n": 9}}
    assert found.validate_status({**high, "status": {"n": 9, "m": 1}}, high) == []
