"""What client-go, controller-runtime, kube-proxy, CoreDNS, helm and the e2e suite send, replayed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from apiserver.protobuf import codec
from apiserver.protobuf.wire import read_length, read_tag
from tests.plane import Plane

PROTOBUF = "application/vnd.kubernetes.protobuf"
TYPED = f"{PROTOBUF},application/json"
METADATA = ",".join(f"{media};as=PartialObjectMetadata;g=meta.k8s.io;v=v1" for media in (PROTOBUF, "application/json"))
METADATA_LIST = METADATA.replace("PartialObjectMetadata;", "PartialObjectMetadataList;")
WATCH_LIST = (
    "allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&timeoutSeconds=437&watch=true"
)
"""The first request of an informer of client-go 1.35."""


@pytest.fixture
def http(plane: Plane) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {plane.token}", "User-Agent": "kube-proxy/v1.36.2 (linux/amd64) kubernetes/x"}
    with httpx.Client(base_url=plane.url, verify=plane.tls, headers=headers, timeout=30) as client:
        yield client


def post(http: httpx.Client, path: str, body: dict[str, Any], accept: str = TYPED) -> httpx.Response:
    """A typed client's create."""
    return http.post(path, content=codec.encode(body), headers={"Content-Type": PROTOBUF, "Accept": accept})


@contextmanager
def watching(http: httpx.Client, path: str, accept: str = "application/json") -> Iterator[Iterator[Any]]:
    """The events of a watch: decoded JSON lines."""
    with http.stream("GET", path, headers={"Accept": accept}) as answer:
        assert answer.status_code == 200, answer.read()
        yield map(json.loads, answer.iter_lines())


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


