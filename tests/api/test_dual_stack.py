"""Dual-stack Services and ServiceCIDRs through the running server."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from tests.plane import Plane

RANGES = "10.96.0.0/16,fd00:10:96::/112"
V4, V6 = ipaddress.ip_network("10.96.0.0/16"), ipaddress.ip_network("fd00:10:96::/112")
MERGE = {"Content_Type": "application/merge-patch+json"}
CIDRS, ADDRESSES = "/apis/networking.k8s.io/v1/servicecidrs", "/apis/networking.k8s.io/v1/ipaddresses"


@pytest.fixture(scope="module")
def dual() -> Iterator[Plane]:
    plane = Plane.start("--service-cluster-ip-range", RANGES, "--nodes", "1")
    yield plane
    plane.stop()


def services(name: str = "") -> str:
    return f"/api/v1/namespaces/default/services/{name}".rstrip("/")


def create(plane: Plane, name: str, **spec: Any) -> tuple[int, Any]:
    body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"app": name}, **spec}}
    return plane.request("POST", services(), body)


def created(plane: Plane, name: str, **spec: Any) -> Any:
    status, answer = create(plane, name, **spec)
    assert status == 201, answer
    return answer["spec"]


def patch(plane: Plane, name: str, **spec: Any) -> tuple[int, Any]:
    return plane.request("PATCH", services(name), {"spec": spec}, **MERGE)


def networks_of(spec: Any) -> list[Any]:
    return [next(n for n in (V4, V6) if ipaddress.ip_address(address) in n) for address in spec["clusterIPs"]]


def held(plane: Plane) -> dict[str, str]:
    items = plane.get(ADDRESSES)["items"]
    return {item["metadata"]["name"]: item["spec"]["parentRef"]["name"] for item in items}


@pytest.mark.parametrize(
    ("asked", "families", "policy"),
    [
        ({}, ["IPv4"], "SingleStack"),
        ({"ipFamilies": ["IPv6"]}, ["IPv6"], "SingleStack"),
        ({"ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], "PreferDualStack"),
        ({"ipFamilyPolicy": "RequireDualStack"}, ["IPv4", "IPv6"], "RequireDualStack"),
        ({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]}, ["IPv6", "IPv4"], "PreferDualStack"),
        ({"clusterIP": "fd00:10:96::77"}, ["IPv6"], "SingleStack"),
    ],
)
def test_families_and_addresses(dual: Plane, asked: dict[str, Any], families: list[str], policy: str) -> None:
    spec = created(dual, "web", **asked)
    try:
        assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (families, policy)
        assert networks_of(spec) == [V4 if family == "IPv4" else V6 for family in families]
        assert spec["clusterIP"] == spec["clusterIPs"][0]
        owned = {name: owner for name, owner in held(dual).items() if owner == "web"}
        assert set(owned) == set(spec["clusterIPs"])
    finally:
        dual.request("DELETE", services("web"))
    assert "web" not in held(dual).values()


def test_two_explicit_addresses(dual: Plane) -> None:
    pair = ["fd00:10:96::5", "10.96.0.55"]
    status, answer = create(dual, "two", clusterIPs=pair, clusterIP=pair[0])
    assert status == 422
    assert answer["message"] == (
        'Service "two" is invalid: spec.ipFamilyPolicy: Invalid value: "SingleStack": must be '
        "'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified"
    )
    spec = created(dual, "two", clusterIPs=pair, clusterIP=pair[0], ipFamilyPolicy="RequireDualStack")
    assert (spec["clusterIPs"], spec["ipFamilies"]) == (pair, ["IPv6", "IPv4"])
    status, answer = create(dual, "again", clusterIPs=["10.96.0.99", "fd00:10:96::5"], ipFamilyPolicy="PreferDualStack")
    assert status == 422
    dual.request("DELETE", services("two"))


def test_upgrade_and_downgrade(dual: Plane) -> None:
    before = created(dual, "grow")
    status, answer = patch(dual, "grow", ipFamilyPolicy="RequireDualStack")
    assert status == 200, answer
    after = answer["spec"]
    assert after["clusterIPs"][0] == before["clusterIP"]
    assert networks_of(after) == [V4, V6]
    status, answer = patch(dual, "grow", clusterIPs=[after["clusterIP"]], ipFamilies=["IPv4"])
    assert status == 422
    assert answer["message"] == (
        'Service "grow" is invalid: [spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be '
        "'SingleStack' to release the secondary cluster IP, "
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be '
        "'SingleStack' to release the secondary IP family]"
    )
    status, answer = patch(dual, "grow", ipFamilyPolicy="SingleStack")
    assert status == 200, answer
    assert answer["spec"]["clusterIPs"] == [before["clusterIP"]]
    assert answer["spec"]["ipFamilies"] == ["IPv4"]
    assert after["clusterIPs"][1] not in held(dual)
    status, answer = patch(dual, "grow", ipFamilies=["IPv6"])
    assert status == 422
    assert answer["details"]["causes"][0]["message"].endswith("expected an IPv6 value as indicated by `ipFamilies[0]`")
    dual.request("DELETE", services("grow"))


def test_pods_and_slices_of_both_families(dual: Plane) -> None:
    created(dual, "pods", ipFamilyPolicy="PreferDualStack")
    pod = {
        "metadata": {"name": "pods-1", "labels": {"app": "pods"}},
        "spec": {"containers": [{"name": "c", "image": "web"}]},
    }
    assert dual.request("POST", "/api/v1/namespaces/default/pods", pod)[0] == 201
    shown = dual.eventually("/api/v1/namespaces/default/pods/pods-1", lambda pod: pod["status"].get("podIPs"))
    addresses = [entry["ip"] for entry in shown["status"]["podIPs"]]
    assert [ipaddress.ip_address(address).version for address in addresses] == [4, 6]
    assert addresses[0] == shown["status"]["podIP"]

    def complete(slices: Any) -> bool:
        found = {one["addressType"]: [e["addresses"] for e in one["endpoints"] or ()] for one in slices["items"]}
        return found == {"IPv4": [[addresses[0]]], "IPv6": [[addresses[1]]]}

    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name=pods"
    dual.eventually(path, complete)
    dual.request("DELETE", "/api/v1/namespaces/default/pods/pods-1?gracePeriodSeconds=0")
    dual.request("DELETE", services("pods"))


def test_single_stack_refuses_the_other_family(plane: Plane) -> None:
    status, answer = create(plane, "six", ipFamilies=["IPv6"])
    assert status == 422
    assert answer["message"] == (
        'Service "six" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'
    )


def test_further_service_cidrs_give_addresses(dual: Plane) -> None:
    status, answer = create(dual, "far", clusterIP="172.30.0.7")
    assert status == 422
    why = "failed to allocate IP 172.30.0.7: the provided network does not match the current range"
    assert answer["message"] == f'Service "far" is invalid: spec.clusterIPs: Invalid value: ["172.30.0.7"]: {why}'
    body = {"metadata": {"name": "more"}, "spec": {"cidrs": ["172.30.0.0/29"]}}
    assert dual.request("POST", CIDRS, body)[0] == 201
    ready = dual.eventually(f"{CIDRS}/more", lambda cidr: (cidr["status"].get("conditions") or [{}])[0].get("status"))
    assert ready["status"]["conditions"][0]["message"] == "Kubernetes Service CIDR is ready"
    assert ready["metadata"]["finalizers"] == ["networking.k8s.io/service-cidr-finalizer"]
    assert created(dual, "far", clusterIP="172.30.0.6")["ipFamilies"] == ["IPv4"]
    assert dual.request("DELETE", f"{CIDRS}/more")[0] == 200
    blocked = dual.eventually(f"{CIDRS}/more", lambda cidr: cidr["status"]["conditions"][0]["status"] == "False")
    assert blocked["status"]["conditions"][0]["reason"] == "Terminating"
    status, answer = create(dual, "late", clusterIP="172.30.0.2")
    assert status == 422, "a range that is going gives no addresses"
    dual.request("DELETE", services("far"))


def test_what_is_the_servers_own_comes_back(dual: Plane) -> None:
    address = created(dual, "kept")["clusterIP"]
    before = dual.get(f"{ADDRESSES}/{address}")["metadata"]["uid"]
    assert dual.request("DELETE", f"{ADDRESSES}/{address}")[0] == 200
    again = dual.eventually(f"{ADDRESSES}/{address}", lambda found: found["metadata"]["uid"] != before)
    assert again["spec"]["parentRef"] == {"namespace": "default", "name": "kept", "resource": "services"}
    dual.request("DELETE", services("kept"))
    assert address not in held(dual)
    finalizers = {"metadata": {"finalizers": None}}
    uid = dual.get(f"{CIDRS}/kubernetes")["metadata"]["uid"]
    assert dual.request("DELETE", f"{CIDRS}/kubernetes")[0] == 200
    dual.request("PATCH", f"{CIDRS}/kubernetes", finalizers, **MERGE)
    restored = dual.eventually(f"{CIDRS}/kubernetes", lambda found: found["metadata"]["uid"] != uid)
    assert restored["spec"]["cidrs"] == RANGES.split(",")


def test_a_full_range_goes_on_in_the_next_one(start_plane: Any) -> None:
    plane = start_plane("--service-cluster-ip-range", "10.7.0.0/30", "--nodes", "0", "--no-controllers")
    assert created(plane, "last")["clusterIP"] == "10.7.0.2"
    status, answer = create(plane, "none")
    assert (status, answer["message"]) == (
        500,
        "Internal error occurred: failed to allocate a serviceIP: range is full",
    )
    body = {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.8.0.0/30"]}}
    assert plane.request("POST", CIDRS, body)[0] == 201
    assert {created(plane, name)["clusterIP"] for name in ("a", "b")} == {"10.8.0.1", "10.8.0.2"}
