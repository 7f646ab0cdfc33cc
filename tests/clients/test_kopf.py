"""kopf: an operator over a custom resource, in a process of its own as people run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.operator import GROUP
from tests.plane import Plane

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"databases.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "Database", "plural": "databases"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": SCHEMA},
                "subresources": {"status": {}},
            }
        ],
    },
}


@pytest.fixture
def operator(plane: Plane, namespace: str, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """The operator at work in the namespace; called, it fails where the operator has ended."""
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert plane.request("POST", crds, DEFINITION)[0] == 201
    script = Path(__file__).with_name("operator.py")
    words = [sys.executable, "-m", "kopf", "run", "--standalone", "--namespace", namespace, str(script)]
    environment = {**os.environ, "KUBECONFIG": str(plane.kubeconfig)}
    with (tmp_path / "operator.log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)

    def alive() -> None:
        assert process.poll() is None, (tmp_path / "operator.log").read_text()

    yield alive
    process.terminate()
    process.wait(20)
    assert plane.request("DELETE", f"{crds}/databases.{GROUP}")[0] == 200


def test_an_operator_follows_a_custom_resource(plane: Plane, namespace: str, operator: Callable[[], None]) -> None:
    path = f"/apis/{GROUP}/v1/namespaces/{namespace}/databases"
    body = {"apiVersion": f"{GROUP}/v1", "kind": "Database", "metadata": {"name": "d"}, "spec": {"size": 1}}
    plane.eventually(path, lambda found: found["items"] == [])
    assert plane.request("POST", path, body)[0] == 201

    def once(holds: Callable[[Any], bool]) -> Any:
        operator()
        return plane.eventually(f"{path}/d", holds, timeout=60)

    made = once(lambda found: found.get("status", {}).get("phase") == "Ready")
    assert made["metadata"]["finalizers"] == [f"{GROUP}/finalizer"]
    assert made["metadata"]["generation"] == 1
    owned = plane.get(f"/api/v1/namespaces/{namespace}/configmaps/d")
    assert owned["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    merge = {"Content_Type": "application/merge-patch+json"}
    assert plane.request("PATCH", f"{path}/d", {"spec": {"size": 2}}, **merge)[0] == 200
    once(lambda found: found["status"].get("resize/spec.size") == {"from": 1, "to": 2})
    assert plane.get(f"/api/v1/namespaces/{namespace}/configmaps/d")["data"] == {"size": "2"}
    once(lambda found: found["status"].get("ticks", 0) >= 2)
    events = plane.eventually(f"/api/v1/namespaces/{namespace}/events", lambda found: bool(found["items"]))
    assert {event["involvedObject"]["name"] for event in events["items"]} == {"d"}
    assert plane.request("DELETE", f"{path}/d")[0] == 200
    plane.eventually(path, lambda found: found["items"] == [], timeout=60)
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/d")[0] == 404