def test_an_informer_starts_with_a_watch_list(http: httpx.Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("a", "b"):
        assert post(http, path, config_map(name)).status_code == 201
    with watching(http, f"{path}?{WATCH_LIST}") as events:
        first = [next(events) for _ in range(3)]
        assert post(http, path, config_map("c")).status_code == 201
        later = next(events)
    assert [(e["type"], e["object"]["metadata"].get("name")) for e in first[:2]] == [("ADDED", "a"), ("ADDED", "b")]
    end = first[2]
    assert (end["type"], end["object"]["kind"], end["object"]["apiVersion"]) == ("BOOKMARK", "ConfigMap", "v1")
    assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(end["object"]["metadata"]["resourceVersion"]) >= int(first[1]["object"]["metadata"]["resourceVersion"])
    assert (later["type"], later["object"]["metadata"]["name"]) == ("ADDED", "c")


def test_an_informer_resumes_a_watch_list(http: httpx.Client, namespace: str) -> None:
    """After a restart of the stream the last version is sent along: everything comes again, then the bookmark."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    version = codec.decode(post(http, path, config_map("a")).content)["metadata"]["resourceVersion"]
    with watching(http, f"{path}?{WATCH_LIST}&resourceVersion={version}") as events:
        kinds = [next(events)["type"], next(events)["type"]]
    assert kinds == ["ADDED", "BOOKMARK"]


def test_an_older_informer_lists_and_watches(http: httpx.Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    post(http, path, config_map("a"))
    listed = http.get(f"{path}?limit=500&resourceVersion=0", headers={"Accept": TYPED})
    assert listed.headers["content-type"] == PROTOBUF
    found = codec.decode(listed.content)
    assert [item["metadata"]["name"] for item in found["items"]] == ["a"]
    version = found["metadata"]["resourceVersion"]
    query = f"allowWatchBookmarks=true&resourceVersion={version}&timeout=7m37s&timeoutSeconds=457&watch=true"
    with watching(http, f"{path}?{query}") as events:
        http.delete(f"{path}/a")
        assert next(events)["type"] == "DELETED"


def fields(message: bytes) -> dict[int, bytes]:
    """The length-delimited fields of a message, by number."""
    found, pos = {}, 0
    while pos < len(message):
        number, _, pos = read_tag(message, pos, len(message), "test")
        start, pos = read_length(message, pos, len(message))
        found[number] = message[start:pos]
    return found


def frames(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    """The events of a protobuf watch: 4 bytes of length, then a WatchEvent around the object in its envelope."""
    buffer = b""
    for chunk in answer.iter_bytes():
        buffer += chunk
        while len(buffer) >= 4 and len(buffer) >= 4 + int.from_bytes(buffer[:4]):
            size = int.from_bytes(buffer[:4])
            event = fields(buffer[4 : 4 + size])  # 1: type, 2: RawExtension
            yield event[1].decode(), codec.decode(fields(event[2])[1])
            buffer = buffer[4 + size :]


def test_coredns_watches_in_protobuf(http: httpx.Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    accept = f"{PROTOBUF}, */*"
    with http.stream("GET", f"{path}?{WATCH_LIST}", headers={"Accept": accept}) as answer:
        assert answer.headers["content-type"] == f"{PROTOBUF};stream=watch"
        events = frames(answer)
        kind, mark = next(events)
        assert (kind, mark["kind"]) == ("BOOKMARK", "Service")
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s"},
            "spec": {"ports": [{"port": 53, "protocol": "UDP"}]},
        }
        made = codec.decode(post(http, path, body, accept).content)
        kind, seen = next(events)
    assert (kind, seen) == ("ADDED", made)


def test_kube_proxy_leaves_out_headless_services(http: httpx.Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    for name, address in (("plain", ""), ("headless", "None")):
        spec = {"ports": [{"port": 80}], **({"clusterIP": address} if address else {})}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        assert post(http, path, body).status_code == 201
    selected = "labelSelector=%21service.kubernetes.io%2Fservice-proxy-name&fieldSelector=spec.clusterIP%21%3DNone"
    with watching(http, f"{path}?{WATCH_LIST}&{selected}") as events:
        first, mark = next(events), next(events)
    assert (first["object"]["metadata"]["name"], mark["type"]) == ("plain", "BOOKMARK")


def test_metadata_informers_see_metadata_alone(http: httpx.Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    post(http, path, {**config_map("a", x="y"), "data": {"k": "v"}})
    listed = codec.decode(http.get(path, headers={"Accept": METADATA_LIST}).content)
    assert (listed["kind"], listed["items"][0]["metadata"]["labels"]) == ("PartialObjectMetadataList", {"x": "y"})
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    with watching(http, f"{path}?{WATCH_LIST}", accept) as events:
        first, mark = next(events), next(events)
    assert first["object"]["kind"] == mark["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in first["object"]


def test_leader_election(http: httpx.Client, namespace: str) -> None:
    """Two candidates renew from the same version: one has lost."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "leader"},
        "spec": {
            "holderIdentity": "a",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-01-02T03:04:05.000006Z",
            "renewTime": "2026-01-02T03:04:05.000006Z",
        },
    }
    made = codec.decode(post(http, path, lease).content)
    assert made["spec"] == lease["spec"]
    assert post(http, path, lease).status_code == 409
    headers = {"Content-Type": PROTOBUF, "Accept": TYPED}
    answers = []
    for holder in ("a", "b"):
        wanted = {**made, "spec": {**made["spec"], "holderIdentity": holder}, "metadata": dict(made["metadata"])}
        wanted["spec"]["renewTime"] = "2026-01-02T03:04:07.000000Z"
        answers.append(http.put(f"{path}/leader", content=codec.encode(wanted), headers=headers))
    assert [answer.status_code for answer in answers] == [200, 409]
    assert codec.decode(answers[1].content)["reason"] == "Conflict"


