"""Lists that are sent in slices: whole, in every representation, while others are served."""

from __future__ import annotations

import gzip
import urllib.request
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from apiserver.handlers.lists import SLICE_BYTES
from apiserver.protobuf.codec import decode
from tests.plane import Plane

COUNT = 40
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PROTOBUF = "application/vnd.kubernetes.protobuf"


@pytest.fixture
def path(plane: Plane, namespace: str) -> str:
    """A collection of four slices."""
    found = f"/api/v1/namespaces/{namespace}/configmaps"
    for number in range(COUNT):
        data = {"text": "x" * (SLICE_BYTES // COUNT * 4)}
        status, made = plane.request("POST", found, {"metadata": {"name": f"large-{number:02}"}, "data": data})
        assert status == 201, made
    return found


def fetch(plane: Plane, path: str, accept: str, encoding: str = "identity") -> tuple[str, bytes]:
    """Content-Encoding and body."""
    headers = {"Authorization": f"Bearer {plane.token}", "Accept": accept, "Accept-Encoding": encoding}
    request = urllib.request.Request(plane.url + path, headers=headers)
    with urllib.request.urlopen(request, context=plane.tls, timeout=30) as answer:
        return answer.headers.get("Content-Encoding", "identity"), answer.read()


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


EXPECTED = [f"large-{number:02}" for number in range(COUNT)]
FORMS: dict[str, Callable[[bytes], list[str]]] = {
    "application/json": lambda body: names(orjson.loads(body)["items"]),
    TABLE: lambda body: names([row["object"] for row in orjson.loads(body)["rows"]]),
    PARTIAL: lambda body: names(orjson.loads(body)["items"]),
    PROTOBUF: lambda body: names(decode(body)["items"]),
    f"{PROTOBUF};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io": lambda body: names(decode(body)["items"]),
}


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("accept", FORMS)
def test_every_form_is_whole(plane: Plane, path: str, accept: str, encoding: str) -> None:
    answered, body = fetch(plane, path, accept, encoding)
    assert answered == encoding
    assert FORMS[accept](gzip.decompress(body) if encoding == "gzip" else body) == EXPECTED


def test_a_table_says_the_same_again_and_follows_changes(plane: Plane, path: str) -> None:
    def rows() -> list[Any]:
        found = orjson.loads(fetch(plane, path, TABLE)[1])["rows"]
        return [(row["cells"][:2], row["object"]["metadata"]) for row in found]

    first = rows()
    assert rows() == first
    patch = {"metadata": {"labels": {"new": "label"}}, "data": {"more": "y"}}
    status, changed = plane.request("PATCH", f"{path}/large-07", patch, Content_Type="application/merge-patch+json")
    assert status == 200
    again = rows()
    assert again[7] == (["large-07", 2], changed["metadata"])
    assert again[:7] + again[8:] == first[:7] + first[8:]
