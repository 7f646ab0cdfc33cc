"""Sets of field paths: algebra, order, texts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.patch import fieldset
from apiserver.patch.fieldset import FieldSet, Path

ELEMENTS = ("f:a", "f:b", "f:c.d/e", 'k:{"name":"x"}', 'k:{"port":80,"protocol":"TCP"}', 'v:"x"', "v:1", "i:0")
PATHS = st.sets(st.lists(st.sampled_from(ELEMENTS), min_size=1, max_size=3).map(tuple), max_size=12)


def made(paths: set[Path]) -> FieldSet:
    return fieldset.ordered(fieldset.from_paths(paths))


def members(fields: FieldSet) -> set[Path]:
    return set(fieldset.paths(fields))


@settings(deadline=None)
@given(PATHS, PATHS)
def test_algebra_is_that_of_sets_of_paths(left: set[Path], right: set[Path]) -> None:
    one, two = made(left), made(right)
    assert members(fieldset.union(one, two)) == left | right
    assert members(fieldset.difference(one, two)) == left - right
    assert members(fieldset.intersection(one, two)) == left & right
    below = {path for path in left if any(path[: len(gone)] == gone for gone in right)}
    assert members(fieldset.without(one, two)) == left - below
    assert members(one) == left  # arguments stay


@settings(deadline=None)
@given(PATHS)
def test_wire_form_round_trips(paths: set[Path]) -> None:
    fields = made(paths)
    read = fieldset.parse(orjson.loads(orjson.dumps(fields)))
    assert orjson.dumps(read) == orjson.dumps(fields)
    assert members(read) == paths


@settings(deadline=None)
@given(PATHS)
def test_leaves_have_nothing_below(paths: set[Path]) -> None:
    inner = {path for path in paths if any(other[: len(path)] == path for other in paths - {path})}
    assert members(fieldset.leaves(made(paths))) == paths - inner
    assert all(fieldset.contains(made(paths), path) for path in paths)


def test_difference_of_nothing_is_the_same_object() -> None:
    fields = made({("f:a", "f:b")})
    assert fieldset.difference(fields, made({("f:a", "f:c"), ("f:b",)})) is fields
    assert fieldset.difference(fields, made({("f:a",)})) is fields  # a parent is not its child


def test_order_is_that_of_the_real_server() -> None:
    keys = ["v:2", 'v:"b"', "i:1", 'k:{"port":443}', 'k:{"port":80}', "f:b", "f:a", "v:10", 'v:"a"']
    fields: FieldSet = {"f:x": {**{key: {} for key in keys}, ".": {}}}
    assert list(fieldset.ordered(fields)["f:x"]) == [
        ".",
        "f:a",
        "f:b",
        'k:{"port":80}',
        'k:{"port":443}',
        "v:2",
        "v:10",
        'v:"a"',
        'v:"b"',
        "i:1",
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", 'k:{"protocol":"TCP","port":80}', "f:name"), '.spec[port=80,protocol="TCP"].name'),
        (("f:finalizers", 'v:"a"'), '.finalizers[="a"]'),
        (("f:x", "i:3"), ".x[3]"),
    ],
)
def test_texts(path: Path, text: str) -> None:
    assert fieldset.path_text(path) == text


def test_level_by_level() -> None:
    fields = made({("f:a", "f:b"), ("f:b",), ("f:a",), ("f:a", "f:b", "f:c")})
    assert list(fieldset.paths(fields)) == [("f:a",), ("f:b",), ("f:a", "f:b"), ("f:a", "f:b", "f:c")]


@pytest.mark.parametrize("wire", [[], "x", {"f:a": 1}, {"k:[]": {}}, {"k:{}": {}}, {"v:{": {}}, {"i:x": {}}])
def test_what_is_no_set(wire: Any) -> None:
    with pytest.raises(ValueError):
        fieldset.parse(wire)


def test_depth_is_bounded() -> None:
    deep: FieldSet = {}
    for _ in range(200):
        deep = {"f:a": deep}
    with pytest.raises(ValueError):
        fieldset.parse(deep)


def test_keys_are_written_canonically_and_unknown_kinds_skipped() -> None:
    wire = {'k:{ "b":1, "a":"<" }': {".": {}}, "q:later": {}}
    assert fieldset.parse(wire) == {'k:{"a":"\\u003c","b":1}': {}}
