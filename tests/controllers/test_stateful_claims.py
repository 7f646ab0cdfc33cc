"""Claims and revisions of StatefulSets: who owns them, what they are called, what events say."""

from __future__ import annotations

from typing import Any

import pytest

from controllers import statefulset
from controllers.godump import fnv32
from controllers.statefulclaims import new_claim, owner_references
from tests.plane import Plane

OWNER: dict[str, Any] = {
    "metadata": {"name": "db", "namespace": "ns", "uid": "set-uid"},
    "spec": {"selector": {"matchLabels": {"app": "db"}}},
}
POD = {"metadata": {"name": "db-1", "namespace": "ns", "uid": "pod-uid"}}
STALE = {"apiVersion": "v1", "kind": "Pod", "name": "db-1", "uid": "older"}
POD_SPEC = {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 0}
FOREIGN = {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "x"}


@pytest.mark.parametrize(
    ("scaled", "deleted", "condemned", "uids"),
    [
        ("Retain", "Retain", True, []),
        ("Delete", "Retain", False, []),
        ("Delete", "Retain", True, ["pod-uid"]),
        ("Retain", "Delete", True, ["set-uid"]),
        ("Delete", "Delete", False, ["set-uid"]),
        ("Delete", "Delete", True, ["pod-uid"]),
    ],
)
def test_the_policy_says_who_owns_a_claim(scaled: str, deleted: str, condemned: bool, uids: list[str]) -> None:
    policy = {"whenScaled": scaled, "whenDeleted": deleted}
    owner = {**OWNER, "spec": {"persistentVolumeClaimRetentionPolicy": policy}}
    for before in ([], [STALE]):
        claim = {"metadata": {"ownerReferences": [FOREIGN, *before]}}
        found = owner_references(claim, owner, POD, condemned=condemned)
        assert [ref["uid"] for ref in found] == ["x", *uids]
    ruled = {"metadata": {"ownerReferences": [{**FOREIGN, "controller": True}]}}
    assert [ref["uid"] for ref in owner_references(ruled, owner, POD, condemned=condemned)] == ["x"]


def test_a_claim_has_the_metadata_of_its_template_and_the_labels_of_the_selector() -> None:
    template = {"metadata": {"name": "data", "labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": {}}
    assert new_claim(OWNER, template, POD)["metadata"] == {
        "name": "data-db-1",
        "namespace": "ns",
        "labels": {"a": "b", "app": "db"},
        "annotations": {"c": "d"},
    }


def test_fnv_1_has_the_published_values() -> None:
    assert (fnv32(b"a"), fnv32(b"foobar")) == (0x050C5D7E, 0x31F0B262)


def test_a_revision_is_hashed_as_go_writes_it() -> None:
    assert statefulset.revision_hash({"a": "<&>"}, 0) == statefulset.safe_encode(
        str(fnv32(b'{"a":"\\u003c\\u0026\\u003e"}0'))
    )


def test_templates_of_claims_need_no_name() -> None:
    template = {"metadata": {}, "spec": {"containers": []}}
    owner = {"metadata": {"name": "db"}, "spec": {"volumeClaimTemplates": [{"metadata": {}, "spec": {}}]}}
    revision = {"metadata": {"name": "db-1"}, "data": {"spec": {"template": template}}}
    pod = statefulset.new_pod({**owner, "metadata": {"name": "db", "uid": "1", "namespace": "ns"}}, 0, revision)
    assert pod["spec"]["volumes"] == [{"name": "", "persistentVolumeClaim": {"claimName": "-db-0"}}]


def test_claims_go_with_what_the_policy_names(full_plane: Plane, namespace: str) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    spec = {
        "replicas": 2,
        "serviceName": "db",
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": {"app": "db"}},
        "template": {"metadata": {"labels": {"app": "db"}}, "spec": POD_SPEC},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Delete"},
    }
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
    assert full_plane.request("POST", path, {"metadata": {"name": "db"}, "spec": spec})[0] == 201

    def kubectl(words: str) -> str:
        return str(full_plane.kubectl(words, namespace=namespace).stdout.strip())

    for name in ("data-db-0", "data-db-1"):
        kubectl(f"wait --for=create pvc/{name} --timeout=30s")
        kubectl(f"wait --for=jsonpath={{.metadata.ownerReferences[0].kind}}=StatefulSet pvc/{name} --timeout=30s")
    kubectl("wait --for=create pod/db-1 --timeout=30s")
    kubectl("scale statefulset/db --replicas=1")
    kubectl("wait --for=delete pvc/data-db-1 --timeout=30s")
    assert kubectl("get pvc -o name") == "persistentvolumeclaim/data-db-0"
    revision = kubectl("get statefulset/db -o jsonpath={.status.updateRevision}")
    path = f"/apis/apps/v1/namespaces/{namespace}/controllerrevisions/{revision}"
    labels = full_plane.request("GET", path)[1]["metadata"]["labels"]
    assert labels == {"app": "db", "controller.kubernetes.io/hash": revision.removeprefix("db-")}
    events = kubectl("get events -o jsonpath={.items[*].message}")
    assert "create Claim data-db-0 Pod db-0 in StatefulSet db success" in events
    kubectl("delete statefulset/db")
    kubectl("wait --for=delete pvc/data-db-0 --timeout=30s")
