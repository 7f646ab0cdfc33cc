"""Filters of the scheduler, each with the words of the real one."""

from __future__ import annotations

from typing import Any

import pytest

from miniplane.agents.kubelet.scheduler import Requests, choose, requests_of, tolerated

Object = dict[str, Any]


def make_node(name: str, labels: Object | None = None, **spec: Any) -> Object:
    room = {"cpu": "2", "memory": "1Gi", "pods": "3"}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec, "status": {"allocatable": room}}


def make_pod(cpu: str = "", port: int = 0, **spec: Any) -> Object:
    container: Object = {"name": "c", "resources": {"requests": {"cpu": cpu} if cpu else {}}}
    if port:
        container["ports"] = [{"containerPort": port, "hostPort": port}]
    return {"metadata": {"name": "p"}, "spec": {"containers": [container], **spec}}


def affinity(operator: str, *values: str) -> Object:
    expression = {"key": "size", "operator": operator, "values": list(values)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def test_the_emptier_node_is_taken() -> None:
    nodes = [make_node("a"), make_node("b")]
    assert choose(make_pod(), nodes, {}) == ("a", "")
    assert choose(make_pod(), nodes, {"a": Requests(pods=1)}) == ("b", "")


@pytest.mark.parametrize(
    ("node", "pod", "why"),
    [
        (make_node("a", unschedulable=True), make_pod(), "1 node(s) were unschedulable"),
        (make_node("a", taints=[{"key": "k", "effect": "NoSchedule"}]), make_pod(), "untolerated taint"),
        (make_node("a"), make_pod(nodeSelector={"disk": "ssd"}), "1 node(s) didn't match Pod's node affinity/selector"),
        (make_node("a"), make_pod(cpu="2500m"), "1 Insufficient cpu"),
        (make_node("a", {"size": "3"}), make_pod(affinity=affinity("Gt", "4")), "didn't match"),
    ],
)
def test_refusals(node: Object, pod: Object, why: str) -> None:
    name, message = choose(pod, [node], {})
    assert name == ""
    assert message.startswith("0/1 nodes are available: ")
    assert why in message


@pytest.mark.parametrize(
    ("operator", "values", "fits"),
    [("In", ["3"], True), ("NotIn", ["3"], False), ("Exists", [], True), ("Lt", ["4"], True), ("Gt", ["x"], False)],
)
def test_affinity_operators(operator: str, values: list[str], fits: bool) -> None:
    pod = make_pod(affinity=affinity(operator, *values))
    assert bool(choose(pod, [make_node("a", {"size": "3"})], {})[0]) is fits


def test_room_counts_what_is_there() -> None:
    nodes = [make_node("a")]
    assert "Too many pods" in choose(make_pod(), nodes, {"a": Requests(pods=3)})[1]
    assert "Insufficient cpu" in choose(make_pod(cpu="1"), nodes, {"a": Requests(cpu=1500)})[1]
    assert "free ports" in choose(make_pod(port=80), nodes, {"a": Requests(ports={("TCP", 80)})})[1]


def test_no_nodes() -> None:
    assert choose(make_pod(), [], {}) == ("", "no nodes available to schedule pods")


@pytest.mark.parametrize(
    ("toleration", "holds"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration: Object, holds: bool) -> None:
    assert tolerated({"key": "k", "value": "v", "effect": "NoSchedule"}, [toleration]) is holds


def test_init_containers_count_by_their_largest() -> None:
    pod = make_pod(cpu="500m")
    pod["spec"]["initContainers"] = [{"name": "i", "resources": {"requests": {"cpu": "2", "memory": "1Mi"}}}]
    found = requests_of(pod)
    assert (found.cpu, found.memory, found.pods) == (2000, 1 << 20, 1)
