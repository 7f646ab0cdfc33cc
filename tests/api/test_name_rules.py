"""Names that are valid as subdomains but not as labels: refused in words of their own, or warned of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plane import Plane

DOTS = "must not contain dots"
HOSTS = (
    "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is "
    f"recommended: [{DOTS}]"
)
POD = {"containers": [{"name": "c", "image": "nginx:1"}]}
WORKLOAD = {
    "selector": {"matchLabels": {"a": "b"}},
    "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD},
    "replicas": 0,
}
JOB = {"template": {"spec": {"restartPolicy": "Never", **POD}}}
APPS, BATCH = "/apis/apps/v1/namespaces/default", "/apis/batch/v1/namespaces/default"
CORE = "/api/v1/namespaces/default"


def causes(answer: Any) -> list[str]:
    return [f"{cause['field']}: {cause['message']}" for cause in answer["details"].get("causes", [])]


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        (f"{APPS}/deployments", WORKLOAD),
        (f"{APPS}/replicasets", WORKLOAD),
        (f"{CORE}/replicationcontrollers", {**WORKLOAD, "selector": {"a": "b"}}),
        (f"{BATCH}/jobs", JOB),
        (f"{BATCH}/cronjobs", {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}),
    ],
)
def test_names_that_pods_get(plane: Plane, path: str, spec: dict[str, Any]) -> None:
    body = {"metadata": {"name": "a.b"}, "spec": spec}
    assert plane.warnings("POST", f"{path}?dryRun=All", body) == [HOSTS]
    body["metadata"] = {"name": "ab"}
    assert plane.warnings("POST", f"{path}?dryRun=All", body) == []


def test_names_of_pods(plane: Plane) -> None:
    body = {"metadata": {"name": "a.b"}, "spec": POD}
    assert plane.warnings("POST", f"{CORE}/pods?dryRun=All", body) == [
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
        f"recommended: [{DOTS}]"
    ]
    daemons = {"metadata": {"name": "a.b"}, "spec": {k: v for k, v in WORKLOAD.items() if k != "replicas"}}
    assert plane.warnings("POST", f"{APPS}/daemonsets?dryRun=All", daemons) == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (f"{APPS}/statefulsets", {"spec": WORKLOAD}, "metadata.name"),
        (f"{CORE}/services", {"spec": {"ports": [{"port": 1}]}}, "metadata.name"),
        ("/api/v1/namespaces", {}, "metadata.name"),
        (f"{CORE}/pods", {"spec": {"containers": [{"name": "a.b", "image": "i"}]}}, "spec.containers[0].name"),
        (f"{CORE}/pods", {"spec": {**POD, "hostname": "a.b"}}, "spec.hostname"),
        (f"{CORE}/pods", {"spec": {**POD, "volumes": [{"name": "a.b"}]}}, "spec.volumes[0].name"),
    ],
)
def test_labels_have_no_dots(plane: Plane, path: str, body: dict[str, Any], field: str) -> None:
    name = "a.b" if field == "metadata.name" else "ab"
    status, answer = plane.request("POST", f"{path}?dryRun=All", {"metadata": {"name": name}, **body})
    assert (status, causes(answer)) == (422, [f'{field}: Invalid value: "a.b": {DOTS}'])


def test_what_generated_names_are_judged_by(plane: Plane) -> None:
    """The dash at the end and the character before it are not looked at; one dash alone is."""
    path = f"{CORE}/configmaps?dryRun=All"
    assert plane.request("POST", path, {"metadata": {"generateName": "x-"}})[0] == 201
    status, answer = plane.request("POST", path, {"metadata": {"generateName": "-"}})
    assert status == 422
    assert causes(answer)[0].startswith('metadata.generateName: Invalid value: "-"')
