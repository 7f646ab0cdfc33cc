"""Go clients' typed requests: protobuf bodies, answers and watches, by the real kubectl and byte by byte."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest

from apiserver.protobuf import codec
from apiserver.schema.decode import decode
from apiserver.schema.registry import Schemas
from tests.plane import Plane

PROTOBUF = "application/vnd.kubernetes.protobuf"


def ask(
    plane: Plane, method: str, path: str, body: bytes | None = None, accept: str = PROTOBUF
) -> tuple[int, str, bytes]:
    """(status, content type, body) of a request in protobuf."""
    request = urllib.request.Request(plane.url + path, body, method=method)
    for name, value in (("Authorization", f"Bearer {plane.token}"), ("Accept", accept), ("Content-Type", PROTOBUF)):
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, context=plane.tls, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("create configmap c --from-literal=a=b", "configmap/c created"),
        ("create secret generic s --from-literal=a=b", "secret/s created"),
        ("create serviceaccount bob", "serviceaccount/bob created"),
        ("create role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r created"),
        ("create rolebinding b --role=r --user=u", "rolebinding.rbac.authorization.k8s.io/b created"),
        ("create deployment d --image=nginx --replicas=2 --port=80", "deployment.apps/d created"),
        ("create job j --image=nginx", "job.batch/j created"),
        ("create cronjob j --image=nginx --schedule=@daily", "cronjob.batch/j created"),
        ("create service nodeport n --tcp=80:8080", "service/n created"),
        ("create ingress i --rule=example.com/a=n:80", "ingress.networking.k8s.io/i created"),
        ("create poddisruptionbudget p --selector=a=b --min-available=50%", "poddisruptionbudget.policy/p created"),
        ("create quota q --hard=cpu=1,pods=2", "resourcequota/q created"),
        ("autoscale deployment nosuch --max=3", 'deployments.apps "nosuch" not found'),
        ("auth can-i create pods", "yes"),
        ("auth whoami", "system:masters"),
    ],
)
def test_kubectl_generators(plane: Plane, namespace: str, words: str, said: str) -> None:
    done = plane.kubectl(words, namespace=namespace, check=False)
    assert said in done.stdout + done.stderr


def test_what_kubectl_sent_in_protobuf_reads_as_json(plane: Plane, namespace: str) -> None:
    plane.kubectl("create deployment d --image=nginx --replicas=3 --port=80", namespace=namespace)
    found = plane.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/d")
    assert found["spec"]["replicas"] == 3
    assert found["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert found["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": "25%", "maxSurge": "25%"}


def test_kubectl_watches_in_protobuf(plane: Plane, namespace: str) -> None:
    """`run --attach` waits with a typed informer: it has understood our frames when it says that its cache is full."""
    done = plane.kubectl("run p --image=nginx --attach --pod-running-timeout=1s -v=8", namespace=namespace, check=False)
    assert f"Content-Type: {PROTOBUF};stream=watch" in done.stderr
    assert "Caches populated" in done.stderr


def test_objects_there_and_back(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "AP8="}, "type": "x/y"}
    status, media, body = ask(plane, "POST", path, codec.encode(secret))
    assert (status, media) == (201, PROTOBUF)
    created = codec.decode(body)
    assert created["data"] == {"k": "AP8="}
    assert created["metadata"]["uid"] == plane.get(f"{path}/s")["metadata"]["uid"]
    listed = codec.decode(ask(plane, "GET", path)[2])
    assert listed["kind"] == "SecretList"
    assert [item["metadata"]["name"] for item in listed["items"]] == ["s"]


def test_delete_options_are_obeyed(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    plane.request("POST", path, {"metadata": {"name": "c"}})
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "other"}}
    status, media, body = ask(plane, "DELETE", f"{path}/c", codec.encode(options))
    assert (status, media, codec.decode(body)["reason"]) == (409, PROTOBUF, "Conflict")
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]}
    assert ask(plane, "DELETE", f"{path}/c", codec.encode(options))[0] == 200
    assert plane.get(f"{path}/c")["metadata"]["name"] == "c"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"k8s\x00", b"k8s\x00\xff", b"k8s\x00\n\x06\n\x04evil", b"k8s\x00\x12\x02\x0a\x09"]
)
def test_bodies_that_are_no_objects(plane: Plane, namespace: str, body: bytes) -> None:
    status, _, answer = ask(plane, "POST", f"/api/v1/namespaces/{namespace}/configmaps", body, "application/json")
    assert status in (400, 422), answer


def test_a_table_has_no_protobuf_form(plane: Plane) -> None:
    accept = f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1"
    status, _, body = ask(plane, "GET", "/api/v1/namespaces", accept=accept)
    assert (status, codec.decode(body)["reason"]) == (406, "NotAcceptable")


def test_protobuf_says_what_json_says(plane: Plane, namespace: str) -> None:
    """Everything that a server holds at birth, and a workload with most of a pod's fields."""
    plane.kubectl("create deployment d --image=nginx --port=80", namespace=namespace)
    plane.kubectl("create cronjob c --image=nginx --schedule=@daily", namespace=namespace)
    plane.kubectl("create ingress i --rule=example.com/a*=n:80,tls=t", namespace=namespace)
    known = {namespace, "default", "kube-system", "kube-public", "kube-node-lease"}  # not those of other tests
    schemas, compared = Schemas.for_minor(36), 0
    for path in sorted(_listable(plane)):
        expected = plane.get(path)
        answered = codec.decode(ask(plane, "GET", path)[2])
        assert answered["kind"] == expected["kind"]
        group, _, version = expected["apiVersion"].rpartition("/")
        schema = schemas.type(group, version, expected["kind"].removesuffix("List"))
        assert schema is not None
        pairs = zip(expected["items"], answered.get("items") or [], strict=True)
        for shown, sent in (pair for pair in pairs if pair[0]["metadata"].get("namespace", namespace) in known):
            compared += 1
            assert decode(_identified(sent, expected), schema) == decode(_identified(shown, expected), schema), path
    assert compared > 20


def _listable(plane: Plane) -> set[str]:
    roots = [f"/apis/{v['groupVersion']}" for g in plane.get("/apis")["groups"] for v in g["versions"]]
    found = {
        f"{root}/{resource['name']}"
        for root in ["/api/v1", *roots]
        for resource in plane.get(root)["resources"]
        if "list" in resource["verbs"]
    }
    return found - {"/api/v1/events", "/api/v1/componentstatuses"}


def _identified(item: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": found["apiVersion"], "kind": found["kind"].removesuffix("List"), **item}
