"""Core kinds through the running server: what only its handlers know."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plane import Plane


def make_pod(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}


def causes(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(cause["field"], cause["message"]) for cause in answer["details"]["causes"]]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (
            "sinceSeconds=5&sinceTime=2024-01-01T00:00:00Z",
            ("[]", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"),
        ),
        ("stream=Stdout", ("stream", "Forbidden: may not be specified")),
        ("limitBytes=0", ("limitBytes", "Invalid value: 0: must be greater than 0")),
    ],
)
def test_log_options_are_judged_before_the_pod_is_looked_for(
    plane: Plane, namespace: str, query: str, wanted: tuple[str, str]
) -> None:
    status, answer = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods/missing/log?{query}")
    assert (status, causes(answer)) == (422, [wanted])


def test_a_log_since_no_time_at_all(plane: Plane, namespace: str) -> None:
    status, answer = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods/missing/log?sinceTime=x")
    assert (status, answer["message"]) == (
        400,
        'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
    )


def test_a_bad_label_of_an_update_is_told_by_every_rule_that_looks(plane: Plane, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    plane.request("POST", maps, {"metadata": {"name": "a"}})
    status, answer = plane.request("PUT", f"{maps}/a", {"metadata": {"name": "a", "labels": {"a": "-"}}})
    assert (status, [field for field, _ in causes(answer)]) == (422, ["metadata.labels"] * 4)


def test_custom_kinds_may_have_finalizers_without_a_domain(plane: Plane, namespace: str) -> None:
    group = f"{namespace}.example.com"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]
    spec = {"group": group, "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"}, "versions": versions}
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    status, _ = plane.request("POST", definitions, {"metadata": {"name": f"foos.{group}"}, "spec": spec})
    assert status == 201
    foos = f"/apis/{group}/v1/namespaces/{namespace}/foos"
    plane.eventually_status(foos, 200)
    foo = {"apiVersion": f"{group}/v1", "kind": "Foo", "metadata": {"name": "a", "finalizers": ["one.example.com"]}}
    advice = "prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts"
    assert plane.warnings("POST", foos, foo) == [
        f'metadata.finalizers: "one.example.com": {advice} with other finalizer writers'
    ]
    merge = {"Content_Type": "application/merge-patch+json"}
    patch = {"metadata": {"finalizers": ["one.example.com", "example.com/two", "plain"]}}
    assert plane.warnings("PATCH", f"{foos}/a", patch, **merge) == [
        f'metadata.finalizers: "plain": {advice} with other finalizer writers'
    ]
    plane.request("PATCH", f"{foos}/a", {"metadata": {"finalizers": None}}, **merge)
    plane.request("DELETE", f"{definitions}/foos.{group}")


def test_keys_that_do_not_fit_are_told_of(plane: Plane, namespace: str) -> None:
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    secret = {"metadata": {"name": "a"}, "type": "kubernetes.io/tls", "data": {"tls.crt": "dg==", "tls.key": "dg=="}}
    wanted = ["tls: failed to find any PEM data in certificate input"]
    assert plane.warnings("POST", secrets, secret) == wanted
    assert plane.warnings("PUT", f"{secrets}/a", secret) == wanted
    assert plane.warnings("POST", secrets, {**secret, "metadata": {"name": "b"}, "type": "example.com/own"}) == []


def test_mountable_secrets_are_advised_against_once(plane: Plane, namespace: str) -> None:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    name = "kubernetes.io/enforce-mountable-secrets"
    account = {"metadata": {"name": "a", "annotations": {name: "true"}}}
    assert plane.warnings("POST", accounts, account) == [
        f"metadata.annotations[{name}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted "
        "secrets"
    ]
    assert plane.warnings("PUT", f"{accounts}/a", account) == []


def test_slices_of_names_and_of_controllers(plane: Plane, namespace: str) -> None:
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    names = {"metadata": {"name": "a"}, "addressType": "FQDN", "endpoints": [{"addresses": ["a.example.com"]}]}
    assert plane.warnings("POST", slices, names) == ["spec.addressType: FQDN endpoints are deprecated"]
    assert plane.warnings("PUT", f"{slices}/a", {**names, "endpoints": []}) == []
    addresses = {"metadata": {"name": "b"}, "addressType": "IPv6", "endpoints": [{"addresses": ["FD00::1"]}]}
    assert len(plane.warnings("POST", slices, addresses)) == 1
    labels = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    assert plane.warnings("POST", slices, {**addresses, "metadata": {"name": "c", "labels": labels}}) == []


def test_a_proxy_says_where_it_cannot_go(plane: Plane, namespace: str) -> None:
    core = f"/api/v1/namespaces/{namespace}"
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80, "name": "http"}]}}
    plane.request("POST", f"{core}/services", service)

    def said(path: str) -> tuple[int, str]:
        status, answer = plane.request("GET", f"{core}/{path}/proxy/")
        return status, answer["message"]

    assert said("services/none") == (404, 'endpoints "none" not found')
    assert said("services/none:80") == (404, 'services "none" not found')
    assert said("services/web:99") == (503, 'no service port 99 found for service "web"')
    assert said("services/a:b:c:d") == (400, 'invalid service request "a:b:c:d"')
    assert said("services/ftp:web:80") == (400, 'invalid service request "ftp:web:80"')
    plane.request("POST", f"{core}/endpoints", {"metadata": {"name": "web"}})
    assert said("services/https:web:80") == (503, 'no endpoints available for service "web"')
    subset = {"addresses": [{"ip": "10.1.1.1"}], "ports": [{"name": "other", "port": 80}]}
    plane.request("PUT", f"{core}/endpoints/web", {"metadata": {"name": "web"}, "subsets": [subset]})
    assert said("services/web:http") == (503, 'no endpoints available for service "web:http"')

    plane.request("POST", f"{core}/pods", make_pod("p"))
    assert said("pods/none") == (404, 'pods "none" not found')
    assert said("pods/p:80") == (400, "address not allowed")


def test_a_pod_of_many_containers_wants_one_named(plane: Plane, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    containers = [{"name": name, "image": "nginx"} for name in ("c", "d")]
    spec = {"containers": containers, "initContainers": [{"name": "i", "image": "nginx"}]}
    plane.request("POST", pods, {"metadata": {"name": "p"}, "spec": spec})
    for path in ("log", "exec?command=ls", "attach"):
        assert plane.request("GET", f"{pods}/p/{path}")[1]["message"] == (
            "a container name must be specified for pod p, choose one of: [i c d]"
        )
    status, answer = plane.request("GET", f"{pods}/p/exec?command=ls&container=x")
    assert (status, answer["message"]) == (400, "container x is not valid for pod p")
    for path in ("exec?command=ls&container=i", "portforward"):
        assert plane.request("GET", f"{pods}/p/{path}")[1]["message"] == "pod p does not have a host assigned"


APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


def test_app_armor_annotations_become_fields(plane: Plane, namespace: str) -> None:
    pod = make_pod("p")
    pod["metadata"]["annotations"] = {f"{APP_ARMOR}c": "localhost/mine"}
    status, made = plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    assert status == 201
    profile = {"type": "Localhost", "localhostProfile": "mine"}
    assert made["spec"]["containers"][0]["securityContext"] == {"appArmorProfile": profile}
    assert made["metadata"]["annotations"] == pod["metadata"]["annotations"]
    pod["metadata"]["name"] = "q"
    assert plane.warnings("POST", f"/api/v1/namespaces/{namespace}/pods", pod) == [
        f'metadata.annotations[{APP_ARMOR}c]: deprecated since v1.30; use the "appArmorProfile" field instead'
    ]


def test_a_status_of_discouraged_addresses(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    plane.request("POST", path, make_pod("p"))
    written = {"status": {"podIPs": [{"ip": "2001:DB8::1"}, {"ip": "10.0.0.1"}]}}
    (warning,) = plane.warnings("PATCH", f"{path}/p/status", written, Content_Type="application/merge-patch+json")
    assert warning.startswith("status.podIPs[0].ip: ")


def test_a_first_deletion_of_a_namespace_only_marks_it(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}-x"
    _, made = plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": f"{namespace}-x"}})
    plane.request("PUT", f"{path}/finalize", {**made, "spec": {}})
    status, answer = plane.request("DELETE", path, {"preconditions": {"uid": "other"}})
    uid = made["metadata"]["uid"]
    why = f"Precondition failed: UID in precondition: other, UID in object meta: {uid}"
    wanted = f'Operation cannot be fulfilled on namespaces "{namespace}-x": {why}'
    assert (status, answer["message"]) == (409, wanted)
    status, marked = plane.request("DELETE", f"{path}?orphanDependents=false&dryRun=All")
    assert (status, marked["metadata"]["finalizers"]) == (200, ["foregroundDeletion"])
    status, marked = plane.request("DELETE", path)
    assert (status, marked["status"]["phase"]) == (200, "Terminating")
    assert "deletionGracePeriodSeconds" not in marked["metadata"]
    assert plane.request("GET", path)[1] == marked
    assert plane.request("DELETE", path)[1]["status"]["phase"] == "Terminating"
    assert plane.request("GET", path)[0] == 404


def test_later_deletions_of_a_namespace_wait_for_its_finalizers(controlled_plane: Plane, namespace: str) -> None:
    plane = controlled_plane
    path = f"/api/v1/namespaces/{namespace}-y"
    metadata = {"name": f"{namespace}-y", "finalizers": ["example.com/hold"]}
    plane.request("POST", "/api/v1/namespaces", {"metadata": metadata, "spec": {"finalizers": ["example.com/hold"]}})
    plane.request("DELETE", path)
    waiting = plane.eventually(path, lambda one: one["spec"] == {"finalizers": ["example.com/hold"]})
    assert plane.request("DELETE", f"{path}?propagationPolicy=Orphan") == (200, waiting)
    _, waiting = plane.request("PUT", f"{path}/finalize", {**waiting, "spec": {}})
    assert waiting["metadata"]["finalizers"] == ["example.com/hold"]
    assert plane.request("DELETE", path)[1]["metadata"]["deletionGracePeriodSeconds"] == 0
    plane.request("PATCH", path, {"metadata": {"finalizers": None}}, Content_Type="application/merge-patch+json")
    assert plane.request("GET", path)[0] == 404


def test_a_definition_is_marked_without_grace(plane: Plane) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"openAPIV3Schema": {"type": "object"}}
    spec = {
        "group": "marked.example.com",
        "scope": "Namespaced",
        "names": {"plural": "foos", "kind": "Foo"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    name = "foos.marked.example.com"
    plane.request("POST", path, {"metadata": {"name": name, "finalizers": ["example.com/hold"]}, "spec": spec})
    plane.eventually_status("/apis/marked.example.com/v1/foos", 200)
    marked = plane.request("DELETE", f"{path}/{name}?propagationPolicy=Foreground")[1]["metadata"]
    assert marked["generation"] == 1
    assert "deletionGracePeriodSeconds" not in marked
    assert marked["finalizers"] == ["example.com/hold", "customresourcecleanup.apiextensions.k8s.io"]
    left = plane.eventually(f"{path}/{name}", lambda one: one["metadata"]["finalizers"] == ["example.com/hold"])
    ended = left["status"]["conditions"][-1]
    assert (ended["status"], ended["message"]) == ("False", "removed all instances")
    plane.request(
        "PATCH", f"{path}/{name}", {"metadata": {"finalizers": None}}, Content_Type="application/merge-patch+json"
    )
    plane.eventually_status(f"{path}/{name}", 404)
