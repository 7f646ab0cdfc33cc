"""What holds for objects of every kind: patches reach their target, applies hold, protobuf says what JSON says."""

from __future__ import annotations

from typing import Any

import jsonpatch
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.patch.apply import apply
from apiserver.patch.compare import changes, fields_of
from apiserver.patch.fieldset import from_paths, intersection, paths
from apiserver.patch.json_patch import apply_json
from apiserver.patch.managed import after_update
from apiserver.patch.merge_patch import apply_merge
from apiserver.patch.nodes import node_of
from apiserver.patch.strategic import apply_strategic
from apiserver.protobuf import codec
from apiserver.schema.decode import decode
from tests.properties.diff import strategic_diff
from tests.properties.objects import objects, type_of

Json = dict[str, Any]
KINDS = (
    ("", "v1", "Pod"),
    ("", "v1", "Service"),
    ("", "v1", "Node"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "ServiceAccount"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "StatefulSet"),
    ("batch", "v1", "CronJob"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
)
MANAGERS = st.sampled_from(["one", "two", "three"])
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[2])
few = settings(max_examples=40, deadline=None)
Gvk = tuple[str, str, str]


@every_kind
@few
@given(data=st.data())
def test_patches_reach_their_target(kind: Gvk, data: st.DataObject) -> None:
    schema = type_of(*kind)
    old, new = data.draw(objects(*kind)), data.draw(objects(*kind))
    patch = strategic_diff(old, new, schema)
    assert decode(apply_strategic(old, orjson.dumps(patch), schema), schema) == new, patch
    steps = jsonpatch.make_patch(old, new).patch
    assert apply_json(old, orjson.dumps(steps)) == new, steps
    assert decode(apply_merge(old, orjson.dumps(merge_diff(old, new))), schema) == new


def merge_diff(old: Json, new: Json) -> Json:
    """A JSON merge patch (RFC 7396)."""
    patch: Json = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if before != value:
            both = isinstance(before, dict) and isinstance(value, dict)
            patch[name] = merge_diff(before, value) if both else value  # type: ignore[arg-type]
    return patch


@every_kind
@few
@given(data=st.data())
def test_decoding_and_protobuf_lose_nothing(kind: Gvk, data: st.DataObject) -> None:
    obj = data.draw(objects(*kind))
    assert decode(obj, type_of(*kind)) == obj
    assert decode(codec.decode(codec.encode(obj)), type_of(*kind)) == obj


@every_kind
@few
@given(data=st.data())
def test_applies_hold(kind: Gvk, data: st.DataObject) -> None:
    """After any writes of others: an apply twice is once, what it says is so, and it owns exactly that."""
    schema = type_of(*kind)
    version, node = f"{kind[0]}/{kind[1]}" if kind[0] else kind[1], node_of(type_of(*kind))
    live: Json | None = None
    for now, (manager, applying) in enumerate(data.draw(st.lists(st.tuples(MANAGERS, st.booleans()), max_size=3))):
        body = data.draw(objects(*kind))
        if applying:
            live = apply(live, body, schema, manager=manager, api_version=version, force=True, now=str(now))
        else:
            after_update(live, body, schema, manager=manager, api_version=version, now=str(now))
            live = body
    wanted = data.draw(objects(*kind))

    def again(current: Json | None, now: str) -> Json:
        return apply(current, wanted, schema, manager="mine", api_version=version, force=True, now=now)

    once = again(live, "8")
    assert again(once, "9") == once
    mentioned = fields_of(wanted, node)
    stated = from_paths(path for path in paths(mentioned) if path[0] not in ("f:apiVersion", "f:kind"))
    gained, lost = changes(once, wanted, node)
    assert not intersection(gained, stated)
    assert not intersection(lost, stated)
