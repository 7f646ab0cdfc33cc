"""What autoscalers and claims say while they wait for something that this control plane does not have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plane import Plane

TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "nginx", "resources": {"requests": {"cpu": "1"}}}]},
}


def create(plane: Plane, path: str, body: dict[str, Any]) -> None:
    status, answer = plane.request("POST", path, body)
    assert status == 201, answer


def events(plane: Plane, namespace: str, name: str, count: int) -> dict[str, tuple[str, str]]:
    """reason -> (type, message) of an object's events, once there are so many."""
    path = f"/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.name%3D{name}"
    found = plane.eventually(path, lambda answer: len(answer["items"]) >= count)["items"]
    return {event["reason"]: (event["type"], event["message"]) for event in found}


def autoscaled(plane: Plane, namespace: str, replicas: int, **spec: Any) -> str:
    wanted = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
    create(plane, f"/apis/apps/v1/namespaces/{namespace}/deployments", {"metadata": {"name": "web"}, "spec": wanted})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    create(plane, path, {"metadata": {"name": "auto"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3, **spec}})
    return f"{path}/auto"


def conditions(autoscaler: dict[str, Any]) -> dict[str, tuple[str, str]]:
    found = autoscaler.get("status", {}).get("conditions") or ()
    return {one["type"]: (one["status"], one["reason"]) for one in found}


def test_an_autoscaler_without_metrics(controlled_plane: Plane, namespace: str) -> None:
    path = autoscaled(controlled_plane, namespace, 2)
    found = controlled_plane.eventually(path, lambda one: len(conditions(one)) == 2, timeout=40.0)
    assert conditions(found) == {
        "AbleToScale": ("True", "SucceededGetScale"),
        "ScalingActive": ("False", "FailedGetResourceMetric"),
    }
    assert found["status"]["desiredReplicas"] == 0, "nothing was computed"
    assert (found["status"]["currentReplicas"], found["status"]["currentMetrics"]) == (2, [{"type": ""}])
    v1 = controlled_plane.get(path.replace("/v2/", "/v1/"))["metadata"]["annotations"]
    assert v1["autoscaling.alpha.kubernetes.io/current-metrics"] == '[{"type":""}]'
    failed = (
        "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource "
        "metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
    )
    said = events(controlled_plane, namespace, "auto", 2)
    assert said["FailedGetResourceMetric"] == ("Warning", failed)
    total = f"invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {failed}"
    assert said["FailedComputeMetricsReplicas"] == ("Warning", total)


def test_an_autoscaler_keeps_its_bounds(controlled_plane: Plane, namespace: str) -> None:
    path = autoscaled(controlled_plane, namespace, 5)
    found = controlled_plane.eventually(
        path, lambda one: one.get("status", {}).get("desiredReplicas") == 3, timeout=40.0
    )
    assert conditions(found)["AbleToScale"] == ("True", "SucceededRescale")
    web = controlled_plane.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/web")
    assert web["spec"]["replicas"] == 3
    message = "New size: 3; reason: Current number of replicas above Spec.MaxReplicas"
    assert events(controlled_plane, namespace, "auto", 1)["SuccessfulRescale"] == ("Normal", message)


@pytest.mark.parametrize(
    ("mode", "name", "reason"),
    [
        (None, "", "FailedBinding"),
        (None, "no-such-class", "ProvisioningFailed"),
        ("Immediate", "{namespace}", "ExternalProvisioning"),
        ("WaitForFirstConsumer", "{namespace}", "WaitForFirstConsumer"),
    ],
)
def test_a_claim_says_what_it_waits_for(
    controlled_plane: Plane, namespace: str, mode: str | None, name: str, reason: str
) -> None:
    name = name.format(namespace=namespace)
    if mode:
        made = {"metadata": {"name": name}, "provisioner": "example.com/disk", "volumeBindingMode": mode}
        create(controlled_plane, "/apis/storage.k8s.io/v1/storageclasses", made)
    storage = {"requests": {"storage": "1Gi"}}
    spec = {"storageClassName": name, "accessModes": ["ReadWriteOnce"], "resources": storage}
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    create(controlled_plane, claims, {"metadata": {"name": "data"}, "spec": spec})
    assert reason in events(controlled_plane, namespace, "data", 1)
    claim = controlled_plane.get(f"{claims}/data")
    assert claim["status"] == {"phase": "Pending"}
    annotations = claim["metadata"].get("annotations") or {}
    assert ("volume.kubernetes.io/storage-provisioner" in annotations) == (reason == "ExternalProvisioning")
    controlled_plane.request("DELETE", f"/apis/storage.k8s.io/v1/storageclasses/{name or 'none'}")


def test_a_daemon_set_whose_pods_are_refused_says_how_many_it_wants(controlled_plane: Plane, namespace: str) -> None:
    labels = {"place": namespace}
    create(controlled_plane, "/api/v1/nodes", {"metadata": {"name": namespace, "labels": labels}})
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    create(controlled_plane, f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    template["spec"] |= {"nodeSelector": labels, "tolerations": [{"operator": "Exists"}]}
    path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets"
    wanted = {"selector": {"matchLabels": labels}, "template": template}
    create(controlled_plane, path, {"metadata": {"name": "web"}, "spec": wanted})
    found = controlled_plane.eventually(f"{path}/web", lambda one: one["status"]["desiredNumberScheduled"] == 1)
    assert found["status"]["currentNumberScheduled"] == 0
    controlled_plane.request("DELETE", f"/api/v1/nodes/{namespace}")
