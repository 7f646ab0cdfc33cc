"""Server-side apply: merging, ownership, conflicts, and what it refuses."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.patch.apply import apply
from apiserver.patch.managed import after_update
from apiserver.schema.decode import decode
from apiserver.schema.types import Type
from miniplane.apimachinery.status import StatusError
from tests.patch.kinds import CONFIG_MAP, POD, SERVICE

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
Json = dict[str, Any]


def config(kind: Type = CONFIG_MAP, **fields: Any) -> Json:
    metadata = {"name": "a", **fields.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": kind.owner, "metadata": metadata, **fields}


def applied(live: Json | None, manager: str, kind: Type = CONFIG_MAP, *, now: str = "1", **fields: Any) -> Json:
    return run(live, config(kind, **fields), manager, kind, now=now)


def run(live: Json | None, body: Json, manager: str, kind: Type = CONFIG_MAP, **options: Any) -> Json:
    before = orjson.dumps([live, body])
    new = apply(live, body, kind, manager=manager, api_version="v1", **{"now": "1", **options})
    assert orjson.dumps([live, body]) == before
    return new


def updated(live: Json | None, manager: str, kind: Type = CONFIG_MAP, **fields: Any) -> Json:
    new = decode(config(kind, **fields), kind)
    after_update(live, new, kind, manager=manager, api_version="v1", now="1")
    return new


def owners(obj: Json) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", [])}


def refusal(live: Json | None, body: Json, manager: str, kind: Type = CONFIG_MAP, **options: Any) -> StatusError:
    with pytest.raises(StatusError) as caught:
        run(live, body, manager, kind, **options)
    return caught.value


def ports(obj: Json) -> list[tuple[int, str]]:
    return [(port["port"], port.get("protocol", "TCP")) for port in obj["spec"]["ports"]]


def test_create_change_and_give_up() -> None:
    live = applied(None, "one", data={"x": "1", "y": "2"})
    assert owners(live) == {"one": {"f:data": {"f:x": {}, "f:y": {}}}}
    assert applied(live, "one", data={"x": "1", "y": "2"}, now="2") == live
    live = applied(live, "one", data={"x": "9"}, now="3")
    assert live["data"] == {"x": "9"}
    assert live["metadata"]["managedFields"][0]["time"] == "3"


def test_giving_up_everything_leaves_no_entry() -> None:
    live = applied(None, "one", data={"x": "1"}, metadata={"labels": {"l": "v"}})
    assert applied(live, "one") == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


def test_shared_fields_stay_until_the_last_owner_gives_them_up() -> None:
    live = applied(None, "one", data={"x": "1", "y": "2"})
    live = applied(live, "two", data={"x": "1"}, now="2")
    assert [entry.get("time") for entry in live["metadata"]["managedFields"]] == [None, "1"]
    live = applied(live, "one", data={"y": "2"}, now="3")
    assert live["data"] == {"x": "1", "y": "2"}
    live = applied(live, "two", data={}, now="4")
    assert live["data"] == {"y": "2"}
    assert owners(live) == {"one": {"f:data": {"f:y": {}}}, "two": {"f:data": {}}}


def test_updaters_own_too() -> None:
    live = updated(None, "maker", data={"x": "1"})
    live = applied(live, "one", data={"x": "1"})
    live = applied(live, "one")
    assert live["data"] == {"x": "1"}


def test_one_conflict() -> None:
    live = updated(None, "maker", data={"x": "1"})
    error = refusal(live, config(data={"x": "2"}), "one")
    assert (error.code, error.reason) == (409, "Conflict")
    assert error.message == 'Apply failed with 1 conflict: conflict with "maker" using v1: .data.x'
    assert error.details == {
        "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "maker" using v1', "field": ".data.x"}]
    }


def test_conflicts_are_grouped_by_manager() -> None:
    live = applied(updated(None, "maker", data={"z": "1"}), "one", data={"x": "1", "y": "2"})
    error = refusal(live, config(data={"x": "9", "y": "8", "z": "7"}), "two")
    assert error.message == (
        'Apply failed with 3 conflicts: conflicts with "maker" using v1:\n- .data.z\n'
        'conflicts with "one":\n- .data.x\n- .data.y'
    )


def test_conflict_names_the_subresource() -> None:
    live = updated(None, "maker", POD, spec={"containers": [{"name": "c"}]})
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    live = run(live, config(POD, status=ready), "kubelet", POD, subresource="status")
    not_ready = {"conditions": [{"type": "Ready", "status": "False"}]}
    error = refusal(live, config(POD, status=not_ready), "other", POD, subresource="status")
    assert error.message == (
        'Apply failed with 1 conflict: conflict with "kubelet" with subresource "status": '
        '.status.conditions[type="Ready"].status'
    )


def test_force_takes_the_fields() -> None:
    live = applied(None, "one", data={"x": "1", "y": "2"})
    live = run(live, config(data={"x": "9"}), "two", force=True)
    assert live["data"] == {"x": "9", "y": "2"}
    assert owners(live) == {"one": {"f:data": {"f:y": {}}}, "two": {"f:data": {"f:x": {}}}}


def test_list_maps_merge_by_all_keys_and_know_their_defaults() -> None:
    live = applied(None, "one", SERVICE, spec={"ports": [{"port": 53, "protocol": "TCP", "name": "t"}]})
    live = applied(live, "two", SERVICE, spec={"ports": [{"port": 53, "protocol": "UDP"}, {"port": 99}]})
    assert ports(live) == [(53, "TCP"), (53, "UDP"), (99, "TCP")]
    assert 'k:{"port":99,"protocol":"TCP"}' in owners(live)["two"]["f:spec"]["f:ports"]
    assert ports(applied(live, "two", SERVICE, spec={})) == [(53, "TCP")]


@pytest.mark.parametrize(
    ("live", "ours", "expected"),
    [
        ("a", "ba", "ba"),
        ("abc", "ca", "bca"),
        ("abc", "bxc", "abxc"),
        ("abcd", "dxb", "acdxb"),
        ("ab", "cd", "abcd"),
    ],
)
def test_order_of_merged_lists(live: str, ours: str, expected: str) -> None:
    old = updated(None, "maker", POD, spec={"containers": [{"name": name} for name in live]})
    new = applied(old, "one", POD, spec={"containers": [{"name": name} for name in ours]})
    assert "".join(item["name"] for item in new["spec"]["containers"]) == expected


def test_sets_and_atomic_values() -> None:
    live = applied(None, "one", metadata={"finalizers": ["x/a", "x/b"]})
    live = applied(live, "two", metadata={"finalizers": ["x/c"]})
    assert live["metadata"]["finalizers"] == ["x/a", "x/b", "x/c"]
    assert owners(live)["two"] == {"f:metadata": {"f:finalizers": {'v:"x/c"': {}}}}
    live = applied(live, "one", metadata={"finalizers": ["x/b"]})
    assert live["metadata"]["finalizers"] == ["x/b", "x/c"]
    service = applied(None, "one", SERVICE, spec={"selector": {"a": "1"}})
    assert "selector" in service["spec"]
    assert refusal(service, config(SERVICE, spec={"selector": {"b": "2"}}), "two", SERVICE).code == 409


def test_an_untracked_object_belongs_to_before_first_apply() -> None:
    live = decode(config(data={"x": "1", "y": "2"}), CONFIG_MAP)
    new = applied(live, "one", data={"x": "1"})
    assert owners(new) == {
        "one": {"f:data": {"f:x": {}}},
        "before-first-apply": {"f:data": {".": {}, "f:x": {}, "f:y": {}}},
    }


def test_reset_fields_are_merged_but_not_owned() -> None:
    new = run(None, config(POD, spec={"nodeName": "n"}, status={"phase": "x"}), "one", POD, reset=(("status",),))
    assert owners(new) == {"one": {"f:spec": {"f:nodeName": {}}}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (config(dada={}), ".dada: field not declared in schema"),
        (config(data="text"), ".data: expected map, got &{text}"),
        (config(data={"k": 1}), ".data.k: expected string, got &value.valueUnstructured{Value:1}"),
        (
            config(data={"x": {"y": "z"}}),
            '.data.x: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"y":"z"}}',
        ),
        (config(immutable="yes"), ".immutable: expected boolean, got &{yes}"),
        (config(metadata={"finalizers": "x"}), ".metadata.finalizers: expected list, got &{x}"),
        (config(metadata={"finalizers": ["x", "x"]}), '.metadata.finalizers: duplicate entries for key [="x"]'),
        (
            config(metadata={"finalizers": [None]}),
            ".metadata.finalizers: element 0: associative list without keys has an element that's an explicit null",
        ),
        (
            config(data={"a": 1, "b": True}),
            "errors:\n  .data.a: expected string, got &value.valueUnstructured{Value:1}\n"
            "  .data.b: expected string, got &value.valueUnstructured{Value:true}",
        ),
    ],
)
def test_what_does_not_fit_the_type(body: Json, message: str) -> None:
    error = refusal(None, body, "one")
    assert (error.code, error.reason) == (500, "")
    assert error.message == f"failed to create typed patch object (/a; /v1, Kind=ConfigMap): {message}"


def test_duplicate_list_keys() -> None:
    body = config(SERVICE, metadata={"namespace": "n"}, spec={"ports": [{"port": 80}, {"port": 80}]})
    assert refusal(None, body, "one", SERVICE).message == (
        "failed to create typed patch object (n/a; /v1, Kind=Service): "
        '.spec.ports: duplicate entries for key [port=80,protocol="TCP"]'
    )


def test_managed_fields_cannot_be_applied() -> None:
    error = refusal(None, config(metadata={"managedFields": []}), "one")
    assert (error.code, error.message) == (400, "metadata.managedFields must be nil")


def test_live_duplicates_survive() -> None:
    env = [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]
    live = updated(None, "maker", POD, spec={"containers": [{"name": "c", "env": env}]})
    body = config(POD, spec={"containers": [{"name": "c", "env": [{"name": "Y", "value": "3"}]}]})
    merged = run(live, body, "one", POD)["spec"]["containers"][0]["env"]
    assert [item["value"] for item in merged] == ["1", "2", "3"]


def client_side(**data: str) -> Json:
    text = orjson.dumps(config(data=data)).decode()
    return updated(None, "kubectl-client-side-apply", data=data, metadata={"annotations": {ANNOTATION: text}})


def test_kubectl_takes_over_what_client_side_apply_left_untouched() -> None:
    live = client_side(x="1", y="2")
    new = applied(live, "kubectl", data={"x": "3"})
    assert new["data"] == {"x": "3", "y": "2"}
    assert (
        new["metadata"]["annotations"][ANNOTATION]
        == orjson.dumps(config(data={"x": "3"}), option=orjson.OPT_SORT_KEYS).decode() + "\n"
    )
    assert refusal(live, config(data={"x": "3"}), "somebody").code == 409


def test_kubectl_conflicts_on_what_was_changed_since() -> None:
    live = client_side(x="1", y="2")
    live = {**live, "data": {"x": "5", "y": "2"}}
    error = refusal(live, config(data={"x": "3", "y": "4"}), "kubectl")
    assert error.message.endswith('conflict with "kubectl-client-side-apply" using v1: .data.x')
