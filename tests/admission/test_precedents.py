"""What was made of earlier pods is not recalled once anything has changed that admission looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.admission.webhook import Answer, Webhook, patching
from tests.plane import Plane

Register = Callable[..., Any]
MERGE = {"Content_Type": "application/merge-patch+json"}
CLASSES, PRIORITIES = "/apis/node.k8s.io/v1/runtimeclasses", "/apis/scheduling.k8s.io/v1/priorityclasses"


class Pods:
    """Creates pods of one template, so many at first that the next one is recalled."""

    def __init__(self, plane: Plane, namespace: str, **spec: Any) -> None:
        self.plane, self.path, self.spec = plane, f"/api/v1/namespaces/{namespace}/pods", spec
        self.count = 0
        for _ in range(3):
            assert self.create()[0] == 201

    def create(self) -> tuple[int, Any]:
        self.count += 1
        spec = {"containers": [{"name": "c", "image": "i"}], **self.spec}
        body = {"metadata": {"name": f"p{self.count}"}, "spec": spec}
        return self.plane.request("POST", self.path, body)  # type: ignore[no-any-return]

    def made(self) -> Any:
        status, answer = self.create()
        assert status == 201, answer
        return answer


def selected(namespace: str) -> dict[str, Any]:
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    return {"rules": rule, "selector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


def labelled(labels: dict[str, str]) -> Answer:
    return patching({"op": "add", "path": "/metadata/labels", "value": labels})


def test_a_limit_range_that_comes_changes_and_goes(plane: Plane, namespace: str) -> None:
    pods, path = Pods(plane, namespace), f"/api/v1/namespaces/{namespace}/limitranges"
    for cpu in ("1", "2"):
        limits = [{"type": "Container", "default": {"cpu": cpu}}]
        body = {"metadata": {"name": "l"}, "spec": {"limits": limits}}
        assert plane.request(*(("POST", path) if cpu == "1" else ("PUT", f"{path}/l")), body)[0] in (200, 201)
        for _ in range(3):
            assert pods.made()["spec"]["containers"][0]["resources"]["limits"] == {"cpu": cpu}
    plane.request("DELETE", f"{path}/l")
    assert "limits" not in pods.made()["spec"]["containers"][0]["resources"]


def test_a_default_priority_class(plane: Plane, namespace: str, register: Register) -> None:
    pods = Pods(plane, namespace)
    assert pods.made()["spec"]["priority"] == 0
    register(PRIORITIES, {"metadata": {"name": namespace}, "value": 7, "globalDefault": True})
    assert [pods.made()["spec"]["priority"] for _ in range(3)] == [7] * 3
    plane.request("DELETE", f"{PRIORITIES}/{namespace}")
    assert pods.made()["spec"]["priority"] == 0


def test_a_runtime_class(plane: Plane, namespace: str, register: Register) -> None:
    body: dict[str, Any] = {"metadata": {"name": namespace}, "handler": "h"}
    register(CLASSES, body)
    pods = Pods(plane, namespace, runtimeClassName=namespace)
    plane.request("DELETE", f"{CLASSES}/{namespace}")
    assert pods.create()[0] == 403
    register(CLASSES, {**body, "overhead": {"podFixed": {"cpu": "10m"}}})
    assert [pods.made()["spec"]["overhead"] for _ in range(3)] == [{"cpu": "10m"}] * 3


def test_a_namespace_with_another_level(plane: Plane, namespace: str) -> None:
    pods = Pods(plane, namespace)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    path = f"/api/v1/namespaces/{namespace}"
    assert plane.request("PATCH", path, {"metadata": {"labels": labels}}, **MERGE)[0] == 200
    assert pods.create()[0] == 403
    assert plane.request("PATCH", path, {"metadata": {"labels": dict.fromkeys(labels)}}, **MERGE)[0] == 200
    assert pods.create()[0] == 201


def test_a_namespace_that_is_being_deleted(plane: Plane, namespace: str) -> None:
    pods = Pods(plane, namespace)
    assert plane.request("DELETE", f"/api/v1/namespaces/{namespace}")[0] == 200
    status, answer = pods.create()
    assert (status, answer["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")


def test_a_quota(plane: Plane, namespace: str) -> None:
    pods, path = Pods(plane, namespace), f"/api/v1/namespaces/{namespace}/resourcequotas"
    assert plane.request("POST", path, {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "6"}}})[0] == 201
    assert [pods.create()[0] for _ in range(4)] == [201, 201, 201, 403]
    assert plane.get(f"{path}/q")["status"]["used"] == {"pods": "6"}
    plane.request("DELETE", f"{path}/q")
    assert pods.create()[0] == 201


@pytest.mark.parametrize("kind", ["mutating", "validating"])
def test_a_webhook(plane: Plane, namespace: str, webhook: Webhook, register: Register, kind: str) -> None:
    pods, about = Pods(plane, namespace), selected(namespace)
    hook = {
        "name": "h.example.com",
        "clientConfig": webhook.config("/"),
        "rules": [about["rules"]],
        "namespaceSelector": about["selector"],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
    }
    register(f"{kind}webhookconfigurations", {"metadata": {"name": namespace}, "webhooks": [hook]})
    if kind == "mutating":
        webhook.answer = lambda request: labelled({"n": request["name"]})(request)
    made = [pods.made()["metadata"] for _ in range(4)]
    assert [request["name"] for request in webhook.requests] == [metadata["name"] for metadata in made]
    if kind == "mutating":
        assert [metadata["labels"] for metadata in made] == [{"n": metadata["name"]} for metadata in made]
    plane.request("DELETE", f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations/{namespace}")
    assert "labels" not in pods.made()["metadata"]
    assert len(webhook.requests) == 4


def test_a_validating_policy(plane: Plane, namespace: str, register: Register) -> None:
    pods, about = Pods(plane, namespace), selected(namespace)
    spec = {
        "matchConstraints": {"resourceRules": [about["rules"]], "namespaceSelector": about["selector"]},
        "validations": [{"expression": "!object.metadata.name.endsWith('6')"}],
    }
    register("validatingadmissionpolicies", {"metadata": {"name": namespace}, "spec": spec})
    bound = {"policyName": namespace, "validationActions": ["Deny"]}
    register("validatingadmissionpolicybindings", {"metadata": {"name": namespace}, "spec": bound})
    assert [pods.create()[0] for _ in range(4)] == [201, 201, 422, 201]


def test_a_mutating_policy(plane: Plane, namespace: str, register: Register) -> None:
    pods, about = Pods(plane, namespace), selected(namespace)
    expression = "Object{metadata: Object.metadata{labels: {'n': object.metadata.name}}}"
    spec = {
        "matchConstraints": {"resourceRules": [about["rules"]], "namespaceSelector": about["selector"]},
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        "reinvocationPolicy": "Never",
    }
    register("mutatingadmissionpolicies", {"metadata": {"name": namespace}, "spec": spec})
    register("mutatingadmissionpolicybindings", {"metadata": {"name": namespace}, "spec": {"policyName": namespace}})
    assert [pods.made()["metadata"]["labels"] for _ in range(4)] == [{"n": f"p{number}"} for number in range(4, 8)]


def test_names_that_are_taken(plane: Plane, namespace: str) -> None:
    pods = Pods(plane, namespace)
    pods.count = 0
    status, answer = pods.create()
    assert (status, answer["reason"], answer["message"]) == (409, "AlreadyExists", 'pods "p1" already exists')
