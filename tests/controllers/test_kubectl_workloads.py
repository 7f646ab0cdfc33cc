"""kubectl's verbs for workloads, end to end: API server, controllers and two simulated nodes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plane import Plane

Kubectl = Callable[[str], str]


@pytest.fixture
def kubectl(full_plane: Plane, namespace: str) -> Kubectl:
    """Run kubectl in the test's namespace: what it prints."""
    return lambda words: full_plane.kubectl(words, namespace=namespace).stdout.strip()


@pytest.fixture
def web(full_plane: Plane, namespace: str, kubectl: Kubectl) -> str:
    """A Deployment that has been rolled out twice; its pods take a second to end."""
    pod = {"containers": [{"name": "nginx", "image": "nginx:1"}], "terminationGracePeriodSeconds": 1}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert full_plane.request("POST", path, {"metadata": {"name": "web"}, "spec": spec})[0] == 201
    kubectl("rollout status deployment/web --timeout=30s")
    kubectl("set image deployment/web nginx=nginx:2")
    kubectl("rollout status deployment/web --timeout=30s")
    return "deployment/web"


def test_history_and_undo(kubectl: Kubectl, web: str) -> None:
    kubectl(f"annotate {web} kubernetes.io/change-cause=second")
    assert [line.split() for line in kubectl(f"rollout history {web}").splitlines()[2:]] == [
        ["1", "<none>"],
        ["2", "second"],
    ]
    assert "nginx:1" in kubectl(f"rollout history {web} --revision=1")
    assert kubectl(f"rollout undo {web}") == "deployment.apps/web rolled back"
    assert kubectl(f"rollout status {web} --timeout=30s").endswith('deployment "web" successfully rolled out')
    assert kubectl(f"get {web} -o jsonpath={{.spec.template.spec.containers[0].image}}") == "nginx:1"
    assert [line.split()[0] for line in kubectl(f"rollout history {web}").splitlines()[2:]] == ["2", "3"]


PROGRESSING = "jsonpath='{.status.conditions[?(@.type==\"Progressing\")].reason}'"


def test_pause_and_resume(kubectl: Kubectl, web: str) -> None:
    kubectl(f"rollout pause {web}")
    kubectl(f"wait {web} --for={PROGRESSING}=DeploymentPaused")
    kubectl(f"set image {web} nginx=nginx:3")
    kubectl(f"rollout resume {web}")
    kubectl(f"rollout status {web} --timeout=30s")
    kubectl(f"wait {web} --for={PROGRESSING}=NewReplicaSetAvailable")
    assert (
        kubectl("get pods --selector=app=web --output=jsonpath={.items[*].spec.containers[0].image}").count(":3") == 3
    )


def test_restart_makes_every_pod_anew(kubectl: Kubectl, web: str) -> None:
    before = kubectl("get pods --output=name").splitlines()
    kubectl(f"rollout restart {web}")
    kubectl(f"rollout status {web} --timeout=30s")
    for pod in before:
        kubectl(f"wait {pod} --for=delete --timeout=30s")
    assert len(kubectl("get pods --output=name").splitlines()) == 3


def test_scale_and_autoscale_and_expose(kubectl: Kubectl, web: str) -> None:
    kubectl(f"scale {web} --replicas=5")
    kubectl(f"wait {web} --for=jsonpath={{.status.readyReplicas}}=5 --timeout=30s")
    assert kubectl(f"expose {web} --port=80") == "service/web exposed"
    kubectl("wait endpointslice -l kubernetes.io/service-name=web --for=jsonpath={.endpoints[4].conditions.ready}=true")
    kubectl(f"autoscale {web} --max=4")
    kubectl(f"wait {web} --for=jsonpath={{.spec.replicas}}=4 --timeout=30s")
    assert "SuccessfulRescale" in kubectl("describe hpa web")


def test_wait_and_describe_tell_what_happened(kubectl: Kubectl, web: str) -> None:
    assert kubectl(f"wait {web} --for=condition=available").endswith("condition met")
    described = kubectl(f"describe {web}")
    for line in ("Scaled up replica set web-", "Scaled down replica set web-", "deployment-controller"):
        assert line in described
    pod = kubectl("get pods -o name").splitlines()[0]
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert reason in kubectl(f"events --for {pod}")


def test_cascades(kubectl: Kubectl, web: str) -> None:
    sets = kubectl("get replicasets -o name").splitlines()
    kubectl(f"delete {web} --cascade=orphan")
    assert kubectl("get replicasets -o name").splitlines() == sets
    active = kubectl("get replicasets -o jsonpath={.items[?(@.spec.replicas>0)].metadata.name}")
    kubectl(f"delete replicaset {active} --cascade=foreground --timeout=40s")
    assert active not in kubectl("get replicasets -o name")


def test_drain_moves_pods_and_respects_budgets(full_plane: Plane, kubectl: Kubectl, web: str) -> None:
    kubectl(f"scale {web} --replicas=4")
    kubectl(f"rollout status {web} --timeout=30s")
    node = kubectl("get pods -o jsonpath={.items[0].spec.nodeName}")
    kubectl("create poddisruptionbudget web --selector=app=web --min-available=4")
    kubectl("wait poddisruptionbudget/web --for=jsonpath={.status.currentHealthy}=4 --timeout=30s")
    try:
        words = f"drain {node} --pod-selector=app=web --timeout=1s"
        refused = full_plane.kubectl(words, check=False)
        assert refused.returncode != 0 and "Cannot evict pod as it would violate the pod's disruption budget" in (
            refused.stderr + refused.stdout
        )
        kubectl("delete poddisruptionbudget web")
        assert "drained" in kubectl(f"drain {node} --pod-selector=app=web --timeout=60s")
        kubectl(f"rollout status {web} --timeout=30s")
        where = kubectl("get pods -o jsonpath={.items[*].spec.nodeName}").split()
        assert node not in where and len(where) == 4
    finally:
        kubectl(f"uncordon {node}")
