"""CustomResourceDefinitions: names, versions, columns and selectable fields."""

from __future__ import annotations

from typing import Any, cast

import pytest

from apiserver.kinds.definitions import DefinitionStrategy
from apiserver.kinds.kind import Cluster, Context, User

CONTEXT = Context(cast(Cluster, None), User("alice"), "", "2030-01-01T00:00:00Z")
Json = dict[str, Any]
NOT_A_LABEL = "a DNS-1035 label must consist of lower case alphanumeric characters"
STRINGS = {"type": "object", "properties": {f"f{at}": {"type": "string"} for at in range(9)}}


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
