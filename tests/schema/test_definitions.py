"""CustomResourceDefinitions: names, versions, columns and selectable fields."""

from __future__ import annotations

import importlib.util
from typing import Any, cast

import pytest

from apiserver.kinds.definitions import DefinitionStrategy
from apiserver.kinds.kind import Cluster, Context, User

CONTEXT = Context(cast(Cluster, None), User("alice"), "", "2030-01-01T00:00:00Z")
Json = dict[str, Any]
NOT_A_LABEL = "a DNS-1035 label must consist of lower case alphanumeric characters"
STRINGS: Json = {"type": "object", "properties": {f"f{at}": {"type": "string"} for at in range(9)}}


def definition(names: Json | None = None, **version: Any) -> Json:
    found = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": STRINGS}, **version}
    return {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {
                "plural": "widgets",
                "singular": "widget",
                "kind": "Widget",
                "listKind": "Widgets",
                **(names or {}),
            },
            "versions": [found],
            "conversion": {"strategy": "None"},
        },
        "status": {"storedVersions": ["v1"]},
    }


def faults(obj: Json) -> list[str]:
    return [str(fault) for fault in DefinitionStrategy().validate(obj, CONTEXT)]


COLUMN = {"name": "Age", "type": "date", "jsonPath": ".f0", "format": "year"}
WRONG = [
    (
        definition(names={"kind": "A_b"}),
        f'spec.names.kind: Invalid value: "A_b": may have mixed case, but should otherwise match: {NOT_A_LABEL}',
    ),
    (definition(names={"shortNames": ["W"]}), f'spec.names.shortNames[0]: Invalid value: "W": {NOT_A_LABEL}'),
    (
        definition(deprecationWarning="old"),
        'spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions',
    ),
    (
        definition(deprecated=True, deprecationWarning=""),
        'spec.versions[0].deprecationWarning: Invalid value: "": must not be an empty string',
    ),
    (
        definition(additionalPrinterColumns=[COLUMN]),
        'spec.additionalPrinterColumns[0].format: Invalid value: "year": must be one of '
        "byte,date,date-time,double,float,int32,int64,password",
    ),
    (
        definition(selectableFields=[{"jsonPath": f".f{at}"} for at in range(9)]),
        "spec.selectableFields: Too many: 9: must have at most 8 items",
    ),
    (
        {**definition(), "status": {"storedVersions": ["v1", "v0"]}},
        'status.storedVersions[1]: Invalid value: "v0": missing from spec.versions; v0 was previously',
    ),
]


@pytest.mark.parametrize(("obj", "text"), WRONG)
def test_what_a_definition_may_not_say(obj: Json, text: str) -> None:
    (fault,) = faults(obj)
    assert fault.startswith(text)


def test_a_sound_definition() -> None:
    assert faults(definition(deprecated=True, deprecationWarning="use v2")) == []


WITH_STATUS = (
    "fields are allowed at the root of the schema if the status subresource is enabled",
    'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
)


def test_the_root_of_a_schema_beside_a_status_subresource() -> None:
    schema = {**STRINGS, "oneOf": [{"required": ["f0"]}, {"required": ["f1"]}]}
    assert faults(definition(schema={"openAPIV3Schema": schema})) == []
    (fault,) = faults(definition(schema={"openAPIV3Schema": schema}, subresources={"status": {}}))
    where = "spec.validation.openAPIV3Schema: Invalid value: "
    assert fault.startswith(f'{where}{{"ID":"","Schema":"","Ref":null,"Description":"","Type":"object",')
    assert '"OneOf":[{"ID":"",' in fault
    assert fault.endswith(WITH_STATUS[0])
    assert ": only [Description Type Format Title Maximum " in fault


def test_a_root_that_is_no_object() -> None:
    found = faults(definition(schema={"openAPIV3Schema": {"type": "string"}}, subresources={"status": {}}))
    assert f'spec.validation.openAPIV3Schema.type: Invalid value: "string": {WITH_STATUS[1]}' in found


def test_what_the_root_may_say_beside_status() -> None:
    rules = [{"rule": "size(self.f0) < 10"}] if importlib.util.find_spec("cel_expr_python") else []
    limited = {**STRINGS["properties"], "f0": {"type": "string", "maxLength": 20}}
    schema = {**STRINGS, "properties": limited, "description": "all", "required": ["f0"]}
    schema = {**schema, "x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-validations": rules}
    assert faults(definition(schema={"openAPIV3Schema": schema}, subresources={"status": {}})) == []
