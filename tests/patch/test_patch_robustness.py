"""Whatever a client sends, a patch ends in a result or in a Status."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.patch.apply import apply
from apiserver.patch.configuration import read_configuration
from apiserver.patch.json_patch import apply_json
from apiserver.patch.managed import after_update
from apiserver.patch.merge_patch import apply_merge
from apiserver.patch.strategic import apply_strategic
from apiserver.patch.unstructured import restore_fault
from apiserver.schema.registry import Schemas
from miniplane.apimachinery.status import StatusError

FOUND = Schemas.for_minor(36).type("", "v1", "Pod")
assert FOUND is not None
POD = FOUND
LIVE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "uid": "u", "finalizers": ["a"], "labels": {"a": "b"}},
    "spec": {"containers": [{"name": "a", "env": [{"name": "X"}]}], "nodeSelector": {"x": "1"}},
}

NAMES = st.sampled_from(
    [
        *("apiVersion", "kind", "metadata", "spec", "containers", "env", "name", "finalizers", "nodeSelector"),
        *("labels", "ownerReferences", "uid", "managedFields", "fieldsV1", "operation", "x"),
        *("$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers"),
        *("op", "path", "from", "value"),
    ]
)
SCALARS = st.sampled_from(
    [
        None,
        True,
        0,
        1.5,
        "",
        "a",
        "v1",
        "Pod",
        "delete",
        "replace",
        "merge",
        "/spec",
        "/spec/containers/0",
        "add",
        "move",
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
SHAPED = st.builds(
    lambda metadata, containers, extra: {"metadata": metadata, "spec": {"containers": containers, **extra}},
    st.dictionaries(NAMES, VALUES, max_size=3),
    VALUES | st.lists(st.dictionaries(NAMES, VALUES, max_size=3), max_size=3),
    st.dictionaries(NAMES, VALUES, max_size=2),
)


@settings(max_examples=300, deadline=None)
@given(VALUES | SHAPED | st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=3))
def test_patches(patch: Any) -> None:
    data = orjson.dumps(patch)
    for patched in (
        lambda: apply_json(LIVE, data),
        lambda: apply_merge(LIVE, data),
        lambda: apply_strategic(LIVE, data, POD),
    ):
        try:
            restore_fault(patched(), POD)
        except StatusError as error:
            assert error.code in (400, 413, 422, 500)


@settings(max_examples=300, deadline=None)
@given(SHAPED, st.booleans())
def test_applies(body: Any, create: bool) -> None:
    live = None if create else LIVE
    try:
        data = orjson.dumps({"apiVersion": "v1", "kind": "Pod", **body})
        new = apply(live, read_configuration(data, "v1", "Pod"), POD, manager="kubectl", api_version="v1", now="1")
        orjson.dumps(new)
    except StatusError as error:
        assert error.code in (400, 409, 422, 500)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.dictionaries(NAMES | st.sampled_from(["manager", "time", "fieldsType"]), VALUES), max_size=3) | VALUES
)
def test_stated_managed_fields(stated: Any) -> None:
    new = {**LIVE, "metadata": {**LIVE["metadata"], "managedFields": stated}, "spec": {"nodeName": "n"}}
    after_update(LIVE, new, POD, manager="m", api_version="v1", now="1")
    orjson.dumps(new)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_bodies_that_are_no_json(data: bytes) -> None:
    for patched in (
        lambda: apply_json(LIVE, data),
        lambda: apply_merge(LIVE, data),
        lambda: apply_strategic(LIVE, data, POD),
        lambda: read_configuration(data, "v1", "Pod"),
    ):
        try:
            patched()
        except StatusError as error:
            assert error.code == 400
