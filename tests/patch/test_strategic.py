"""Strategic merge patches: merge keys, directives, order and error texts."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from apiserver.patch.strategic import apply_strategic
from apiserver.patch.unstructured import restore_fault
from miniplane.apimachinery.status import StatusError
from tests.patch.kinds import CONFIG_MAP, POD, SERVICE

Json = dict[str, Any]


def named(names: str, **extra: Any) -> list[Json]:
    return [{"name": name, **extra} for name in names]


def pod_patched(spec: Json, patch: Json) -> Json:
    merged = apply_strategic({"spec": spec}, orjson.dumps({"spec": patch}), POD)
    return dict(merged["spec"])


def names(spec: Json, field: str = "containers") -> str:
    return "".join(item["name"] for item in spec[field])


def test_items_merge_by_key() -> None:
    live = {"containers": [{"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]}
    patch = {"containers": [{"name": "a", "image": "a:2", "env": [{"name": "Y", "value": "2"}]}]}
    first, second = pod_patched(live, patch)["containers"]
    assert first["image"] == "a:2"
    assert sorted(item["name"] for item in first["env"]) == ["X", "Y"]
    assert second == {"name": "b"}


@pytest.mark.parametrize(
    ("live", "patch", "expected"),
    [
        ("ab", {"containers": named("c")}, "cab"),
        ("ab", {"containers": named("bc")}, "abc"),
        ("abc", {"containers": [{"name": "a", "$patch": "delete"}]}, "bc"),
        ("abc", {"containers": [{"name": "z"}, {"$patch": "replace"}]}, "z"),
        ("abc", {"$setElementOrder/containers": named("cab"), "containers": named("a", image="x")}, "cab"),
        ("abc", {"$setElementOrder/containers": named("cba")}, "cba"),
        ("abc", {"$setElementOrder/containers": named("ca")}, "bca"),
        (
            "cab",
            {
                "$setElementOrder/containers": named("da"),
                "containers": [{"name": "d"}, {"name": "b", "$patch": "delete"}],
            },
            "cda",
        ),
        ("", {"$setElementOrder/containers": named("ab"), "containers": named("ab")}, "ab"),
    ],
)
def test_order(live: str, patch: Json, expected: str) -> None:
    assert names(pod_patched({"containers": named(live)} if live else {}, patch)) == expected


@pytest.mark.parametrize(
    ("live", "patch", "expected"),
    [
        (["a"], {"finalizers": ["b"]}, ["b", "a"]),
        (["a", "b"], {"finalizers": ["b", "a"]}, ["b", "a"]),
        (["a", "b"], {"$deleteFromPrimitiveList/finalizers": ["a"]}, ["b"]),
        (
            ["b"],
            {
                "finalizers": ["c"],
                "$deleteFromPrimitiveList/finalizers": ["b"],
                "$setElementOrder/finalizers": ["c"],
            },
            ["c"],
        ),
    ],
)
def test_primitive_lists(live: list[str], patch: Json, expected: list[str]) -> None:
    merged = apply_strategic({"metadata": {"finalizers": live}}, orjson.dumps({"metadata": patch}), CONFIG_MAP)
    assert merged["metadata"]["finalizers"] == expected


def test_maps() -> None:
    live = {"nodeSelector": {"x": "1", "y": "2"}}
    assert pod_patched(live, {"nodeSelector": {"x": None, "z": "3"}})["nodeSelector"] == {"y": "2", "z": "3"}
    assert pod_patched(live, {"nodeSelector": {"$patch": "replace", "q": "9"}})["nodeSelector"] == {"q": "9"}
    assert pod_patched(live, {"nodeSelector": {"$patch": "delete"}})["nodeSelector"] == {}


def test_retain_keys() -> None:
    live = {"volumes": [{"name": "v", "emptyDir": {}}]}
    patch = {"volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}]}
    assert pod_patched(live, patch)["volumes"] == [{"name": "v", "configMap": {"name": "c"}}]


def test_service_ports_merge_by_port_alone() -> None:
    live = {"spec": {"ports": [{"port": 53, "protocol": "TCP", "name": "t"}, {"port": 80, "name": "h"}]}}
    patch = orjson.dumps({"spec": {"ports": [{"port": 53, "protocol": "UDP"}]}})
    merged = apply_strategic(live, patch, SERVICE)
    assert merged["spec"]["ports"] == [{"port": 53, "protocol": "UDP", "name": "t"}, {"port": 80, "name": "h"}]


def test_atomic_lists_are_replaced() -> None:
    live = {"containers": [{"name": "a", "args": ["p", "q"]}], "tolerations": [{"key": "a"}]}
    patch = {"containers": [{"name": "a", "args": ["r"]}], "tolerations": [{"key": "b"}]}
    merged = pod_patched(live, patch)
    assert merged["containers"][0]["args"] == ["r"]
    assert merged["tolerations"] == [{"key": "b"}]


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        ({"containers": [{"image": "x"}]}, 500, "map: map[image:x] does not contain declared merge key: name"),
        (
            {"containers": [{"name": "a", "$patch": "merge-it"}]},
            500,
            "unknown patch type: merge-it in map: map[$patch:merge-it name:a]",
        ),
        ({"nodeSelector": {"$patch": "x"}}, 500, "unknown patch type: x in map: map[$patch:x]"),
        ({"containers": ["x"]}, 500, "list element types are not identical: [[map[name:a]] [x]]"),
        ({"$setElementOrder/nope": []}, 500, 'unable to find api field in struct PodSpec for the json field "nope"'),
        ({"$setElementOrder/containers": 1}, 500, "expected a []interface {}, but received a int64"),
        ({"$retainKeys": ["x"], "nodeName": "n"}, 400, "invalid patch format of retainKeys"),
        ({"$deleteFromPrimitiveListX": []}, 400, "invalid patch format of primitive list"),
        ({"containers": [[1]]}, 500, "list element types are not identical: [[map[name:a]] [[1]]]"),
    ],
)
def test_errors(patch: Json, code: int, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        pod_patched({"containers": named("a"), "nodeSelector": {"x": "1"}}, patch)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_patch_must_be_an_object() -> None:
    with pytest.raises(StatusError) as caught:
        apply_strategic({}, b"[1]", POD)
    assert caught.value.message == "json: cannot unmarshal array into Go value of type map[string]interface {}"


def test_order_that_contradicts_the_patch() -> None:
    with pytest.raises(StatusError, match="doesn't match"):
        pod_patched({}, {"$setElementOrder/containers": named("ab"), "containers": named("ba")})


def test_long_lists_are_merged_in_time() -> None:
    many = [{"name": f"v{number}"} for number in range(20_000)]
    started = time.perf_counter()
    pod_patched({"volumes": many}, {"volumes": many[::-1]})
    assert time.perf_counter() - started < 5


def test_document_stays() -> None:
    live = {"containers": named("ab"), "nodeSelector": {"x": "1"}}
    before = orjson.dumps(live)
    pod_patched(live, {"containers": [{"name": "a", "$patch": "delete"}], "nodeSelector": {"x": None}})
    assert orjson.dumps(live) == before


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"containers": {"name": "c"}}, "cannot restore slice from map"),
        ({"containers": "text"}, "cannot restore slice from string"),
        ({"nodeSelector": "text"}, "cannot restore map from string"),
        ({"affinity": 1}, "cannot restore struct from: int64"),
        ({"activeDeadlineSeconds": "three"}, "unrecognized type: int64"),
        ({"activeDeadlineSeconds": 1.5}, "cannot convert float64 to int64"),
        ({"nodeName": 1}, "cannot convert int64 to string"),
        ({"hostNetwork": "yes"}, "unrecognized type: bool"),
        ({"nodeName": None, "activeDeadlineSeconds": 2.0}, ""),
    ],
)
def test_faults_of_the_merged_object(spec: Json, fault: str) -> None:
    assert restore_fault({"spec": spec}, POD) == fault
