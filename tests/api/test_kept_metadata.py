"""What no update changes in the metadata of an object, however it is written, over the running server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plane import Plane

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
NAMED = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


def with_metadata(**fields: Any) -> dict[str, Any]:
    return {**NAMED, "metadata": {"name": "kept", **fields}}


WRITES = [
    ("PUT", "", "application/json", NAMED),
    ("PUT", "", "application/json", with_metadata(generation=3)),
    ("PATCH", "", MERGE, {"metadata": {"generation": 12, "namespace": None}}),
    ("PATCH", "", JSON_PATCH, [{"op": "remove", "path": "/metadata/generation"}]),
    ("PATCH", "", JSON_PATCH, [{"op": "remove", "path": "/metadata/namespace"}]),
    ("PATCH", "?fieldManager=m", APPLY, with_metadata(generation=5)),
]


@pytest.mark.parametrize(("method", "query", "content_type", "body"), WRITES)
def test_generation_and_namespace(plane: Plane, method: str, query: str, content_type: str, body: Any) -> None:
    status, made = plane.request("POST", CONFIGMAPS, with_metadata(generation=9))
    assert (status, made["metadata"]["generation"]) == (201, 9)
    try:
        headers = {"Content-Type": content_type}
        status, answer = plane.request(method, f"{CONFIGMAPS}/kept{query}", body, **headers)
        kept = answer["metadata"].get("generation"), answer["metadata"].get("namespace")
        assert (status, kept) == (200, (9, "default")), answer
    finally:
        plane.request("DELETE", f"{CONFIGMAPS}/kept")


def test_a_generation_that_nobody_set_is_not_added(plane: Plane) -> None:
    plane.request("POST", CONFIGMAPS, with_metadata())
    status, answer = plane.request("PUT", f"{CONFIGMAPS}/kept", with_metadata(generation=4))
    plane.request("DELETE", f"{CONFIGMAPS}/kept")
    assert status == 200 and "generation" not in answer["metadata"]