def test_controller_runtime_applies(http: httpx.Client, namespace: str) -> None:
    """Server-side apply of typed apply configurations: JSON, sorted, with `force` spelled as Go spells it."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/applied"
    headers = {"Content-Type": "application/apply-patch+yaml", "Accept": TYPED}
    body = {"apiVersion": "v1", "data": {"k": "v"}, "kind": "ConfigMap", "metadata": {"name": "applied"}}

    def apply(**data: str) -> tuple[int, Any]:
        content = json.dumps({**body, "data": data}).encode()
        answer = http.patch(f"{path}?fieldManager=my-controller&force=true", content=content, headers=headers)
        return answer.status_code, codec.decode(answer.content)

    status, made = apply(k="v")
    assert (status, made["data"]) == (201, {"k": "v"})
    status, again = apply(k="v")
    assert (status, again["metadata"]["resourceVersion"]) == (200, made["metadata"]["resourceVersion"])
    status, changed = apply(j="w")
    assert (status, changed["data"]) == (200, {"j": "w"})
    (owner,) = changed["metadata"]["managedFields"]
    assert (owner["manager"], owner["operation"]) == ("my-controller", "Apply")


def test_controller_runtime_patches_status(http: httpx.Client, namespace: str) -> None:
    """client.MergeFrom with optimistic lock: the version in the patch decides."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    path = f"/api/v1/namespaces/{namespace}/pods"
    made = codec.decode(post(http, path, pod).content)
    version = made["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version}, "status": {"phase": "Running"}}
    headers = {"Content-Type": "application/merge-patch+json", "Accept": TYPED}
    answers = [http.patch(f"{path}/p/status", content=json.dumps(patch), headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert codec.decode(answers[0].content)["status"]["phase"] == "Running"


def test_helm_keeps_releases_in_secrets(http: httpx.Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    for number in (1, 2):
        labels = {"owner": "helm", "name": "web", "version": str(number), "status": "deployed"}
        metadata = {"name": f"sh.helm.release.v1.web.v{number}", "labels": labels}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "helm.sh/release.v1",
            "data": {"release": "SDRz"},
        }
        assert post(http, path, body).status_code == 201
    selector = "labelSelector=name%3Dweb%2Cowner%3Dhelm%2Cstatus%3Ddeployed"
    found = codec.decode(http.get(f"{path}?{selector}", headers={"Accept": f"{PROTOBUF},application/json"}).content)
    assert [item["metadata"]["labels"]["version"] for item in found["items"]] == ["1", "2"]


def test_events_of_go_clients(http: httpx.Client, namespace: str) -> None:
    path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "node.17", "namespace": namespace},
        "eventTime": "2026-01-02T03:04:05.000006Z",
        "reportingController": "kube-proxy",
        "reportingInstance": "kube-proxy-node",
        "action": "StartKubeProxy",
        "reason": "Starting",
        "regarding": {"kind": "ConfigMap", "name": "m", "namespace": namespace},
        "type": "Normal",
    }
    assert post(http, path, event).status_code == 201
    found = http.get(f"/api/v1/namespaces/{namespace}/events/node.17").json()
    assert (found["involvedObject"]["name"], found["reportingComponent"]) == ("m", "kube-proxy")


def test_the_e2e_suite_waits_for_its_namespace(controlled_plane: Plane) -> None:
    plane = controlled_plane
    headers = {"Authorization": f"Bearer {plane.token}"}
    with httpx.Client(base_url=plane.url, verify=plane.tls, headers=headers, timeout=30) as http:
        labels = {"pod-security.kubernetes.io/enforce": "privileged", "e2e-framework": "x"}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "e2e-", "labels": labels}}
        made = codec.decode(post(http, "/api/v1/namespaces", body).content)
        name = made["metadata"]["name"]
        for plural, wanted in (("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt")):
            query = f"{WATCH_LIST}&fieldSelector=metadata.name%3D{wanted}"
            with watching(http, f"/api/v1/namespaces/{name}/{plural}?{query}") as events:
                assert next(e for e in events if e["type"] == "ADDED")["object"]["metadata"]["name"] == wanted
        assert http.delete(f"/api/v1/namespaces/{name}").status_code == 200
