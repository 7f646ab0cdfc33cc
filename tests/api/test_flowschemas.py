"""Answers name the flow schema and the priority level that their request belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.test_nonresource import ask
from tests.plane import Plane

ROOT = "/apis/flowcontrol.apiserver.k8s.io/v1"
FLOW, LEVEL = "x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid"
PODS = "/api/v1/namespaces/default/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/x/leases"
ACCOUNT = "system:serviceaccount:default:one"
MERGE = {"Content_Type": "application/merge-patch+json"}


def names(plane: Plane, path: str, **headers: str) -> tuple[str, str]:
    """(flow schema, priority level) that the answer names."""
    found = ask(plane, path, **headers)[1]
    return _name(plane, "flowschemas", found[FLOW]), _name(plane, "prioritylevelconfigurations", found[LEVEL])


def _name(plane: Plane, plural: str, uid: str) -> str:
    items = plane.request("GET", f"{ROOT}/{plural}")[1]["items"]
    return next(item["metadata"]["name"] for item in items if item["metadata"]["uid"] == uid)


@pytest.mark.parametrize(
    ("path", "headers", "flow", "level"),
    [
        (PODS, {}, "exempt", "exempt"),
        ("/healthz", {}, "exempt", "exempt"),
        (PODS + "/missing", {}, "exempt", "exempt"),
        (PODS, {"user": "jane"}, "global-default", "global-default"),
        ("/livez/ping", {"user": "jane"}, "probes", "exempt"),
        ("/version", {"user": "jane"}, "global-default", "global-default"),
        (PODS, {"user": "system:kube-controller-manager"}, "kube-controller-manager", "workload-high"),
        (PODS, {"user": ACCOUNT}, "service-accounts", "workload-low"),
        (PODS, {"user": "system:serviceaccount:kube-system:x"}, "kube-system-service-accounts", "workload-high"),
        (PODS, {"user": "n", "group": "system:nodes"}, "system-nodes", "system"),
        ("/api/v1/nodes/n/status", {"user": "n", "group": "system:nodes"}, "system-node-high", "node-high"),
        (LEASES + "/l", {"user": "system:serviceaccount:kube-system:x"}, "system-leader-election", "leader-election"),
        (LEASES, {"user": ACCOUNT}, "service-accounts", "workload-low"),
        (PODS + "?watch=1&timeoutSeconds=1", {}, "exempt", "exempt"),
    ],
)  # fmt: skip
def test_the_schema_that_matches_first(plane: Plane, path: str, headers: dict[str, str], flow: str, level: str) -> None:
    asked = {f"Impersonate_{name.title()}": value for name, value in headers.items()}
    assert names(plane, path, **asked) == (flow, level)


def test_who_is_nobody_and_what_lasts_belong_to_none(plane: Plane) -> None:
    assert FLOW not in ask(plane, PODS, Authorization="Bearer wrong")[1]
    assert FLOW not in ask(plane, PODS + "/p/log")[1]


@pytest.fixture
def schema(plane: Plane) -> Iterator[Any]:
    """Makes the flow schema `mine` at a level."""
    path = f"{ROOT}/flowschemas"
    yield lambda spec: plane.request("POST", path, {"metadata": {"name": "mine"}, "spec": spec})
    plane.request("DELETE", f"{path}/mine")


def test_schemas_count_from_when_they_are_written(plane: Plane, schema: Any) -> None:
    subjects = [{"kind": "User", "user": {"name": "jane"}}]
    rule = {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["default"]}
    level = {"priorityLevelConfiguration": {"name": "nosuch"}}
    rules = [{"subjects": subjects, "resourceRules": [rule]}]
    assert names(plane, PODS, Impersonate_User="jane")[0] == "global-default"
    assert schema({**level, "matchingPrecedence": 50, "rules": rules})[0] == 201
    assert names(plane, PODS, Impersonate_User="jane")[0] == "global-default"  # there is no such level
    there = {"spec": {"priorityLevelConfiguration": {"name": "workload-low"}}}
    assert plane.request("PATCH", f"{ROOT}/flowschemas/mine", there, **MERGE)[0] == 200
    assert names(plane, PODS, Impersonate_User="jane") == ("mine", "workload-low")
    assert names(plane, PODS, Impersonate_User="bob")[0] == "global-default"
    assert names(plane, "/api/v1/namespaces/other/pods", Impersonate_User="jane")[0] == "global-default"
