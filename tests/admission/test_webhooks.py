"""Admission webhooks: what they are asked, what they may change, what becomes of their answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.admission.webhook import SERVICE_NAME, Webhook, patching
from tests.plane import Plane

Register = Callable[..., Any]
MUTATING, VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"
MERGE = {"Content_Type": "application/merge-patch+json"}


def hook(config: dict[str, Any], namespace: str, *, name: str = "h.example.com", **more: Any) -> dict[str, Any]:
    rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    return {
        "name": name,
        "clientConfig": config,
        "rules": [rule],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        **more,
    }


def configuration(namespace: str, *hooks: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": namespace}, "webhooks": list(hooks)}


def config_map(name: str = "a", **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"k": "v"}, **more}


def create(plane: Plane, namespace: str, body: dict[str, Any] | None = None, query: str = "") -> tuple[int, Any]:
    return plane.request("POST", f"/api/v1/namespaces/{namespace}/configmaps{query}", body or config_map())


def test_what_a_webhook_is_asked(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    made = register(VALIDATING, configuration(namespace, hook(webhook.config("/check"), namespace)))
    shown = made["webhooks"][0]
    assert (shown["failurePolicy"], shown["matchPolicy"], shown["timeoutSeconds"]) == ("Fail", "Equivalent", 10)
    assert shown["rules"][0]["scope"] == "*"
    assert create(plane, namespace, query="?fieldManager=me")[0] == 201
    path = f"/api/v1/namespaces/{namespace}/configmaps/a"
    assert plane.request("PATCH", path, {"data": {"k": "w"}}, **MERGE)[0] == 200
    assert plane.request("DELETE", path)[0] == 200
    assert webhook.paths == ["/check?timeout=10s"] * 3
    assert [review["kind"] for review in webhook.reviews] == ["AdmissionReview"] * 3
    created, updated, deleted = webhook.requests
    assert created["kind"] == created["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert created["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (created["name"], created["namespace"], created["operation"]) == ("a", namespace, "CREATE")
    assert created["userInfo"]["username"] == "kubernetes-admin"
    assert "system:masters" in created["userInfo"]["groups"]
    options = {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"}
    assert (created["options"], created["dryRun"], created["oldObject"]) == (options, False, None)
    assert created["object"]["data"] == {"k": "v"}
    assert created["object"]["metadata"]["uid"]
    assert (updated["operation"], updated["options"]["kind"]) == ("UPDATE", "PatchOptions")
    assert (updated["oldObject"]["data"], updated["object"]["data"]) == ({"k": "v"}, {"k": "w"})
    assert (deleted["operation"], deleted["object"], deleted["oldObject"]["data"]) == ("DELETE", None, {"k": "w"})


def test_a_denial_and_its_status(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    register(VALIDATING, configuration(namespace, hook(webhook.config(), namespace)))
    webhook.answer = lambda request: {"allowed": False, "status": {"message": "no such luck", "code": 403}}
    status, answer = create(plane, namespace)
    assert (status, answer["message"]) == (403, 'admission webhook "h.example.com" denied the request: no such luck')
    webhook.answer = lambda request: {"allowed": False}
    status, answer = create(plane, namespace)
    assert (status, answer["message"]) == (
        400,
        'admission webhook "h.example.com" denied the request without explanation',
    )
    webhook.answer = lambda request: {"allowed": False, "status": {"reason": "Conflict", "code": 409}}
    status, answer = create(plane, namespace)
    assert (status, answer["reason"]) == (409, "Conflict")
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/a")[0] == 404


def test_a_mutation_is_defaulted_and_seen_by_validators(
    plane: Plane, namespace: str, webhook: Webhook, register: Register
) -> None:
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["services"]}
    added = {"op": "add", "path": "/spec/ports/-", "value": {"name": "more", "port": 81}}
    webhook.answer = patching(added, {"op": "add", "path": "/metadata/labels", "value": {"by": "hook"}})
    register(MUTATING, configuration(namespace, hook(webhook.config(), namespace, rules=[rule])))
    body = {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    status, answer = plane.request("POST", f"/api/v1/namespaces/{namespace}/services", body)
    assert status == 201, answer
    assert answer["metadata"]["labels"] == {"by": "hook"}
    assert answer["spec"]["ports"][1] == {"name": "more", "port": 81, "protocol": "TCP", "targetPort": 81}
    assert "clusterIP" not in webhook.requests[0]["object"]["spec"]


def test_webhooks_are_asked_again_when_a_later_one_changes_the_object(
    plane: Plane, namespace: str, webhook: Webhook, register: Register
) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        first = webhook.paths[-1].startswith("/first")
        operation = {"op": "add", "path": "/data/first" if first else "/data/second", "value": "x"}
        return patching(operation)(request)

    webhook.answer = answer
    first = hook(webhook.config("/first"), namespace, name="first.example.com", reinvocationPolicy="IfNeeded")
    second = hook(webhook.config("/second"), namespace, name="second.example.com")
    register(MUTATING, configuration(namespace, first, second))
    status, made = create(plane, namespace)
    assert (status, made["data"]) == (201, {"k": "v", "first": "x", "second": "x"})
    assert [path.partition("?")[0] for path in webhook.paths] == ["/first", "/second", "/first"]
    assert webhook.requests[2]["object"]["data"]["second"] == "x"


def test_what_cannot_be_called(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    nowhere = {"url": "https://127.0.0.1:1/x", "caBundle": webhook.bundle}
    register(VALIDATING, configuration(namespace, hook(nowhere, namespace)))
    status, answer = create(plane, namespace)
    assert status == 500
    assert answer["reason"] == "InternalError"
    assert answer["message"].startswith(
        'Internal error occurred: failed calling webhook "h.example.com": failed to call webhook: '
        'Post "https://127.0.0.1:1/x?timeout=10s": '
    )
    path = f"/apis/admissionregistration.k8s.io/v1/{VALIDATING}/{namespace}"
    ignoring = {"webhooks": [hook(nowhere, namespace, failurePolicy="Ignore")]}
    assert plane.request("PATCH", path, ignoring, **MERGE)[0] == 200
    assert create(plane, namespace)[0] == 201


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ((500, b"broken"), 'an error on the server ("broken") has prevented the request from succeeding'),
        ((404, b""), "the server could not find the requested resource"),
        ((200, b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}'), "webhook response was absent"),
    ],
)
def test_answers_that_are_none(
    plane: Plane, namespace: str, webhook: Webhook, register: Register, raw: tuple[int, bytes], why: str
) -> None:
    register(VALIDATING, configuration(namespace, hook(webhook.config(), namespace)))
    webhook.raw = raw
    status, answer = create(plane, namespace)
    assert (status, answer["message"].endswith(why)) == (500, True), answer["message"]


def test_a_certificate_of_somebody_else(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    config = {"url": webhook.config()["url"]}
    register(VALIDATING, configuration(namespace, hook(config, namespace)))
    status, answer = create(plane, namespace)
    assert status == 500
    assert answer["message"].endswith(
        "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    )
    assert webhook.reviews == []


def test_selectors_and_conditions(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    chosen = hook(
        webhook.config(),
        namespace,
        objectSelector={"matchLabels": {"check": "me"}},
        matchConditions=[
            {"name": "not-quiet", "expression": "!('quiet' in object.data)"},
            {"name": "creates", "expression": "request.operation == 'CREATE' && oldObject == null"},
            {"name": "may", "expression": "authorizer.group('').resource('secrets').check('create').allowed()"},
        ],
    )
    register(VALIDATING, configuration(namespace, chosen))
    labels = {"check": "me"}
    assert create(plane, namespace, config_map("plain"))[0] == 201
    assert create(plane, namespace, {"metadata": {"name": "q", "labels": labels}, "data": {"quiet": "1"}})[0] == 201
    assert webhook.reviews == []
    assert create(plane, namespace, {"metadata": {"name": "asked", "labels": labels}, "data": {"a": "b"}})[0] == 201
    assert [request["name"] for request in webhook.requests] == ["asked"]
    status, answer = create(plane, namespace, {"metadata": {"name": "broken", "labels": labels}})
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert "resulted in error: no such key: data" in answer["message"]


def test_subresources_and_views(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    rule = {"operations": ["*"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments/*"]}
    register(VALIDATING, configuration(namespace, hook(webhook.config(), namespace, rules=[rule])))
    container = {"name": "c", "image": "web"}
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    body = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    root = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert plane.request("POST", root, body)[0] == 201
    assert plane.request("PATCH", f"{root}/web/scale", {"spec": {"replicas": 3}}, **MERGE)[0] == 200
    (whole, request) = webhook.requests
    assert "subResource" not in whole
    assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert (request["subResource"], request["object"]["spec"]) == ("scale", {"replicas": 3})


def test_other_versions_of_the_same_objects(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    rule = {
        "operations": ["CREATE"],
        "apiGroups": ["autoscaling"],
        "apiVersions": ["v1"],
        "resources": ["horizontalpodautoscalers"],
    }
    register(VALIDATING, configuration(namespace, hook(webhook.config(), namespace, rules=[rule])))
    spec = {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}}
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    assert plane.request("POST", path, {"metadata": {"name": "a"}, "spec": spec})[0] == 201
    (request,) = webhook.requests
    assert request["kind"]["version"] == request["object"]["apiVersion"].rpartition("/")[2] == "v1"
    assert request["requestKind"]["version"] == "v2"


def test_calls_are_admitted_as_such(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/binding"]}
    register(VALIDATING, configuration(namespace, hook(webhook.config(), namespace, rules=[rule])))
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "web"}]}}
    assert plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)[0] == 201
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    assert plane.request("POST", f"/api/v1/namespaces/{namespace}/pods/p/binding", binding)[0] == 201
    (request,) = webhook.requests
    assert (request["operation"], request["kind"]["kind"], request["name"]) == ("CREATE", "Binding", "p")
    assert request["object"]["target"]["name"] == "n"


def test_dry_run_and_warnings(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    register(VALIDATING, configuration(namespace, hook(webhook.config(), namespace)))
    webhook.answer = lambda request: {"allowed": True, "warnings": ["mind the gap"]}
    assert create(plane, namespace, query="?dryRun=All")[0] == 201
    assert (webhook.requests[0]["dryRun"], webhook.requests[0]["options"]["dryRun"]) == (True, ["All"])
    shown = plane.kubectl("create configmap b", namespace=namespace)
    assert shown.stderr == "Warning: mind the gap\n"


def test_through_a_service(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    config = {
        "service": {"namespace": "default", "name": "hook", "path": "/x", "port": 443},
        "caBundle": webhook.bundle,
    }
    register(VALIDATING, configuration(namespace, hook(config, namespace)))
    prefix = f'failed to call webhook: Post "https://{SERVICE_NAME}:443/x?timeout=10s": '
    assert create(plane, namespace)[1]["message"].endswith(prefix + 'service "hook" not found')
    service = {"metadata": {"name": "hook"}, "spec": {"ports": [{"port": 443, "targetPort": webhook.port}]}}
    register("/api/v1/namespaces/default/services", service)
    assert create(plane, namespace)[1]["message"].endswith(prefix + 'no endpoints available for service "hook"')
    part = {
        "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.255.0.1"]}],
        "ports": [{"name": "", "port": webhook.port}],
    }
    part["endpoints"] = [{"addresses": ["10.255.0.1"], "conditions": {"ready": False}}]
    register("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", part)
    assert create(plane, namespace)[1]["message"].endswith(prefix + 'no endpoints available for service "hook"')


def test_a_slow_webhook_holds_up_its_own_request_only(
    plane: Plane, namespace: str, webhook: Webhook, register: Register
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        go_on.wait(30)
        return {"allowed": True}

    webhook.answer = answer
    register(VALIDATING, configuration(namespace, hook(webhook.config(), namespace, timeoutSeconds=30)))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(create, plane, namespace)
        assert asked.wait(30)
        assert plane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "s"}})[0] == 201
        assert not slow.done()
        go_on.set()
        assert slow.result()[0] == 201


def test_a_webhook_that_takes_too_long(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    over = threading.Event()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        over.wait(30)
        return {"allowed": True}

    webhook.answer = answer
    register(VALIDATING, configuration(namespace, hook(webhook.config(), namespace, timeoutSeconds=1)))
    status, found = create(plane, namespace)
    over.set()
    why = f'Post "{webhook.config()["url"]}?timeout=1s": context deadline exceeded'
    text = f'Internal error occurred: failed calling webhook "h.example.com": failed to call webhook: {why}'
    assert (status, found["message"]) == (500, text)


def own_address() -> str:
    """An address of this machine that is none of the loopback interface; "" where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return ""
        found = str(probe.getsockname()[0])
    return "" if found.startswith("127.") else found


