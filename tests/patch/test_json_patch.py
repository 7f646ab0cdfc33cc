"""JSON patches: RFC 6902 with the real server's liberties, and its answers to what does not apply."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.patch.json_patch import MAX_OPERATIONS, apply_json, patch_faults
from miniplane.apimachinery.status import StatusError

DOC = {"data": {"a": "1", "b~/": "2"}, "list": [1, 2, 3], "none": None}


def patched(*operations: dict[str, Any]) -> Any:
    return apply_json(DOC, orjson.dumps(list(operations)))


def failure(patch: bytes) -> StatusError:
    with pytest.raises(StatusError) as caught:
        apply_json(DOC, patch)
    return caught.value


@pytest.mark.parametrize(
    ("operation", "place", "expected"),
    [
        ({"op": "add", "path": "/data/c", "value": "3"}, "data", {"a": "1", "b~/": "2", "c": "3"}),
        ({"op": "add", "path": "/data/c"}, "data", {"a": "1", "b~/": "2", "c": None}),
        ({"op": "replace", "path": "/data/new", "value": "3"}, "data", {"a": "1", "b~/": "2", "new": "3"}),
        ({"op": "remove", "path": "/data/b~0~1"}, "data", {"a": "1"}),
        ({"op": "add", "path": "/list/-", "value": 4}, "list", [1, 2, 3, 4]),
        ({"op": "add", "path": "/list/0", "value": 0}, "list", [0, 1, 2, 3]),
        ({"op": "add", "path": "/list/3", "value": 4}, "list", [1, 2, 3, 4]),
        ({"op": "add", "path": "/list/-1", "value": 4}, "list", [1, 2, 3, 4]),
        ({"op": "remove", "path": "/list/-1"}, "list", [1, 2]),
        ({"op": "replace", "path": "/list/1", "value": 9}, "list", [1, 9, 3]),
        ({"op": "move", "from": "/list/0", "path": "/list/2"}, "list", [2, 3, 1]),
        ({"op": "copy", "from": "/list/0", "path": "/list/-"}, "list", [1, 2, 3, 1]),
        ({"op": "test", "path": "/list", "value": [1, 2, 3]}, "list", [1, 2, 3]),
        ({"op": "test", "path": "/data/missing", "value": None}, "list", [1, 2, 3]),
    ],
)
def test_operations(operation: dict[str, Any], place: str, expected: Any) -> None:
    assert patched(operation)[place] == expected


def test_whole_document() -> None:
    assert patched({"op": "replace", "path": "", "value": {"x": 1}}) == {"x": 1}
    assert patched({"op": "test", "path": "", "value": DOC}) == DOC


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/data/zz"},
        {"op": "add", "path": "/missing/x", "value": 1},
        {"op": "add", "path": "/none/x", "value": 1},
        {"op": "add", "path": "", "value": {}},
        {"op": "add", "path": "data", "value": {}},
        {"op": "add", "path": "/list/5", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "remove", "path": "/list/3"},
        {"op": "remove", "path": "/list/-4"},
        {"op": "replace", "path": "/list/-", "value": 1},
        {"op": "move", "from": "/data/zz", "path": "/data/y"},
        {"op": "test", "path": "/data/a", "value": 1},
        {"op": "test", "path": "/list/0", "value": 1.0},
        {"op": "test", "path": "/list/0", "value": True},
        {"op": "merge", "path": "/data"},
        {"path": "/data"},
        {"op": "remove"},
    ],
)
def test_what_does_not_apply_is_one_422(operation: dict[str, Any]) -> None:
    error = failure(orjson.dumps([operation]))
    assert (error.code, error.reason, error.details) == (422, "Invalid", {})
    assert error.message == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (b"{}", "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (b"[1]", "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
        (
            b'[{"op": "add", "path": 7}]',
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string",
        ),
        (b"", "error decoding patch: unexpected end of JSON input"),
        (b"[" * 5000 + b"]" * 5000, "error decoding patch: exceeded max depth"),
    ],
)
def test_what_is_no_patch_is_400(patch: bytes, message: str) -> None:
    error = failure(patch)
    assert (error.code, error.message) == (400, message)


def test_repeated_and_unknown_members_of_operations() -> None:
    patch = b'[{"op":"add","op":"add","path":"/data/c","value":{"x":1,"x":2},"oops":1}]'
    assert patch_faults(patch) == [
        'json patch duplicate field "[0].op"',
        'json patch duplicate field "[0].value.x"',
        'json patch unknown field "[0].oops"',
    ]


def test_too_many_operations() -> None:
    error = failure(orjson.dumps([{}] * (MAX_OPERATIONS + 1)))
    assert error.code == 413
    assert error.message.endswith("The allowed maximum operations in a JSON patch is 10000, got 10001")


def test_copies_cannot_explode() -> None:
    double = [{"op": "copy", "from": "/data", "path": f"/data/{number}"} for number in range(64)]
    assert failure(orjson.dumps(double)).code == 422


def test_document_stays() -> None:
    before = orjson.dumps(DOC)
    patched({"op": "add", "path": "/data/c", "value": "3"}, {"op": "remove", "path": "/list/0"})
    assert orjson.dumps(DOC) == before


def test_copies_cannot_nest_without_end() -> None:
    deeper = [{"op": "copy", "from": "/data", "path": "/data/x"}] * 300
    assert failure(orjson.dumps(deeper)).code == 422
