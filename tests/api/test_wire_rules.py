"""What lists, deletions and access reviews refuse or answer, over the running server: one row per rule."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plane import Plane

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
MATCH, CONTINUE = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden", "when continue is provided"
LIST_OPTIONS = [
    ("watch=1&continue=x", [f"{MATCH} {CONTINUE}"]),
    (
        "watch=1&resourceVersionMatch=Exact",
        [
            f"{MATCH} for watch unless sendInitialEvents is provided",
            'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"',
        ],
    ),
    (
        "watch=1&resourceVersionMatch=NotOlderThan&sendInitialEvents=0&continue=x",
        [f"{MATCH} {CONTINUE}"],
    ),
    ("resourceVersionMatch=Exact&continue=x", [f"{MATCH} unless resourceVersion is provided", f"{MATCH} {CONTINUE}"]),
]
FIELD_SELECTORS = [
    (
        "/apis/apps/v1/replicasets",
        "status.replicas=0",
        '"status.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ),
    ("/api/v1/persistentvolumes", "metadata.namespace=x", ""),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "metadata.namespace=x,metadata.name=admin", ""),
    ("/api/v1/nodes", "metadata.namespace=x", "field label not supported: metadata.namespace"),
    ("/api/v1/namespaces", "metadata.namespace=x", "field label not supported: metadata.namespace"),
]
SELECTOR = "spec.resourceAttributes"
REVIEWS: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"fieldSelector": {"rawSelector": "a=b", "requirements": [{"operator": "In"}]}},
        [
            f'{SELECTOR}.fieldSelector.rawSelector: Invalid value: "a=b": '
            "may not specified at the same time as requirements",
            f"{SELECTOR}.fieldSelector.requirements[0].key: Required value: must be specified",
            f"{SELECTOR}.fieldSelector.requirements[0].values: Required value: "
            "must be specified when `operator` is 'In' or 'NotIn'",
        ],
    ),
    (
        {"labelSelector": {}},
        [
            f"{SELECTOR}.labelSelector.requirements: Required value: "
            f"when {SELECTOR}.labelSelector is specified, requirements or rawSelector is required"
        ],
    ),
    ({"labelSelector": {"requirements": [{"key": "a", "operator": "OfTomorrow"}]}}, []),
]
ANSWERED_WITH_THE_OBJECT: list[tuple[str, dict[str, Any]]] = [
    ("/api/v1/namespaces/default/resourcequotas", {"spec": {"hard": {"pods": "5"}}}),
    (
        "/api/v1/namespaces/default/podtemplates",
        {"template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}},
    ),
    ("/apis/storage.k8s.io/v1/storageclasses", {"provisioner": "a"}),
    ("/apis/storage.k8s.io/v1/csidrivers", {"spec": {}}),
    ("/apis/storage.k8s.io/v1/csinodes", {"spec": {"drivers": []}}),
    ("/apis/resource.k8s.io/v1/deviceclasses", {"spec": {}}),
]


def causes(answer: Any) -> list[str]:
    return [f"{cause['field']}: {cause['message']}" for cause in answer["details"]["causes"]]


@pytest.mark.parametrize(("query", "why"), LIST_OPTIONS)
def test_list_options(plane: Plane, query: str, why: list[str]) -> None:
    status, answer = plane.request("GET", f"{CONFIGMAPS}?{query}")
    assert (status, causes(answer)) == (422, why)


TWICE = '"data": {"a": "1"}, "data": {"b": "2"}}'


@pytest.mark.parametrize(
    "head", ['{"metadata": {"name": "twice"}, ', '{"kind": "ConfigMap", "metadata": {"name": "twice"}, ']
)
def test_a_field_that_is_there_twice(plane: Plane, head: str) -> None:
    status, answer = plane.request("POST", f"{CONFIGMAPS}?dryRun=All", raw=head + TWICE)
    assert (status, answer["data"]) == (201, {"a": "1", "b": "2"})
    status, answer = plane.request("POST", f"{CONFIGMAPS}?fieldValidation=Strict", raw=head + TWICE)
    assert status == 400 and answer["message"].endswith('strict decoding error: duplicate field "data"')


def test_unknown_fields_of_yaml_are_told_by_name(plane: Plane) -> None:
    text = "zz: 1\nmetadata: {name: a, q: 1}\nbb: 2\n"
    query, media = "dryRun=All&fieldValidation=Strict", "application/yaml"
    _, answer = plane.request("POST", f"{CONFIGMAPS}?{query}", raw=text, Content_Type=media)
    assert answer["message"].endswith('unknown field "bb", unknown field "metadata.q", unknown field "zz"')


def test_a_watch_has_no_yaml(plane: Plane) -> None:
    accepted = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
    status, answer = plane.request("GET", f"{CONFIGMAPS}?watch=1", Accept="application/yaml")
    assert status == 406 and f"only the following media types are accepted: {accepted}" in answer


def test_initial_events_of_a_revision_to_come(plane: Plane) -> None:
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=999999999"
    status, event = plane.request("GET", f"{CONFIGMAPS}?{query}")
    assert (status, event["type"], event["object"]["code"]) == (200, "ERROR", 504)
    assert event["object"]["message"].startswith("Too large resource version: 999999999, current: ")


@pytest.mark.parametrize(("path", "selector", "why"), FIELD_SELECTORS)
def test_field_selectors(plane: Plane, path: str, selector: str, why: str) -> None:
    status, answer = plane.request("GET", f"{path}?fieldSelector={selector}")
    assert (status, answer.get("message", "")) == (400 if why else 200, why)
    assert answer.get("items", []) == []


@pytest.mark.parametrize(("attributes", "why"), REVIEWS)
def test_selectors_of_a_review(plane: Plane, attributes: dict[str, Any], why: list[str]) -> None:
    body = {"spec": {"user": "u", "resourceAttributes": attributes}}
    status, answer = plane.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    assert (status, causes(answer) if why else []) == (422 if why else 201, why)


def test_a_local_review_has_a_namespace_and_no_name(plane: Plane) -> None:
    path = "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews"
    body = {"metadata": {"name": "n"}, "spec": {"user": "u", "resourceAttributes": {"namespace": "other"}}}
    _, answer = plane.request("POST", path, body)
    first, second = causes(answer)
    assert first.startswith("metadata: ") and first.endswith("must be empty except for namespace")
    assert second == 'spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace'


@pytest.mark.parametrize(("path", "body"), ANSWERED_WITH_THE_OBJECT)
def test_a_deletion_answers_the_object(plane: Plane, path: str, body: dict[str, Any]) -> None:
    status, made = plane.request("POST", path, {"metadata": {"name": "deleted-object"}, **body})
    assert status == 201
    status, answer = plane.request("DELETE", f"{path}/deleted-object")
    assert (status, answer["kind"], answer["metadata"]["uid"]) == (200, made["kind"], made["metadata"]["uid"])


def test_system_priority_classes_stay(plane: Plane) -> None:
    path = "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical"
    status, answer = plane.request("DELETE", path)
    assert status == 403
    assert answer["message"].endswith("is forbidden: this is a system priority class and cannot be deleted")
    assert plane.request("GET", path)[0] == 200


CUSTOM_PATHS = [
    ("GET", "/apis/wire.example.com/v1/namespaces/default/wires", 404, "404 page not found\n"),
    ("GET", "/apis/wire.example.com/v1/wires/a/status", 404, 'wires.wire.example.com "a" not found'),
    ("GET", "/apis/wire.example.com/v1/wires", 200, None),
]


def test_paths_of_custom_resources(plane: Plane) -> None:
    schema = {"openAPIV3Schema": {"type": "object"}}
    spec = {
        "group": "wire.example.com",
        "scope": "Cluster",
        "names": {"plural": "wires", "kind": "Wire"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    plane.request("POST", definitions, {"metadata": {"name": "wires.wire.example.com"}, "spec": spec})
    plane.eventually_status("/apis/wire.example.com/v1/wires", 200)
    for method, path, code, text in CUSTOM_PATHS:
        status, answer = plane.request(method, path)
        said = answer.get("message") if isinstance(answer, dict) else answer
        assert (status, said) == (code, text), path


def test_a_scale_in_conflict_is_the_workload(plane: Plane) -> None:
    path, labels = "/apis/apps/v1/namespaces/default/replicasets", {"a": "stale-scale"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    assert plane.request("POST", path, {"metadata": {"name": "stale"}, "spec": spec})[0] == 201
    stale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "stale", "resourceVersion": "1"}}
    try:
        for method, media in (("PUT", "application/json"), ("PATCH", "application/merge-patch+json")):
            status, answer = plane.request(method, f"{path}/stale/scale", stale, Content_Type=media)
            assert (status, answer["details"]) == (409, {"name": "stale", "group": "apps", "kind": "replicasets"})
            assert answer["message"].startswith('Operation cannot be fulfilled on replicasets.apps "stale": ')
    finally:
        plane.request("DELETE", f"{path}/stale")
