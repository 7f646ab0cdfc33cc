"""Discovery documents: what clients learn about the server before they ask it for anything."""

from __future__ import annotations

import re

import orjson
import pytest

from apiserver.discovery import Discovery, storage_hash
from apiserver.kinds.kind import STATUS, Kind, Subresource
from apiserver.protobuf import codec

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2BETA1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
SCALE = Subresource("scale", STATUS, gvk=("autoscaling", "v1", "Scale"))
KINDS = [
    Kind("example.com", "v1beta1", "Thing", "things", True, custom=True),
    Kind("example.com", "v1", "Thing", "things", True, custom=True),
    Kind("example.com", "v2alpha1", "Thing", "things", True, custom=True),
    Kind("apps", "v1", "Deployment", "deployments", True, short_names=("deploy",), subresources=(SCALE,)),
    Kind("", "v1", "Service", "services", True, short_names=("svc",), categories=("all",)),
    Kind("", "v1", "Namespace", "namespaces", False, subresources=(Subresource("status", STATUS),)),
    Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", False),
]


@pytest.fixture
def discovery() -> Discovery:
    return Discovery(KINDS)


def test_groups_come_by_priority_and_custom_ones_last(discovery: Discovery) -> None:
    names = [group["name"] for group in discovery.group_list()["groups"]]
    assert names == ["apiregistration.k8s.io", "apps", "example.com"]


def test_the_newest_stable_version_is_preferred(discovery: Discovery) -> None:
    group = discovery.group("example.com")
    assert group is not None
    assert [entry["version"] for entry in group["versions"]] == ["v1", "v1beta1", "v2alpha1"]
    assert group["preferredVersion"] == {"groupVersion": "example.com/v1", "version": "v1"}


def test_resources_are_sorted_and_followed_by_their_subresources(discovery: Discovery) -> None:
    found = discovery.resources("", "v1")
    assert found is not None
    assert [entry["name"] for entry in found["resources"]] == ["namespaces", "namespaces/status", "services"]
    assert "apiVersion" not in found, "the core group's list has none"
    assert found["resources"][2]["shortNames"] == ["svc"]


def test_a_subresource_names_its_kind(discovery: Discovery) -> None:
    found = discovery.resources("apps", "v1")
    assert found is not None
    scale = found["resources"][1]
    assert (scale["name"], scale["group"], scale["version"], scale["kind"]) == (
        "deployments/scale",
        "autoscaling",
        "v1",
        "Scale",
    )


def test_storage_hash_is_the_real_servers() -> None:
    assert storage_hash("", "v1", "Pod") == "xPOwRZ+Yhw8="  # as every cluster answers for pods


def test_what_there_is_not(discovery: Discovery) -> None:
    assert discovery.group("nosuch") is None
    assert discovery.resources("apps", "v2") is None


@pytest.mark.parametrize(
    ("accept", "minor", "version"),
    [
        (f"{V2},{V2BETA1},application/json", 36, "v2"),
        (f"{V2BETA1},application/json", 36, None),
        (f"{V2BETA1},application/json", 28, "v2beta1"),
        (V2, 28, None),
        (f"{V2},{V2BETA1}", 31, "v2"),
        (f"application/json;q=0.5,{V2}", 36, "v2"),
        (f"application/json,{V2}", 36, None),
        (f"text/html,{V2}", 36, "v2"),
        (f"{V2};profile=nopeer", 36, "v2"),
        ("application/json;as=Table;g=meta.k8s.io;v=v1", 36, None),
        ("", 36, None),
    ],
)
def test_which_form_an_accept_header_gets(accept: str, minor: int, version: str | None) -> None:
    found = Discovery(KINDS, minor).aggregated_document(accept, core=False)
    assert (found and re.findall(";v=(.*);as=", found.media)[0]) == version


def test_aggregated_documents_hold_every_group(discovery: Discovery) -> None:
    core = discovery.aggregated_document(V2, core=True)
    others = discovery.aggregated_document(V2, core=False)
    assert core is not None and others is not None and core.tag != others.tag
    assert [item["metadata"] for item in orjson.loads(core.body)["items"]] == [{}]
    resource = orjson.loads(others.body)["items"][2]["versions"][0]["resources"][0]
    assert resource["responseKind"] == {"group": "example.com", "version": "v1", "kind": "Thing"}
    assert (resource["resource"], resource["scope"], resource["singularResource"]) == ("things", "Namespaced", "thing")


def test_aggregated_in_protobuf_says_the_same(discovery: Discovery) -> None:
    found = discovery.aggregated_document(V2.replace("json", "vnd.kubernetes.protobuf"), core=False)
    assert found is not None
    groups = [item["metadata"]["name"] for item in codec.decode(found.body)["items"]]
    assert groups == ["apiregistration.k8s.io", "apps", "example.com"]
