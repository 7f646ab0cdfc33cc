"""Bodies of apply requests."""

from __future__ import annotations

import pytest

from apiserver.patch.configuration import read_configuration
from miniplane.apimachinery.status import StatusError


@pytest.mark.parametrize(
    "data", [b"apiVersion: v1\nkind: Pod\n", b'{"apiVersion": "v1", "kind": "Pod"}', b"{apiVersion: v1, kind: Pod}"]
)
def test_yaml_and_json(data: bytes) -> None:
    assert read_configuration(data, "v1", "Pod") == {"apiVersion": "v1", "kind": "Pod"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"a: b\n  c: d\n",
            "error decoding YAML: error converting YAML to JSON: "
            "yaml: line 2: mapping values are not allowed in this context",
        ),
        (
            b"just text",
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: "
            "json: cannot unmarshal string into Go value of type map[string]interface {}",
        ),
        (b"kind: Pod", "invalid object type: /, Kind=Pod"),
        (b'{"apiVersion": "apps/v1", "kind": "Pod"}', "invalid object type: apps/v1, Kind=Pod"),
        (b"{x: " * 300 + b"1" + b"}" * 300, "error decoding YAML: exceeded max depth"),
    ],
)
def test_what_is_no_configuration(data: bytes, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        read_configuration(data, "v1", "Pod")
    assert (caught.value.code, caught.value.message) == (400, message)
