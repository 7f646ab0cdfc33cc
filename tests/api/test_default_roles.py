"""The roles of the bootstrap policy: what is in them, and who is bound to them."""

from __future__ import annotations

import pytest

from apiserver.auth.roles import default_roles
from controllers.clusterroleaggregation import desired_rules
from tests.plane import Plane

ROLES = {one["metadata"]["name"]: one for one in default_roles() if one["kind"] == "ClusterRole"}
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


@pytest.mark.parametrize("name", ["admin", "edit", "view"])
def test_aggregates_are_as_the_controller_leaves_them(name: str) -> None:
    assert ROLES[name]["rules"] == desired_rules(ROLES[name], ROLES.values())


def test_every_binding_has_its_role() -> None:
    everything = default_roles()
    there = {(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in everything}
    for one in everything:
        if one["kind"].endswith("Binding"):
            reference = one["roleRef"]
            assert (reference["kind"], one["metadata"].get("namespace"), reference["name"]) in there
    assert len(there) == len(everything)


@pytest.mark.parametrize(
    ("user", "verb", "group", "resource", "name", "allowed"),
    [
        ("system:kube-scheduler", "create", "", "pods/binding", "", True),
        ("system:kube-scheduler", "get", "", "configmaps", "kube-scheduler", True),
        ("system:kube-scheduler", "get", "", "configmaps", "another", False),
        ("system:kube-scheduler", "delete", "", "nodes", "", False),
        ("system:kube-controller-manager", "list", "example.com", "anything", "", True),
        ("system:kube-proxy", "watch", "discovery.k8s.io", "endpointslices", "", True),
        ("system:kube-proxy", "get", "", "secrets", "", False),
        ("system:serviceaccount:kube-system:kube-dns", "list", "", "endpoints", "", True),
        ("system:serviceaccount:kube-system:token-cleaner", "delete", "", "secrets", "", True),
        ("system:serviceaccount:kube-system:job-controller", "update", "batch", "jobs/status", "", True),
        ("system:serviceaccount:kube-system:job-controller", "delete", "batch", "jobs", "", False),
        ("system:serviceaccount:kube-system:horizontal-pod-autoscaler", "update", "example.com", "any/scale", "", True),
        ("system:serviceaccount:kube-system:ttl-controller", "delete", "", "nodes", "", False),
    ],
)
def test_what_components_may(
    plane: Plane, user: str, verb: str, group: str, resource: str, name: str, *, allowed: bool
) -> None:
    kind, _, part = resource.partition("/")
    wanted = {"namespace": "kube-system", "verb": verb, "group": group, "resource": kind}
    spec = {"user": user, "resourceAttributes": {**wanted, "subresource": part, "name": name}}
    status, answer = plane.request("POST", REVIEWS, {"spec": spec})
    assert (status, answer["status"]["allowed"]) == (201, allowed)


def test_controllers_have_a_role_and_an_account_each(plane: Plane) -> None:
    listed = {}
    for plural in ("clusterroles", "clusterrolebindings"):
        _, answer = plane.request("GET", f"/apis/rbac.authorization.k8s.io/v1/{plural}")
        listed[plural] = {one["metadata"]["name"]: one for one in answer["items"]}
    names = [name for name in listed["clusterroles"] if name.startswith("system:controller:")]
    assert len(names) == 38
    for name in names:
        account = {"kind": "ServiceAccount", "name": name.rpartition(":")[2], "namespace": "kube-system"}
        assert listed["clusterrolebindings"][name]["subjects"] == [account]
    rules = listed["clusterroles"]["system:controller:service-account-controller"]["rules"]
    assert rules == [
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["create"]},
        {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]},
    ]
