"""Every message of the table: what is written is read back, whatever the values."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apiserver.protobuf.decoding import read_message
from apiserver.protobuf.encoding import write_message
from apiserver.protobuf.messages import Message, WireField, message
from apiserver.protobuf.special import SPECIAL
from apiserver.schema.registry import wire

DEPTH = 2
"""Messages within messages; what lies deeper is a message of its own in another test."""
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=4)
DOCUMENTS = st.dictionaries(TEXT, st.integers(-9, 9) | TEXT | st.none(), max_size=2)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT,
    "bool": st.booleans(),
    "bytes": st.sampled_from(["", "AA==", "aGVsbG8="]),
    "raw": st.binary(max_size=4),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Duration": st.sampled_from(["0s", "30s", "1.5s"]),
    "ExtraValue": st.lists(TEXT, min_size=1, max_size=2),
    "FieldsV1": DOCUMENTS,
    "IntOrString": st.integers(-(2**31), 2**31 - 1) | TEXT,
    "JSON": DOCUMENTS | st.booleans() | st.integers(0, 9) | TEXT,
    "MicroTime": st.datetimes(min_value=datetime(1000, 1, 1)).map(
        lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    ),
    "Quantity": st.sampled_from(["0", "100m", "1Gi", "-3"]),
    "QuantityValue": st.sampled_from(["0", "100m"]),
    "RawExtension": DOCUMENTS,
    "Time": st.datetimes(min_value=datetime(1000, 1, 1)).map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
    "Verbs": st.lists(TEXT, min_size=1, max_size=2),
}


@cache
def values(name: str, depth: int) -> st.SearchStrategy[Any]:
    """JSON values of a message."""
    plan = message(name)
    match plan.short:
        case "JSONSchemaPropsOrArray":
            return objects(name.removesuffix("OrArray"), depth)
        case "JSONSchemaPropsOrBool":
            return st.booleans() | objects(name.removesuffix("OrBool"), depth)
        case "JSONSchemaPropsOrStringArray":
            return st.lists(TEXT, min_size=1, max_size=2)
    return VALUES[plan.short] if plan.short in SPECIAL else objects(name, depth)


@cache
def objects(name: str, depth: int) -> st.SearchStrategy[Any]:
    plan = message(name)
    optional = {field.json: field_values(field, depth) for field in _fields(plan) if depth or field.message is None}
    return st.fixed_dictionaries({}, optional=optional)


def _fields(plan: Message) -> list[WireField]:
    found = list(plan.by_json.values())
    for field in plan.embedded:
        assert field.message is not None
        found += [inner for inner in _fields(field.message) if inner.json not in plan.by_json]
    return found


def field_values(field: WireField, depth: int) -> st.SearchStrategy[Any]:
    single = SCALARS[field.scalar] if field.message is None else values(field.message.name, depth - 1)
    if field.mapping:
        return st.dictionaries(TEXT, single, min_size=1, max_size=2)
    return st.lists(single, min_size=1, max_size=2) if field.repeated else single


@pytest.mark.parametrize("name", sorted(wire()))
def test_round_trip(name: str) -> None:
    @settings(
        max_examples=3,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(values(name, DEPTH))
    def holds(value: Any) -> None:
        data = write_message(message(name), value)
        assert read_message(message(name), data, 0, len(data)) == value

    holds()
