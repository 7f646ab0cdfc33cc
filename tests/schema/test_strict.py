"""Unknown and duplicate fields, as fieldValidation names them."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.schema.decode import decode_strictly
from apiserver.schema.registry import Schemas
from apiserver.schema.strict import duplicate_fields, merged, strict_faults, unknown_fields, yaml_duplicates

SCHEMAS = Schemas.for_minor(36)
POD = SCHEMAS.definition("io.k8s.api.core.v1.Pod")

POD_WITH_FAULTS: dict[str, Any] = {
    "metadata": {"name": "p", "color": "red"},
    "spec": {"replicas": 1, "containers": [{"name": "c", "imagePolicy": "x"}, {"env": [{"nam": 1}]}]},
    "extra": None,
}


@pytest.mark.parametrize("attempt", range(5))
def test_unknown_fields_in_document_order(attempt: int) -> None:
    assert unknown_fields(POD_WITH_FAULTS, POD) == [
        'unknown field "metadata.color"',
        'unknown field "spec.replicas"',
        'unknown field "spec.containers[0].imagePolicy"',
        'unknown field "spec.containers[1].env[0].nam"',
        'unknown field "extra"',
    ]


def test_unknown_fields_by_name() -> None:
    sent = {"spec": {"z": 1, "a": 1}, "metadata": {"nam": "q"}, "dada": {}}
    assert unknown_fields(sent, POD, by_name=True) == [
        'unknown field "dada"',
        'unknown field "metadata.nam"',
        'unknown field "spec.a"',
        'unknown field "spec.z"',
    ]


def test_deep_nesting_is_left_to_decoding() -> None:
    name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    schema: dict[str, Any] = {"zz": 1}
    for _ in range(5000):
        schema = {"not": schema}
    assert unknown_fields(schema, SCHEMAS.definition(name)) == []
    assert unknown_fields(schema, SCHEMAS.definition(name), by_name=True) == []


def test_names_are_case_sensitive() -> None:
    assert unknown_fields({"metadata": {"Labels": {}}}, POD) == ['unknown field "metadata.Labels"']


def test_map_keys_are_no_fields() -> None:
    assert unknown_fields({"metadata": {"labels": {"anything": "x"}}, "spec": {"nodeSelector": {"y": "z"}}}, POD) == []


def test_wrong_types_are_left_to_decoding() -> None:
    assert unknown_fields({"spec": "x", "metadata": []}, POD) == []


def test_collected_faults_are_bounded() -> None:
    assert len(unknown_fields({f"f{index}": 1 for index in range(500)}, POD)) == 100


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ('{"a":1}', []),
        ('{"a":1,"a":2}', ['duplicate field "a"']),
        ('{"a":1,"a":2,"a":3}', ['duplicate field "a"']),
        (
            '{"spec":{"x":1,"x":2,"c":[{"i":1},{"i":1,"i":2}]}}',
            ['duplicate field "spec.x"', 'duplicate field "spec.c[1].i"'],
        ),
        ('{"a" : 1, "b" : {"a" : 2}}', []),
        ('{"a" : 1, "a" : 2}', ['duplicate field "a"']),
        ('{"a":"{\\"b\\":1}","c":"\\\\"}', []),
        ('{"a":"{\\"b\\":1}","a":"{\\"b\\":1}"}', ['duplicate field "a"']),
        ('{"a\\"":1,"a\\"":2}', ['duplicate field "a\\""']),
        ('{"\\u0061":1,"a":2}', ['duplicate field "a"']),
    ],
)
def test_duplicate_fields(text: str, faults: list[str]) -> None:
    assert duplicate_fields(text.encode()) == faults
    assert duplicate_fields(text.encode(), None, orjson.loads(text)) == faults


def test_faults_of_both_kinds_come_as_they_are_written() -> None:
    text = (
        '{"metadata":{"labels":{"a":"1","a":"2"}},"spec":{"containers":[{"name":"c","image":"x","image":"y","foo":1}],'
        '"bar":{"b":1,"b":2},"bar":1},"spec":{"volumes":[{"q":1},{"q":2}]}}'
    )
    assert strict_faults(text.encode(), POD) == [
        'duplicate field "metadata.labels.a"',
        'duplicate field "spec.containers[0].image"',
        'unknown field "spec.containers[0].foo"',
        'unknown field "spec.bar"',
        'duplicate field "spec"',
        'unknown field "spec.volumes[0].q"',
        'unknown field "spec.volumes[1].q"',
    ]


def test_what_is_there_twice_is_written_over_the_first() -> None:
    text = b'{"m":{"a":1,"b":{"x":1}},"l":[{"a":1},{"b":2}],"m":{"b":{"y":2},"c":3},"l":[{"c":3}],"s":1,"s":null}'
    assert merged(text) == {"m": {"a": 1, "b": {"x": 1, "y": 2}, "c": 3}, "l": [{"a": 1, "c": 3}], "s": None}


def test_yaml_duplicates_name_their_line() -> None:
    text = b"apiVersion: v1\ndata:\n  x: '1'\n  x: '2'\nlist:\n- {a: 1, a: 2}\n"
    assert yaml_duplicates(text) == ['line 4: key "x" already set in map', 'line 6: key "a" already set in map']


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON, st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
def test_no_duplicate_is_reported_where_there_is_none(value: Any, separators: tuple[str, str]) -> None:
    assert duplicate_fields(json.dumps(value, separators=separators).encode()) == []


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=3), JSON, min_size=1, max_size=3), JSON)
def test_a_repeated_key_is_always_found(value: dict[str, Any], other: Any) -> None:
    key = next(iter(value))
    text = json.dumps(value)[:-1] + f", {json.dumps(key)}: {json.dumps(other)}}}"
    assert len(duplicate_fields(text.encode())) == 1


@pytest.mark.parametrize("minor", Schemas.minors()[::4])
def test_decoding_notices_unknown_fields_of_every_kind(minor: int) -> None:
    schemas = Schemas.for_minor(minor)
    for gvk in schemas.kinds():
        kind = schemas.type(*gvk)
        assert kind is not None
        assert decode_strictly({}, kind)[1] and not decode_strictly({"zz": None}, kind)[1], gvk


def test_decoding_and_the_walk_agree() -> None:
    good = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": 1}}}]}}
    deep = {"spec": {"containers": [{"env": [{"name": "a", "nam": None}]}]}}
    assert decode_strictly(good, POD)[1] and not unknown_fields(good, POD)
    assert not decode_strictly(deep, POD)[1] and unknown_fields(deep, POD)
    assert decode_strictly(good, POD)[1]  # what one object had is not said of the next
