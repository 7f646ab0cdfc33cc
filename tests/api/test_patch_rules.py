"""What patches say of themselves, against the running server; expected texts written out."""

# ruff: noqa: E501 (expected texts are as long as the server makes them)

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.plane import Plane

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
JSON, MERGE, STRATEGIC, APPLY = (
    f"application/{kind}"
    for kind in ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
)
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u1"}


@pytest.fixture
def target(plane: Plane) -> Iterator[str]:
    path = f"{CONFIG_MAPS}/patch-rules"
    plane.request("POST", CONFIG_MAPS, {"metadata": {"name": "patch-rules"}, "data": {"a": "1"}})
    yield path
    plane.request("DELETE", path)


def patch(plane: Plane, path: str, media: str, body: Any) -> tuple[int, dict[str, Any]]:
    raw = body if isinstance(body, str) else json.dumps(body)
    code, found = plane.request("PATCH", path, raw=raw, content_type=media)
    return code, found


@pytest.mark.parametrize("media", [MERGE, STRATEGIC])
def test_repeated_fields_of_a_patch(plane: Plane, target: str, media: str) -> None:
    code, status = patch(plane, f"{target}?fieldValidation=Strict", media, '{"data":{"x":"1","x":"2"},"zz":1}')
    assert code == 422
    assert status["message"].endswith('strict decoding error: duplicate field "data.x", unknown field "zz"')


@pytest.mark.parametrize(
    ("metadata", "code", "message"),
    [
        ({"resourceVersion": "abc"}, 500, 'strconv.ParseUint: parsing "abc": invalid syntax'),
        ({"resourceVersion": "9" * 20}, 500, f'strconv.ParseUint: parsing "{"9" * 20}": value out of range'),
        ({"resourceVersion": "0"}, 200, None),
        (
            {"deletionTimestamp": "2020-01-01T00:00:00Z"},
            422,
            'ConfigMap "patch-rules" is invalid: metadata.deletionTimestamp: Invalid value: "2020-01-01T00:00:00Z": field is immutable',
        ),
    ],
)
def test_metadata_in_a_patch(
    plane: Plane, target: str, metadata: dict[str, str], code: int, message: str | None
) -> None:
    found, body = patch(plane, target, MERGE, {"metadata": metadata})
    assert (found, body.get("message")) == (code, message)


@pytest.mark.parametrize("stated", [[], [{}]])
def test_emptied_managed_fields_are_forgotten(plane: Plane, target: str, stated: list[Any]) -> None:
    code, body = patch(plane, target, MERGE, {"metadata": {"managedFields": stated}})
    assert code == 200
    assert "managedFields" not in body["metadata"]


def test_owner_references_said_twice_are_kept_once(plane: Plane, target: str) -> None:
    code, body = patch(plane, target, MERGE, {"metadata": {"ownerReferences": [OWNER, OWNER]}})
    assert (code, body["metadata"]["ownerReferences"]) == (200, [OWNER])


def test_only_the_first_document_of_a_body_counts(plane: Plane, target: str) -> None:
    body = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: patch-rules}\ndata: {b: "2"}\n---\nnonsense: 1\n'
    code, found = patch(plane, f"{target}?fieldManager=one", APPLY, body)
    assert (code, found["data"]) == (200, {"a": "1", "b": "2"})


def test_a_patch_of_a_wrong_type_with_half_a_surrogate_pair_is_shown(plane: Plane, target: str) -> None:
    media = {"Content-Type": "application/strategic-merge-patch+json"}
    status, answer = plane.request("PATCH", target, raw=r'{"immutable": "\ud83d"}', **media)
    assert (status, "map[immutable:\ufffd]" in answer["message"]) == (422, True), answer
