"""What a write of a status leaves of the metadata as it was, and who owns it afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plane import Plane

LABELS = {"matchLabels": {"a": "b"}}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
DEPLOYMENT = {"replicas": 0, "selector": LABELS, "template": TEMPLATE}
SCHEMA = {"priorityLevelConfiguration": {"name": "global-default"}}
ATTACHMENT = {"attacher": "d.example.com", "nodeName": "n", "source": {"persistentVolumeName": "v"}}
MERGE = {"Content-Type": "application/merge-patch+json"}


def written(plane: Plane, path: str, name: str, spec: dict[str, Any], kept: bool) -> dict[str, Any]:
    """The metadata of a new object once its status was written, together with a label and an annotation."""
    given = {"name": name, **({"labels": {"mine": "1"}} if kept else {})}
    status, answer = plane.request("POST", path, {"metadata": given, "spec": spec})
    assert status == 201, answer
    change = {"metadata": {"labels": {"l": "1"}, "annotations": {"n": "1"}}}
    status, answer = plane.request("PATCH", f"{path}/{name}/status?fieldManager=me", change, **MERGE)
    assert status == 200, answer
    plane.request("DELETE", f"{path}/{name}")
    found: dict[str, Any] = answer["metadata"]
    return found


@pytest.mark.parametrize("kept", [True, False])
def test_labels_of_deployments_are_not_of_the_status(plane: Plane, namespace: str, kept: bool) -> None:
    found = written(plane, f"/apis/apps/v1/namespaces/{namespace}/deployments", "web", DEPLOYMENT, kept)
    assert found.get("labels") == ({"mine": "1"} if kept else None)
    assert found["annotations"] == {"n": "1"}
    (entry,) = [one["fieldsV1"] for one in found["managedFields"] if one["manager"] == "me"]
    assert entry == {"f:metadata": {"f:annotations": {".": {}, "f:n": {}}}}


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", SCHEMA),
        ("/apis/storage.k8s.io/v1/volumeattachments", ATTACHMENT),
    ],
)
def test_metadata_of_some_is_not_of_the_status(plane: Plane, namespace: str, path: str, spec: dict[str, Any]) -> None:
    found = written(plane, path, namespace, spec, kept=True)
    assert (found["labels"], "annotations" in found) == ({"mine": "1"}, False)
    assert [one["manager"] for one in found["managedFields"] if one["manager"] == "me"] == []
