"""Fields of features that are off in 1.36: dropped, and nobody is told."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest

from tests.plane import Plane

SOURCES = [
    {"clusterTrustBundle": {"signerName": "example.org/one", "path": "ca.pem"}},
    {"podCertificate": {"signerName": "example.org/one", "keyType": "ED25519", "credentialBundlePath": "bundle"}},
    {"configMap": {"name": "settings"}},
]
POD = {
    "containers": [{"name": "c", "image": "i"}],
    "restartPolicy": "Never",
    "schedulingGroup": {"podGroupName": "together"},
    "volumes": [{"name": "v", "projected": {"sources": SOURCES}}],
}
LEFT = [{}, {}, {"configMap": {"name": "settings"}}]
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {**POD, "restartPolicy": "Always"}}
SET = {
    "selector": {"matchLabels": {"a": "b"}},
    "template": TEMPLATE,
    "updateStrategy": {"rollingUpdate": {"maxUnavailable": 2, "partition": 1}},
}
LEASE = {"holderIdentity": "a", "strategy": "OldestEmulationVersion", "preferredHolder": "b"}


def at(obj: Any, path: str) -> Any:
    """What is there, None where nothing is."""
    return reduce(lambda found, name: (found or {}).get(name), path.split("."), obj)


@pytest.mark.parametrize(
    ("path", "spec", "where"),
    [
        ("/api/v1/namespaces/{}/pods", POD, "spec"),
        ("/apis/batch/v1/namespaces/{}/jobs", {"template": {"spec": POD}}, "spec.template.spec"),
        (
            "/apis/batch/v1/namespaces/{}/cronjobs",
            {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": {"spec": POD}}}},
            "spec.jobTemplate.spec.template.spec",
        ),
        ("/apis/apps/v1/namespaces/{}/statefulsets", SET, "spec.template.spec"),
    ],
)
def test_of_pod_specs(plane: Plane, namespace: str, path: str, spec: object, where: str) -> None:
    status, made = plane.request("POST", path.format(namespace), {"metadata": {"name": "a"}, "spec": spec})
    assert status == 201, made
    found = at(made, where)
    assert "schedulingGroup" not in found and found["volumes"][0]["projected"]["sources"] == LEFT


@pytest.mark.parametrize(
    ("path", "spec", "dropped"),
    [
        ("/apis/apps/v1/namespaces/{}/statefulsets", SET, "spec.updateStrategy.rollingUpdate.maxUnavailable"),
        ("/apis/coordination.k8s.io/v1/namespaces/{}/leases", LEASE, "spec.strategy"),
        ("/apis/coordination.k8s.io/v1/namespaces/{}/leases", LEASE, "spec.preferredHolder"),
        (
            "/apis/storage.k8s.io/v1/csidrivers",
            {"preventPodSchedulingIfMissing": True},
            "spec.preventPodSchedulingIfMissing",
        ),
    ],
)
def test_of_other_kinds(plane: Plane, namespace: str, path: str, spec: dict[str, Any], dropped: str) -> None:
    path, name = path.format(namespace), f"a-{namespace}"
    assert at({"spec": spec}, dropped) is not None
    status, made = plane.request("POST", path, {"metadata": {"name": name}, "spec": spec})
    assert status == 201 and at(made, dropped) is None, made
    status, updated = plane.request("PUT", f"{path}/{name}", {**made, "spec": {**made["spec"], **spec}})
    assert status == 200 and at(updated, dropped) is None, updated
