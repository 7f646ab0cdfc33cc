"""Pods are resized where their node can do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.plane import Plane

Register = Callable[..., Any]
MERGE = {"Content_Type": "application/strategic-merge-patch+json"}
LINUX = {"kubernetes.io/os": "linux"}
ROOM = {"cpu": "2", "memory": "1Gi"}


@pytest.fixture
def placed(plane: Plane, namespace: str, register: Register) -> Callable[..., Callable[..., tuple[int, Any]]]:
    """Makes a pod on a node of its own; the answer changes the resources of its container."""

    def place(
        resources: dict[str, Any], *, labels: dict[str, str] = LINUX, features: tuple[str, ...] = (), there: bool = True
    ) -> Callable[..., tuple[int, Any]]:
        node = f"{namespace}-node"
        if there:
            status = {"allocatable": ROOM, "declaredFeatures": list(features)}
            register("/api/v1/nodes", {"metadata": {"name": node, "labels": labels}, "status": status})
        container = {"name": "c", "image": "web", "resources": resources}
        path = f"/api/v1/namespaces/{namespace}/pods"
        made = {"metadata": {"name": "p"}, "spec": {"nodeName": node, "containers": [container]}}
        assert plane.request("POST", path, made)[0] == 201

        def resize(**wanted: dict[str, str]) -> tuple[int, Any]:
            body = {"spec": {"containers": [{"name": "c", "resources": wanted}]}}
            return plane.request("PATCH", f"{path}/p/resize", body, **MERGE)

        return resize

    return place


def test_not_beyond_what_the_node_has(placed: Callable[..., Any]) -> None:
    resize = placed({"requests": {"cpu": "1", "memory": "64Mi"}})
    status, answer = resize(requests={"cpu": "2500m", "memory": "2Gi"})
    why = "cpu, requested: 2500, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824"
    assert answer["message"] == f'pods "p" is forbidden: Node didn\'t have enough allocatable resources: {why}'
    causes = [{"reason": "NodeCapacity"}]
    assert (status, answer["details"]) == (403, {"name": "p", "kind": "pods", "causes": causes})
    assert resize(requests={"cpu": "2"})[0] == 200


def test_on_linux_alone(placed: Callable[..., Any], namespace: str) -> None:
    resize = placed({"requests": {"cpu": "1"}}, labels={})
    status, answer = resize(requests={"cpu": "2"})
    why = f'pod resize is only supported on linux nodes, node "{namespace}-node" is ""'
    assert (status, answer["message"]) == (403, f'pods "p" is forbidden: {why}')
    assert answer["details"]["causes"] == [{"reason": "UnsupportedPlatform"}]


def test_on_nodes_that_are_there(placed: Callable[..., Any], plane: Plane, namespace: str) -> None:
    resize = placed({"requests": {"cpu": "1"}}, there=False)
    assert resize(requests={"cpu": "1"})[0] == 200  # nothing changes
    status, answer = resize(requests={"cpu": "2"})
    assert (status, answer["message"]) == (403, f'pods "p" is forbidden: node "{namespace}-node" not found')
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert plane.request("PATCH", f"/api/v1/namespaces/{namespace}/pods/p", labels, **MERGE)[0] == 200


@pytest.mark.parametrize("declares", [False, True])
def test_guaranteed_pods_need_a_declared_feature(placed: Callable[..., Any], namespace: str, *, declares: bool) -> None:
    feature = "GuaranteedQoSPodCPUResize"
    amounts = {"cpu": "1", "memory": "64Mi"}
    resize = placed({"requests": amounts, "limits": amounts}, features=(feature,) if declares else ())
    more_memory = {"cpu": "1", "memory": "128Mi"}
    assert resize(requests=more_memory, limits=more_memory)[0] == 200
    status, answer = resize(requests={"cpu": "2"}, limits={"cpu": "2"})
    if declares:
        assert status == 200
        return
    why = f'pod update requires features {feature} which are not available on node "{namespace}-node"'
    assert (status, answer["message"]) == (403, f'pods "p" is forbidden: {why}')


@pytest.mark.parametrize("declares", [False, True])
def test_pods_as_a_whole_need_another(plane: Plane, namespace: str, register: Register, *, declares: bool) -> None:
    node, feature = f"{namespace}-node", "InPlacePodLevelResourcesVerticalScaling"
    status = {"allocatable": ROOM, "declaredFeatures": [feature] if declares else []}
    register("/api/v1/nodes", {"metadata": {"name": node, "labels": LINUX}, "status": status})
    path = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "web"}], "resources": {"requests": {"cpu": "1"}}}
    assert plane.request("POST", path, {"metadata": {"name": "p"}, "spec": spec})[0] == 201
    more = {"spec": {"resources": {"requests": {"cpu": "2"}}}}
    code, answer = plane.request("PATCH", f"{path}/p/resize", more, **MERGE)
    if declares:
        assert (code, answer["spec"]["resources"]) == (200, {"requests": {"cpu": "2"}})
        too_much = {"spec": {"resources": {"requests": {"cpu": "3"}}}}
        code, answer = plane.request("PATCH", f"{path}/p/resize", too_much, **MERGE)
        assert (code, answer["details"]["causes"]) == (403, [{"reason": "NodeCapacity"}])
        return
    why = f'pod update requires features {feature} which are not available on node "{node}"'
    assert (code, answer["message"]) == (403, f'pods "p" is forbidden: {why}')
