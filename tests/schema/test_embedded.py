"""Embedded resources, and rules beside other faults: what apiextensions' validation says."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.schema.custom import CustomSchema
from apiserver.schema.registry import Schemas

SCHEMAS = Schemas.for_minor(36)
EMBEDDED: dict[str, Any] = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "x-kubernetes-preserve-unknown-fields": True,
}


def custom(properties: dict[str, Any], **spec: Any) -> CustomSchema:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties, **spec}}}
    return CustomSchema(schema, SCHEMAS, "example.com", "v1", "Widget")


@pytest.mark.parametrize(
    ("inner", "fields"),
    [
        ({"apiVersion": "v1", "kind": "Pod"}, []),
        ({"kind": "Pod"}, ["spec.inner.apiVersion"]),
        ({"apiVersion": "a/b/c", "kind": "Pod_"}, ["spec.inner.apiVersion", "spec.inner.kind"]),
        ({"apiVersion": 1, "kind": "Pod"}, ["spec.inner.apiVersion"]),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "A_", "namespace": "n"}}, []),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a/b"}}, ["spec.inner.metadata.name"]),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "-"}}}, ["spec.inner.metadata.labels"]),
    ],
)
def test_embedded_objects_are_objects(inner: dict[str, Any], fields: list[str]) -> None:
    found = custom({"inner": EMBEDDED}).validate({"spec": {"inner": inner}})
    assert [fault.field for fault in found] == fields


def test_their_metadata_has_no_other_fields() -> None:
    value = {"spec": {"inner": {"apiVersion": "v1", "kind": "Pod", "x": 1, "metadata": {"name": "a", "x": 1}}}}
    kept = custom({"inner": EMBEDDED}).defaulted(value)["spec"]["inner"]
    assert kept == {"apiVersion": "v1", "kind": "Pod", "x": 1, "metadata": {"name": "a"}}


@pytest.mark.parametrize(("value", "fields"), [("x", ["spec.size", "<nil>"]), (60, ["spec.size", "spec"])])
def test_rules_are_left_out_where_they_could_not_hold(value: Any, fields: list[str]) -> None:
    rule = [{"rule": "self.size < 10"}]
    checked = custom({"size": {"type": "integer", "maximum": 50}}, **{"x-kubernetes-validations": rule})
    assert [fault.field for fault in checked.validate({"spec": {"size": value}})] == fields
