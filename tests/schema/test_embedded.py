"""Embedded resources, and rules beside other faults: what apiextensions' validation says."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.schema.custom import CustomSchema
from apiserver.schema.registry import Schemas
from apiserver.schema.scalars import DecodeError
from tests.plane import Plane

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


@pytest.mark.parametrize(
    ("inner", "why", "kept"),
    [
        ({"apiVersion": 1, "kind": "Pod"}, "apiVersion: Invalid value: 1: must be a string", {"kind": "Pod"}),
        (
            {"metadata": "x"},
            'metadata: Invalid value: "x": json: cannot unmarshal string into Go value of type v1.ObjectMeta',
            {"metadata": "x"},
        ),
        (
            {"metadata": {"labels": {"a": 1}, "name": "n"}},
            'metadata: Invalid value: {"labels":{"a":1},"name":"n"}: '
            "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string",
            {"metadata": {"name": "n"}},
        ),
    ],
)
def test_what_no_object_holds(inner: dict[str, Any], why: str, kept: dict[str, Any]) -> None:
    schema = custom({"list": {"type": "array", "items": EMBEDDED}, "map": {"additionalProperties": EMBEDDED}})
    for value, path in (({"list": [{}, inner]}, "spec.list[1]"), ({"map": {"k": inner}}, "spec.map[k]")):
        with pytest.raises(DecodeError) as caught:
            schema.defaulted({"spec": value})
        assert str(caught.value) == f"{path}.{why}"
    assert schema.defaulted({"spec": {"map": {"k": inner}}}, stored=True)["spec"]["map"]["k"] == kept


def test_their_metadata_has_no_other_fields() -> None:
    value = {"spec": {"inner": {"apiVersion": "v1", "kind": "Pod", "x": 1, "metadata": {"name": "a", "x": 1}}}}
    kept = custom({"inner": EMBEDDED}).defaulted(value)["spec"]["inner"]
    assert kept == {"apiVersion": "v1", "kind": "Pod", "x": 1, "metadata": {"name": "a"}}


@pytest.mark.parametrize(("value", "fields"), [("x", ["spec.size", "<nil>"]), (60, ["spec.size", "spec"])])
def test_rules_are_left_out_where_they_could_not_hold(value: Any, fields: list[str]) -> None:
    rule = [{"rule": "self.size < 10"}]
    checked = custom({"size": {"type": "integer", "maximum": 50}}, **{"x-kubernetes-validations": rule})
    assert [fault.field for fault in checked.validate({"spec": {"size": value}})] == fields


def _definition(schema: dict[str, Any]) -> dict[str, Any]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "holders", "singular": "holder", "kind": "Holder", "listKind": "HolderList"}
    spec = {"group": "embedded.example.com", "names": names, "scope": "Cluster", "versions": [version]}
    return {"metadata": {"name": "holders.embedded.example.com"}, "spec": spec}


def test_unknown_fields_of_their_metadata_are_told(plane: Plane) -> None:
    definitions, path = (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/embedded.example.com/v1/holders",
    )
    stated = {**EMBEDDED, "properties": {"metadata": {"type": "object"}}}
    inner = {"one": EMBEDDED, "several": {"type": "array", "items": stated}}
    spec = {"type": "object", "properties": inner}
    assert plane.request("POST", definitions, _definition({"type": "object", "properties": {"spec": spec}}))[0] == 201
    plane.eventually_status(path, 200)
    thing = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a", "colour": 1, "labels": {"x": "y"}}}
    held = {"apiVersion": "embedded.example.com/v1", "kind": "Holder", "metadata": {"name": "h"}}
    held["spec"] = {"one": thing, "several": [{**thing, "metadata": {"name": "b"}}, thing]}  # type: ignore[assignment]
    try:
        status, answer = plane.request("POST", f"{path}?fieldValidation=Strict", held)
        why = 'unknown field "spec.one.metadata.colour", unknown field "spec.several[1].metadata.colour"'
        assert (status, answer["message"].partition("strict decoding error: ")[2]) == (400, why)
        status, answer = plane.request("POST", f"{path}?fieldValidation=Ignore", held)
        assert (status, answer["spec"]["one"]["metadata"]) == (201, {"name": "a", "labels": {"x": "y"}})
    finally:
        plane.request("DELETE", f"{definitions}/holders.embedded.example.com")
