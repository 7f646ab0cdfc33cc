"""Nodes and pods against the running plane."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from typing import Any

from miniplane.agents.kubelet.behaviour import PREFIX
from tests.plane import Plane

Object = dict[str, Any]


def create_pod(plane: Plane, namespace: str, name: str, *, spec: Object | None = None, **annotations: str) -> str:
    """The path of a new pod."""
    marked = {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
    body = {
        "metadata": {"name": name, "labels": {"app": name}, "annotations": marked},
        "spec": {"containers": [{"name": "c", "image": "nginx"}], **(spec or {})},
    }
    status, answer = plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", body)
    assert status == 201, answer
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def is_ready(pod: Object) -> bool:
    found = {c["type"]: c["status"] for c in pod["status"].get("conditions") or ()}
    return found.get("Ready") == "True"


def phase(wanted: str) -> Callable[[Object], bool]:
    return lambda pod: pod["status"]["phase"] == wanted


def test_nodes_are_ready(full_plane: Plane) -> None:
    nodes = full_plane.get("/api/v1/nodes")["items"]
    assert [node["metadata"]["name"] for node in nodes] == ["k8s-node01", "k8s-node02"]
    assert [node["spec"]["podCIDR"] for node in nodes] == ["10.244.1.0/24", "10.244.2.0/24"]
    assert all(is_ready(node) for node in nodes)
    lease = full_plane.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/k8s-node01")
    assert lease["spec"]["holderIdentity"] == "k8s-node01"


def test_pods_spread_and_run(full_plane: Plane, namespace: str) -> None:
    paths = [create_pod(full_plane, namespace, f"p{number}") for number in range(4)]
    pods = [full_plane.eventually(path, is_ready) for path in paths]
    nodes = [pod["spec"]["nodeName"] for pod in pods]
    assert sorted(nodes) == ["k8s-node01", "k8s-node01", "k8s-node02", "k8s-node02"]
    assert len({pod["status"]["podIP"] for pod in pods}) == 4
    for pod in pods:
        number = int(pod["spec"]["nodeName"][-2:])
        assert ipaddress.ip_address(pod["status"]["podIP"]) in ipaddress.ip_network(f"10.244.{number}.0/24")
        assert pod["status"]["qosClass"] == "BestEffort"
        assert {entry["manager"] for entry in pod["metadata"]["managedFields"]} >= {"kubelet"}


def test_readiness_follows_the_annotation(full_plane: Plane, namespace: str) -> None:
    path = create_pod(full_plane, namespace, "moody", ready="false")
    pod = full_plane.eventually(path, phase("Running"))
    assert not is_ready(pod)
    patch = {"metadata": {"annotations": {f"{PREFIX}ready": "true"}}}
    full_plane.request("PATCH", path, patch, Content_Type="application/merge-patch+json")
    full_plane.eventually(path, is_ready)


def test_run_to_completion(full_plane: Plane, namespace: str) -> None:
    path = create_pod(full_plane, namespace, "once", spec={"restartPolicy": "Never"}, run_time="100ms")
    pod = full_plane.eventually(path, phase("Succeeded"))
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


def test_failing(full_plane: Plane, namespace: str) -> None:
    path = create_pod(full_plane, namespace, "bad", fail="true")
    waiting = {"reason": "CrashLoopBackOff"}

    def loops(pod: Object) -> bool:
        (shown,) = pod["status"].get("containerStatuses") or ({},)
        return bool(shown) and (shown["state"].get("waiting") or {}).get("reason") == waiting["reason"]

    assert full_plane.eventually(path, loops)["status"]["phase"] == "Running"


def test_unschedulable_until_a_node_fits(full_plane: Plane, namespace: str) -> None:
    path = create_pod(full_plane, namespace, "picky", spec={"nodeSelector": {namespace: "yes"}})

    def refused(pod: Object) -> bool:
        return any(c.get("reason") == "Unschedulable" for c in pod["status"].get("conditions") or ())

    message = full_plane.eventually(path, refused)["status"]["conditions"][0]["message"]
    assert message.startswith("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.")
    full_plane.kubectl(f"label node k8s-node02 {namespace}=yes")
    assert full_plane.eventually(path, is_ready)["spec"]["nodeName"] == "k8s-node02"


def test_deletion_waits_for_the_grace(full_plane: Plane, namespace: str) -> None:
    path = create_pod(full_plane, namespace, "slow")
    full_plane.eventually(path, is_ready)
    began = time.monotonic()
    status, pod = full_plane.request("DELETE", path + "?gracePeriodSeconds=2")
    assert status == 200
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 2
    while full_plane.request("GET", path)[0] == 200:
        assert time.monotonic() - began < 10
        time.sleep(0.05)
    assert time.monotonic() - began > 0.9


def test_stop_delay_cuts_the_grace_short(full_plane: Plane, namespace: str) -> None:
    path = create_pod(full_plane, namespace, "quick", stop_delay="0s")
    full_plane.eventually(path, is_ready)
    full_plane.request("DELETE", path)
    deadline = time.monotonic() + 5
    while full_plane.request("GET", path)[0] == 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_deleted_node_registers_again(full_plane: Plane) -> None:
    uid = full_plane.get("/api/v1/nodes/k8s-node01")["metadata"]["uid"]
    full_plane.request("DELETE", "/api/v1/nodes/k8s-node01")
    full_plane.eventually("/api/v1/nodes/k8s-node01", lambda node: node["metadata"]["uid"] != uid and is_ready(node))


def test_a_bad_annotation_is_reported(full_plane: Plane, namespace: str) -> None:
    path = create_pod(full_plane, namespace, "typo", raedy="false")
    full_plane.eventually(path, is_ready)
    events = f"/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.name=typo,reason=InvalidAnnotation"
    found = full_plane.eventually(events, lambda listed: bool(listed["items"]))
    assert "raedy is not known" in found["items"][0]["message"]