@pytest.mark.skipif(not own_address(), reason="endpoints may not be loopback addresses, and this machine has no other")
def test_a_service_with_endpoints(plane: Plane, namespace: str, webhook: Webhook, register: Register) -> None:
    config = {"service": {"namespace": "default", "name": "hook", "path": "/x"}, "caBundle": webhook.bundle}
    register("/api/v1/namespaces/default/services", {"metadata": {"name": "hook"}, "spec": {"ports": [{"port": 443}]}})
    part = {
        "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [own_address()]}],
        "ports": [{"name": "", "port": webhook.port}],
    }
    register("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", part)
    register(VALIDATING, configuration(namespace, hook(config, namespace)))
    status, answer = create(plane, namespace)
    assert status == 201, answer["message"]
    assert webhook.paths == ["/x?timeout=10s"]


def test_registrations_that_make_no_sense(plane: Plane) -> None:
    bad = {
        "name": "short",
        "clientConfig": {"url": "http://a/b?c"},
        "rules": [
            {"operations": ["*", "CREATE"], "apiGroups": [], "apiVersions": ["v1"], "resources": ["*/*", "pods"]}
        ],
        "admissionReviewVersions": ["v9"],
        "timeoutSeconds": 31,
        "matchConditions": [{"name": "a", "expression": "object.x =="}],
    }
    path = f"/apis/admissionregistration.k8s.io/v1/{VALIDATING}"
    status, answer = plane.request("POST", path, {"metadata": {"name": "bad"}, "webhooks": [bad]})
    assert status == 422
    causes = [(cause["field"].removeprefix("webhooks[0]."), cause["message"]) for cause in answer["details"]["causes"]]
    texts = dict(causes)
    assert texts["name"] == (
        'Invalid value: "short": should be a domain with at least three segments separated by dots'
    )
    assert texts["rules[0].apiGroups"] == "Required value"
    assert texts["rules[0].operations"].endswith("if '*' is present, must not specify other operations")
    assert texts["rules[0].resources"].endswith("if '*/*' is present, must not specify other resources")
    assert texts["sideEffects"] == "Required value: must specify one of None, NoneOnDryRun"
    assert texts["timeoutSeconds"] == "Invalid value: 31: the timeout value must be between 1 and 30 seconds"
    assert texts["admissionReviewVersions"] == 'Invalid value: ["v9"]: must include at least one of v1, v1beta1'
    assert texts["matchConditions[0].expression"].startswith('Invalid value: "object.x ==": compilation failed: ')
