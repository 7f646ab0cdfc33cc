"""JSON merge patch: the table of RFC 7386, and the answers to what is no patch."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.patch.merge_patch import apply_merge
from miniplane.apimachinery.status import StatusError


@pytest.mark.parametrize(
    ("doc", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_rfc_7386(doc: Any, patch: Any, expected: Any) -> None:
    before = orjson.dumps(doc)
    assert apply_merge(doc, orjson.dumps(patch)) == expected
    assert orjson.dumps(doc) == before


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (b"[1,2]", "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (b'"x"', "error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}"),
        (b"{oops", "error decoding patch: invalid character 'o' looking for beginning of object key string"),
        (b"", "error decoding patch: unexpected end of JSON input"),
        (b"null", "Invalid JSON Patch"),
        (b'{"a":' * 400 + b"1" + b"}" * 400, "error decoding patch: exceeded max depth"),
    ],
)
def test_what_is_no_patch(patch: bytes, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        apply_merge({}, patch)
    assert (caught.value.code, caught.value.message) == (400, message)


def test_brackets_in_strings_do_not_nest() -> None:
    text = '[{"' * 400
    assert apply_merge({}, orjson.dumps({"a": text})) == {"a": text}
