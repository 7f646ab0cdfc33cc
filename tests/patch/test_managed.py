"""managedFields of creates, updates and patches."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.patch.managed import after_update, yielded
from apiserver.schema.decode import decode
from apiserver.schema.types import Field, Type
from tests.patch.kinds import CONFIG_MAP, POD, type_of

Json = dict[str, Any]


SLICE = type_of("EndpointSlice", "discovery.k8s.io")


def made(kind: Type, **fields: Any) -> Json:
    metadata = {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", **fields.pop("metadata", {})}
    return decode({"apiVersion": "v1", "kind": kind.owner, "metadata": metadata, **fields}, kind)


def write(
    live: Json | None,
    new: Json,
    kind: Type = CONFIG_MAP,
    *,
    manager: str = "m",
    now: str = "1",
    subresource: str = "",
    version: str = "v1",
) -> Json:
    """A copy of `new` as it would be stored: managedFields up to date."""
    stored: Json = orjson.loads(orjson.dumps(new))
    after_update(live, stored, kind, manager=manager, api_version=version, subresource=subresource, now=now)
    return stored


def changed(live: Json, **fields: Any) -> Json:
    """`live` as a client sends it back with other data or metadata."""
    metadata = {**live["metadata"], **fields.pop("metadata", {})}
    return {**live, "metadata": metadata, **fields}


def fields_of(obj: Json, manager: str = "m", operation: str = "Update") -> Any:
    found = [entry for entry in obj["metadata"].get("managedFields", []) if entry["manager"] == manager]
    return found[0]["fieldsV1"] if found and found[0]["operation"] == operation else None


def test_entry_of_a_create() -> None:
    stored = write(None, made(CONFIG_MAP, data={"b": "2", "a": "1"}, metadata={"labels": {"x": "y"}}))
    assert orjson.dumps(stored["metadata"]["managedFields"]) == (
        b'[{"manager":"m","operation":"Update","apiVersion":"v1","time":"1","fieldsType":"FieldsV1","fieldsV1":'
        b'{"f:data":{".":{},"f:a":{},"f:b":{}},"f:metadata":{"f:labels":{".":{},"f:x":{}}}}}]'
    )


def test_structs_that_always_exist_are_not_owned_but_pointers_are() -> None:
    container = {"name": "c", "image": "i", "resources": {}, "ports": [{"containerPort": 80, "protocol": "TCP"}]}
    spec = {"containers": [container], "securityContext": {"runAsUser": 1}, "nodeSelector": {"a": "b"}}
    fields = fields_of(write(None, made(POD, spec=spec), POD))["f:spec"]
    assert fields["f:containers"]['k:{"name":"c"}'] == {
        ".": {},
        "f:image": {},
        "f:name": {},
        "f:ports": {
            ".": {},
            'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:protocol": {}},
        },
        "f:resources": {},
    }
    assert "." not in fields["f:containers"]
    assert fields["f:securityContext"] == {".": {}, "f:runAsUser": {}}
    assert fields["f:nodeSelector"] == {}  # atomic


def test_owner_references_and_atomic_lists() -> None:
    owner = {"apiVersion": "v1", "kind": "Service", "name": "s", "uid": "x"}
    obj = made(SLICE, metadata={"ownerReferences": [owner]}, addressType="IPv4", endpoints=[{"addresses": ["::1"]}])
    fields = fields_of(write(None, obj, SLICE))
    assert fields["f:metadata"]["f:ownerReferences"] == {".": {}, 'k:{"uid":"x"}': {}}
    assert fields["f:endpoints"] == {}


def test_nothing_to_own_makes_no_entry() -> None:
    assert "managedFields" not in write(None, made(CONFIG_MAP))["metadata"]


def test_changed_fields_move_to_the_writer() -> None:
    live = write(None, made(CONFIG_MAP, data={"a": "1", "b": "2"}), manager="one")
    after = write(live, changed(live, data={"a": "9", "b": "2", "c": "3"}), manager="two", now="2")
    assert fields_of(after, "one") == {"f:data": {".": {}, "f:b": {}}}
    assert fields_of(after, "two") == {"f:data": {"f:a": {}, "f:c": {}}}


def test_removed_fields_leave_everybody_and_no_time_moves() -> None:
    live = write(None, made(CONFIG_MAP, data={"a": "1", "b": "2"}), manager="one")
    after = write(live, changed(live, data={"a": "1"}), manager="two", now="2")
    assert after["metadata"]["managedFields"] == [
        {**live["metadata"]["managedFields"][0], "fieldsV1": {"f:data": {".": {}, "f:a": {}}}}
    ]


def test_an_entry_without_fields_goes() -> None:
    live = write(None, made(CONFIG_MAP, data={"a": "1"}), manager="one")
    after = write(live, {key: value for key, value in live.items() if key != "data"}, manager="two")
    assert "managedFields" not in after["metadata"]


def test_no_change_no_touch() -> None:
    live = write(None, made(CONFIG_MAP, data={"a": "1"}), manager="one")
    assert write(live, live, manager="two", now="9") == live


def test_the_writers_own_entry_grows_and_gets_the_time() -> None:
    live = write(None, made(CONFIG_MAP, data={"a": "1"}), now="1")
    after = write(live, changed(live, data={"a": "1", "b": "2"}), now="2")
    (entry,) = after["metadata"]["managedFields"]
    assert entry["time"] == "2"
    assert entry["fieldsV1"] == {"f:data": {".": {}, "f:a": {}, "f:b": {}}}


def test_subresources_are_managers_of_their_own() -> None:
    live = write(None, made(POD, spec={"containers": []}, metadata={"labels": {"a": "b"}}), POD)
    after = write(live, changed(live, status={"phase": "Running"}), POD, subresource="status", now="2")
    entries = after["metadata"]["managedFields"]
    assert [(entry["manager"], entry.get("subresource")) for entry in entries] == [("m", None), ("m", "status")]
    assert list(entries[1])[-1] == "subresource"


@pytest.mark.parametrize("reset", [(("status",),), {"f:status": {}}])
def test_reset_fields_are_not_owned(reset: Any) -> None:
    new = made(POD, spec={"containers": [], "nodeName": "x"}, status={"phase": "Running"})
    after_update(None, new, POD, manager="m", api_version="v1", now="1", reset=reset)
    assert list(fields_of(new)) == ["f:spec"]


def test_reset_by_the_client_and_tracking_again() -> None:
    live = write(None, made(CONFIG_MAP, data={"a": "1"}))
    cleared = write(live, changed(live, metadata={"managedFields": [{}]}, data={"a": "2"}))
    assert "managedFields" not in cleared["metadata"]
    again = write(cleared, changed(cleared, data={"a": "3"}))
    assert "managedFields" not in again["metadata"]


def test_entries_written_by_the_client() -> None:
    live = write(None, made(CONFIG_MAP, data={"a": "1", "b": "2"}), manager="one")
    mine = {**live["metadata"]["managedFields"][0], "manager": "mine", "fieldsV1": {"f:data": {"f:b": {}, "f:a": {}}}}
    after = write(live, changed(live, metadata={"managedFields": [mine]}), manager="two")
    assert fields_of(after, "mine") == {"f:data": {"f:a": {}, "f:b": {}}}
    assert fields_of(after, "one") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "Patch"},
        {"apiVersion": ""},
        {"fieldsType": "FieldsV2"},
        {"fieldsV1": {"k:x": {}}},
        {"fieldsV1": 5},
    ],
)
def test_entries_that_make_no_sense_are_ignored(wrong: Json) -> None:
    live = write(None, made(CONFIG_MAP, data={"a": "1"}))
    bad = {**live["metadata"]["managedFields"][0], **wrong}
    assert write(live, changed(live, metadata={"managedFields": [bad]})) == live


def test_a_client_that_forgets_managed_fields_does_not_clear_them() -> None:
    live = write(None, made(CONFIG_MAP, data={"a": "1"}))
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    assert write(live, {**live, "metadata": metadata}) == live


def test_the_eleventh_updater_merges_the_two_oldest() -> None:
    obj = write(None, made(CONFIG_MAP, data={"k0": "x"}), manager="m0", now="t00")
    for number in range(1, 12):
        data = {**obj["data"], f"k{number}": "x"}
        obj = write(obj, changed(obj, data=data), manager=f"m{number}", now=f"t{number:02}")
    entries = obj["metadata"]["managedFields"]
    assert len(entries) == 10
    assert (entries[0]["manager"], entries[0]["time"]) == ("ancient-changes", "t02")
    assert entries[0]["fieldsV1"] == {"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}}}
    assert [entry["manager"] for entry in entries[1:]] == [f"m{number}" for number in range(3, 12)]


def test_duplicate_list_keys_are_owned_as_a_whole() -> None:
    env = [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}, {"name": "Y", "value": "3"}]
    obj = made(POD, spec={"containers": [{"name": "c", "env": env}]})
    fields = fields_of(write(None, obj, POD))["f:spec"]["f:containers"]['k:{"name":"c"}']["f:env"]
    assert fields['k:{"name":"X"}'] == {}
    assert fields['k:{"name":"Y"}'] == {".": {}, "f:name": {}, "f:value": {}}


def test_items_without_their_key_leave_the_entries_alone() -> None:
    item = Type("struct", fields={"id": Field("id", Type("string"))})
    items = Type("list", element=item, list_type="map", list_map_keys=("id",))
    kind = Type("struct", fields={"metadata": Field("metadata", Type("any")), "items": Field("items", items)})
    live = {"metadata": {"managedFields": [{"manager": "one", "operation": "Update", "fieldsV1": {"f:items": {}}}]}}
    new: Json = {"metadata": {}, "items": [{"name": "no id"}]}
    after_update(live, new, kind, manager="m", api_version="v1", now="1")
    assert new["metadata"]["managedFields"] == live["metadata"]["managedFields"]


def test_updaters_yield_a_field_and_appliers_do_not() -> None:
    live = write(None, made(CONFIG_MAP, data={"a": "1", "b": "2"}), manager="one")
    (entry,) = live["metadata"]["managedFields"]
    applier = {**entry, "manager": "two", "operation": "Apply"}
    after = yielded(changed(live, metadata={"managedFields": [applier, entry]}), ("data", "a"))
    assert fields_of(after, "two", "Apply") == entry["fieldsV1"]
    assert fields_of(after, "one") == {"f:data": {".": {}, "f:b": {}}}
