"""What controllers make of what happened, as clients see it: events, conditions, phases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.plane import Plane

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "nginx"}]},
}
SELECTOR = {"matchLabels": {"app": "web"}}
JOB = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}}


class Place:
    """A namespace of a control plane without nodes."""

    def __init__(self, plane: Plane, namespace: str) -> None:
        self.plane, self.namespace = plane, namespace

    def path(self, group: str, resource: str, name: str = "") -> str:
        root = f"/apis/{group}" if group != "v1" else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "")

    def create(self, group: str, resource: str, name: str, **parts: Any) -> None:
        meta = {"name": name, **parts.pop("metadata", {})}
        self.post(self.path(group, resource), {"metadata": meta, **parts})

    def post(self, path: str, body: dict[str, Any]) -> None:
        status, answer = self.plane.request("POST", path, body)
        assert status == 201, answer

    def patch(self, path: str, body: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        code, answer = self.plane.request("PATCH", path, body, **headers)
        assert code == 200, answer

    def status(self, path: str, **status: Any) -> None:
        self.patch(f"{path}/status", {"status": status})

    def told(self, name: str, reason: str) -> str:
        """The message of the event with that reason about an object of that name."""
        selector = f"involvedObject.name%3D{name},reason%3D{reason}"
        found = self.plane.eventually(
            f"{self.path('v1', 'events')}?fieldSelector={selector}", lambda answer: answer["items"]
        )
        return str(found["items"][0]["message"])

    def eventually(self, group: str, resource: str, name: str, holds: Callable[[Any], Any]) -> Any:
        return self.plane.eventually(self.path(group, resource, name), holds)


@pytest.fixture
def place(controlled_plane: Plane, namespace: str) -> Place:
    return Place(controlled_plane, namespace)


def budget_status(place: Place, name: str) -> Any:
    return place.eventually("policy/v1", "poddisruptionbudgets", name, lambda one: one.get("status"))["status"]


# disruption budgets


def test_a_budget_over_no_pods_says_so(place: Place) -> None:
    place.create("policy/v1", "poddisruptionbudgets", "b", spec={"selector": SELECTOR})
    assert place.told("b", "NoPods") == "No matching pods found"
    status = budget_status(place, "b")
    assert (status["expectedPods"], status["desiredHealthy"], status["disruptionsAllowed"]) == (0, 0, 0)


def test_a_budget_without_a_number_wants_nothing(place: Place) -> None:
    place.create("v1", "pods", "p", metadata={"labels": {"app": "web"}}, spec=TEMPLATE["spec"])
    place.create("policy/v1", "poddisruptionbudgets", "b", spec={"selector": SELECTOR})
    status = budget_status(place, "b")
    assert (status["expectedPods"], status["desiredHealthy"]) == (0, 0)


def test_pods_without_a_controller_are_no_base_of_a_budget(place: Place) -> None:
    place.create("v1", "pods", "p", metadata={"labels": {"app": "web"}}, spec=TEMPLATE["spec"])
    expression = {"key": "app", "operator": "In", "values": ["web", "b"]}
    selector = {**SELECTOR, "matchExpressions": [expression]}
    place.create("policy/v1", "poddisruptionbudgets", "b", spec={"selector": selector, "maxUnavailable": 1})
    text = place.told("b", "UnmanagedPods")
    shown = (
        "&LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement"
        "{LabelSelectorRequirement{Key:app,Operator:In,Values:[web b],},},}"
    )
    assert text.startswith(
        f"Pods selected by this PodDisruptionBudget (selector: {shown}) were found to be unmanaged. "
    )
    (condition,) = budget_status(place, "b")["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "InsufficientPods")


def test_a_budget_over_what_does_not_scale_fails(place: Place) -> None:
    place.create("batch/v1", "jobs", "j", spec=JOB)
    selector = {"matchLabels": {"job-name": "j"}}
    place.create("policy/v1", "poddisruptionbudgets", "b", spec={"selector": selector, "maxUnavailable": 1})
    text = "jobs.batch does not implement the scale subresource"
    wanted = f"Failed to calculate the number of expected pods: {text}"
    assert place.told("b", "CalculateExpectedPodCountFailed") == wanted

    def failed(one: Any) -> bool:
        conditions = (one.get("status") or {}).get("conditions") or [{}]
        return bool(conditions[0].get("reason") == "SyncFailed")

    found = place.eventually("policy/v1", "poddisruptionbudgets", "b", failed)
    assert found["status"]["conditions"][0]["message"] == text


def test_pods_that_ended_are_expected_by_a_budget_as_well(place: Place) -> None:
    place.create("v1", "pods", "p", metadata={"labels": {"app": "web"}}, spec=TEMPLATE["spec"])
    place.status(place.path("v1", "pods", "p"), phase="Succeeded")
    place.create("policy/v1", "poddisruptionbudgets", "b", spec={"selector": SELECTOR, "minAvailable": 1})
    expected = "expectedPods"
    place.eventually("policy/v1", "poddisruptionbudgets", "b", lambda one: (one.get("status") or {}).get(expected) == 1)


# cron jobs


def cron(**spec: Any) -> dict[str, Any]:
    return {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": JOB}, **spec}


def test_a_job_that_somebody_else_made_is_not_active(place: Place) -> None:
    place.create("batch/v1", "cronjobs", "c", spec=cron(suspend=True))
    owner = place.plane.get(place.path("batch/v1", "cronjobs", "c"))
    names = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "c", "uid": owner["metadata"]["uid"]}
    place.create("batch/v1", "jobs", "now", metadata={"ownerReferences": [{**names, "controller": True}]}, spec=JOB)
    assert place.told("c", "UnexpectedJob") == "Saw a job that the controller did not create or forgot: now"
    assert place.plane.get(place.path("batch/v1", "cronjobs", "c"))["status"] == {}


@pytest.mark.parametrize(
    ("kind", "reason", "text"),
    [
        ("Complete", "SawCompletedJob", "Saw completed job: c-1, condition: Complete"),
        (None, "MissingJob", "Active job went missing: gone"),
    ],
)
def test_what_became_of_active_jobs_is_told(place: Place, kind: str | None, reason: str, text: str) -> None:
    place.create("batch/v1", "cronjobs", "c", spec=cron(suspend=True))
    owner = place.plane.get(place.path("batch/v1", "cronjobs", "c"))["metadata"]
    active = {"apiVersion": "batch/v1", "kind": "Job", "name": "gone", "namespace": place.namespace, "uid": "x"}
    if kind:
        names = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "c", "uid": owner["uid"], "controller": True}
        place.create("batch/v1", "jobs", "c-1", metadata={"ownerReferences": [names]}, spec=JOB)
        job = place.eventually("batch/v1", "jobs", "c-1", lambda one: (one.get("status") or {}).get("active"))
        active |= {"name": "c-1", "uid": job["metadata"]["uid"]}
        pods = place.plane.get(f"{place.path('v1', 'pods')}?labelSelector=job-name%3Dc-1")["items"]
        place.status(place.path("v1", "pods", pods[0]["metadata"]["name"]), phase="Succeeded")
        place.eventually("batch/v1", "jobs", "c-1", lambda one: one["status"].get("completionTime"))
    place.status(place.path("batch/v1", "cronjobs", "c"), active=[active])
    assert place.told("c", reason) == text
    place.eventually("batch/v1", "cronjobs", "c", lambda one: not one["status"].get("active"))


def test_a_schedule_without_a_date_is_invalid(place: Place) -> None:
    place.create("batch/v1", "cronjobs", "c", spec=cron(schedule="0 0 31 2 *"))
    text = "invalid schedule: 0 0 31 2 * : time difference between two schedules is less than 1 second"
    assert place.told("c", "InvalidSchedule") == text


# workloads


def test_the_revision_of_a_deployment_is_written_with_its_status(place: Place) -> None:
    place.create("apps/v1", "deployments", "web", spec={"replicas": 0, "selector": SELECTOR, "template": TEMPLATE})

    def settled(one: Any) -> bool:
        found = (one.get("status") or {}).get("conditions") or ()
        return any(condition["reason"] == "NewReplicaSetAvailable" for condition in found)

    found = place.eventually("apps/v1", "deployments", "web", settled)
    (entry,) = [one for one in found["metadata"]["managedFields"] if one["manager"] == "kube-controller-manager"]
    owned = entry["fieldsV1"]["f:metadata"]["f:annotations"]
    assert (entry["subresource"], owned) == ("status", {".": {}, "f:deployment.kubernetes.io/revision": {}})
    assert "f:conditions" in entry["fieldsV1"]["f:status"]


def test_a_deployment_whose_set_is_refused_says_so(place: Place) -> None:
    place.create("v1", "resourcequotas", "none", spec={"hard": {"count/replicasets.apps": "0"}})
    place.create("apps/v1", "deployments", "web", spec={"replicas": 1, "selector": SELECTOR, "template": TEMPLATE})
    found = place.eventually("apps/v1", "deployments", "web", lambda one: (one.get("status") or {}).get("conditions"))
    (condition,) = found["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Progressing", "False")
    assert condition["reason"] == "ReplicaSetCreateError"
    assert condition["message"].startswith('Failed to create new replica set "web-')
    assert place.told("web", "ReplicaSetCreateError") == condition["message"]


@pytest.mark.parametrize(
    ("phase", "reason", "text"),
    [
        ("Failed", "FailedDaemonPod", "Found failed daemon pod {pod} on node {node}, will try to kill it"),
        ("Succeeded", "SucceededDaemonPod", "Found succeeded daemon pod {pod} on node {node}, will try to delete it"),
    ],
)
def test_daemon_pods_that_ended_are_told(place: Place, phase: str, reason: str, text: str) -> None:
    labels = {"place": place.namespace}
    place.post("/api/v1/nodes", {"metadata": {"name": place.namespace, "labels": labels}})
    spec = {**TEMPLATE["spec"], "nodeSelector": labels, "tolerations": [{"operator": "Exists"}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    place.create("apps/v1", "daemonsets", "web", spec={"selector": SELECTOR, "template": template})
    found = place.plane.eventually(place.path("v1", "pods"), lambda answer: answer["items"])
    name = found["items"][0]["metadata"]["name"]
    place.status(place.path("v1", "pods", name), phase=phase)
    assert place.told("web", reason) == text.format(pod=f"{place.namespace}/{name}", node=place.namespace)
    place.plane.request("DELETE", f"/api/v1/nodes/{place.namespace}")


def test_an_evicted_pod_says_why_it_goes(place: Place) -> None:
    taint = {"key": "k", "value": "v", "effect": "NoExecute"}
    place.post("/api/v1/nodes", {"metadata": {"name": place.namespace}, "spec": {"taints": [taint]}})
    place.create("v1", "pods", "p", spec={**TEMPLATE["spec"], "nodeName": place.namespace})
    found = place.eventually("v1", "pods", "p", lambda one: one["metadata"].get("deletionTimestamp"))
    condition = found["status"]["conditions"][-1]
    assert (condition["type"], condition["status"], condition["observedGeneration"]) == ("DisruptionTarget", "True", 1)
    assert condition["reason"] == "DeletionByTaintManager"
    assert condition["message"] == "Taint manager: deleting due to NoExecute taint"
    place.plane.request("DELETE", f"/api/v1/nodes/{place.namespace}")


class Stateful:
    """A StatefulSet whose pods are told what they are."""

    def __init__(self, place: Place, replicas: int, **spec: Any) -> None:
        self.place = place
        given = {"replicas": replicas, "selector": SELECTOR, "serviceName": "db", "template": TEMPLATE, **spec}
        place.create("apps/v1", "statefulsets", "db", spec=given)

    def pod(self, number: int, ready: bool, phase: str = "Running") -> None:
        path = self.place.path("v1", "pods", f"db-{number}")
        self.place.plane.eventually_status(path, 200)
        condition = {"type": "Ready", "status": str(ready)}
        self.place.status(path, phase=phase, conditions=[condition])

    def change(self, **spec: Any) -> None:
        self.place.patch(self.place.path("apps/v1", "statefulsets", "db"), {"spec": spec})

    def eventually(self, **status: Any) -> Any:
        def holds(one: Any) -> bool:
            found = one.get("status") or {}
            return found.get("observedGeneration") == one["metadata"]["generation"] and status.items() <= found.items()

        return self.place.eventually("apps/v1", "statefulsets", "db", holds)


def test_an_ordered_set_that_shrinks_waits_for_what_ails(place: Place) -> None:
    """db-1 ails first, so it may go; db-2, which goes before it and ails as well, has to wait."""
    found = Stateful(place, 3, podManagementPolicy="Parallel")
    for number in range(3):
        found.pod(number, number == 0)
    place.plane.request("DELETE", place.path("apps/v1", "statefulsets", "db") + "?propagationPolicy=Orphan")
    place.plane.eventually_status(place.path("apps/v1", "statefulsets", "db"), 404)
    found = Stateful(place, 1)
    found.eventually(replicas=3, readyReplicas=1)
    found.pod(2, True)
    place.plane.eventually_status(place.path("v1", "pods", "db-2"), 404)
    place.plane.eventually_status(place.path("v1", "pods", "db-1"), 404)


def test_in_a_rollout_new_pods_are_of_the_new_revision(place: Place) -> None:
    found = Stateful(place, 2, podManagementPolicy="Parallel")
    for number in range(2):
        found.pod(number, number == 0)
    changed = {**TEMPLATE, "metadata": {"labels": {"app": "web", "v": "2"}}}
    found.change(template=changed)
    revision = found.eventually()["status"]["updateRevision"]
    place.plane.request("DELETE", place.path("v1", "pods", "db-0") + "?gracePeriodSeconds=0")

    def is_new(one: Any) -> bool:
        return bool(one["metadata"]["labels"]["controller-revision-hash"] == revision)

    assert place.eventually("v1", "pods", "db-0", is_new)["metadata"]["labels"]["v"] == "2"


def test_pods_of_a_set_are_ready_when_they_run(place: Place) -> None:
    found = Stateful(place, 1)
    found.pod(0, True, "Pending")
    assert "readyReplicas" not in found.eventually(replicas=1)["status"]
    found.pod(0, True)
    found.eventually(readyReplicas=1)


@pytest.mark.parametrize("kind", ["statefulsets", "daemonsets"])
def test_a_rollback_makes_an_old_revision_the_newest(place: Place, kind: str) -> None:
    spec: dict[str, Any] = {"selector": SELECTOR, "template": TEMPLATE}
    place.create("apps/v1", kind, "db", spec=spec | ({"serviceName": "db"} if kind == "statefulsets" else {}))
    path = place.path("apps/v1", "controllerrevisions")

    def numbers(count: int) -> list[int]:
        answer = place.plane.eventually(path, lambda found: sum(one["revision"] for one in found["items"]) == count)
        return sorted(one["revision"] for one in answer["items"])

    assert numbers(1) == [1]
    changed = {**TEMPLATE, "metadata": {"labels": {"app": "web", "v": "2"}}}
    place.patch(place.path("apps/v1", kind, "db"), {"spec": {"template": changed}})
    assert numbers(3) == [1, 2]
    place.patch(place.path("apps/v1", kind, "db"), {"spec": {"template": {"metadata": {"labels": {"v": None}}}}})
    assert numbers(5) == [2, 3]


# volumes


def volume(place: Place, path: str, policy: str = "Retain") -> str:
    name = f"{place.namespace}-v"
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": path}}
    spec |= {"persistentVolumeReclaimPolicy": policy, "storageClassName": place.namespace}
    place.post("/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": spec})
    return name


def claim(place: Place, name: str, volume: str, size: str = "1Gi") -> None:
    spec = {"volumeName": volume, "accessModes": ["ReadWriteOnce"], "storageClassName": place.namespace}
    spec["resources"] = {"requests": {"storage": size}}  # type: ignore[assignment]
    place.create("v1", "persistentvolumeclaims", name, spec=spec)


def has_phase(phase: str) -> Callable[[Any], bool]:
    return lambda one: bool((one.get("status") or {}).get("phase") == phase)


def test_a_volume_that_is_too_small_is_not_bound(place: Place) -> None:
    name = volume(place, "/x")
    claim(place, "c", name, "2Gi")
    text = f'Cannot bind to requested volume "{name}": requested PV is too small'
    assert place.told("c", "VolumeMismatch") == text
    assert place.plane.get(place.path("v1", "persistentvolumeclaims", "c"))["status"] == {"phase": "Pending"}


def test_a_volume_is_bound_to_one_claim(place: Place) -> None:
    name = volume(place, "/x")
    claim(place, "a", name)
    place.eventually("v1", "persistentvolumeclaims", "a", has_phase("Bound"))
    claim(place, "b", name)
    assert place.told("b", "FailedBinding") == f'volume "{name}" already bound to a different claim.'


def test_a_class_that_comes_later_is_used(place: Place) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    place.create("v1", "persistentvolumeclaims", "a", spec=spec)
    place.create("v1", "persistentvolumeclaims", "b", spec={**spec, "storageClassName": place.namespace})
    place.told("a", "FailedBinding")
    place.told("b", "ProvisioningFailed")
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    meta = {"name": place.namespace, "annotations": default}
    place.post("/apis/storage.k8s.io/v1/storageclasses", {"metadata": meta, "provisioner": "example.com/disk"})
    for name in ("a", "b"):
        place.told(name, "ExternalProvisioning")
        found = place.plane.get(place.path("v1", "persistentvolumeclaims", name))
        assert found["spec"]["storageClassName"] == place.namespace
    place.plane.request("DELETE", f"/apis/storage.k8s.io/v1/storageclasses/{place.namespace}")


def test_a_claim_that_lost_its_volume_has_no_capacity(place: Place) -> None:
    name = volume(place, "/x")
    claim(place, "c", name)
    place.eventually("v1", "persistentvolumeclaims", "c", has_phase("Bound"))
    path = f"/api/v1/persistentvolumes/{name}"
    place.plane.request("DELETE", path)
    place.patch(path, {"metadata": {"finalizers": None}})
    found = place.eventually("v1", "persistentvolumeclaims", "c", has_phase("Lost"))
    assert found["status"] == {"phase": "Lost"}


def test_host_paths_below_tmp_are_deleted_and_others_fail(place: Place) -> None:
    for path, code in (("/tmp/x", 404), ("/x", 200)):
        name = volume(place, path, "Delete")
        claim(place, "c", name)
        place.eventually("v1", "persistentvolumeclaims", "c", has_phase("Bound"))
        place.plane.request("DELETE", place.path("v1", "persistentvolumeclaims", "c"))
        place.plane.eventually_status(place.path("v1", "persistentvolumeclaims", "c"), 404)
        if code == 404:
            place.plane.eventually_status(f"/api/v1/persistentvolumes/{name}", 404)
    found = place.plane.eventually(f"/api/v1/persistentvolumes/{name}", has_phase("Failed"))
    assert found["status"]["message"] == "host_path deleter only supports /tmp/.+ but received provided /x"


# nodes


def test_the_log_of_a_pod_on_a_node_without_addresses(place: Place) -> None:
    place.post("/api/v1/nodes", {"metadata": {"name": place.namespace}})
    place.create("v1", "pods", "p", spec={**TEMPLATE["spec"], "nodeName": place.namespace})
    code, answer = place.plane.request("GET", f"{place.path('v1', 'pods', 'p')}/log")
    assert (code, answer["message"]) == (500, "no preferred addresses found; known addresses: []")
    assert "reason" not in answer
    place.plane.request("DELETE", f"/api/v1/nodes/{place.namespace}")


def test_nodes_have_the_labels_of_old(place: Place) -> None:
    labels = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64", "beta.kubernetes.io/arch": "x"}
    place.post("/api/v1/nodes", {"metadata": {"name": place.namespace, "labels": labels}})
    wanted = {**labels, "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "arm64"}
    place.plane.eventually(f"/api/v1/nodes/{place.namespace}", lambda one: one["metadata"]["labels"] == wanted)
    place.plane.request("DELETE", f"/api/v1/nodes/{place.namespace}")


def test_nodes_say_how_long_kubelets_may_keep_what_they_read(place: Place) -> None:
    place.post("/api/v1/nodes", {"metadata": {"name": place.namespace}})
    path, wanted = f"/api/v1/nodes/{place.namespace}", {"node.alpha.kubernetes.io/ttl": "0"}
    place.plane.eventually(path, lambda one: one["metadata"].get("annotations") == wanted)
    place.plane.request("DELETE", path)


# roles


def test_rules_of_an_aggregate_are_applied(place: Place) -> None:
    roles, name = "/apis/rbac.authorization.k8s.io/v1/clusterroles", f"{place.namespace}-all"
    selector = {"matchLabels": {"part-of": place.namespace}}
    place.post(roles, {"metadata": {"name": name}, "aggregationRule": {"clusterRoleSelectors": [selector]}})
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    part = {"name": f"{place.namespace}-part", "labels": selector["matchLabels"]}
    place.post(roles, {"metadata": part, "rules": [rule]})
    found = place.plane.eventually(f"{roles}/{name}", lambda one: one.get("rules") == [rule])
    entries = [one for one in found["metadata"]["managedFields"] if "f:rules" in one["fieldsV1"]]
    assert [(one["manager"], one["operation"]) for one in entries] == [("clusterrole-aggregation-controller", "Apply")]
    place.plane.request("DELETE", f"{roles}/{part['name']}")
    place.plane.eventually(f"{roles}/{name}", lambda one: not one.get("rules"))
    place.plane.request("DELETE", f"{roles}/{name}")


# what is owned


def ephemeral(place: Place, name: str) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": claim}
    volumes = [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]
    place.create("v1", "pods", name, spec={**TEMPLATE["spec"], "volumes": volumes})


def test_an_ephemeral_volume_has_a_claim_as_long_as_its_pod(place: Place) -> None:
    ephemeral(place, "p")
    path = place.path("v1", "persistentvolumeclaims", "p-v")
    place.plane.eventually_status(path, 200)
    found = place.plane.get(path)
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"], owner["blockOwnerDeletion"]) == ("Pod", "p", True, True)
    assert (found["metadata"]["labels"], found["spec"]["accessModes"]) == ({"a": "b"}, ["ReadWriteOnce"])
    place.plane.request("DELETE", place.path("v1", "pods", "p") + "?gracePeriodSeconds=0")
    place.plane.eventually_status(path, 404)


def test_the_claim_of_an_ephemeral_volume_may_be_somebody_else_s(place: Place) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    place.create("v1", "persistentvolumeclaims", "p-v", spec=spec)
    ephemeral(place, "p")
    claim, pod = f"{place.namespace}/p-v", f"{place.namespace}/p"
    wanted = f"ephemeral volume v: PVC {claim} was not created for pod {pod} (pod is not owner)"
    assert place.told("p", "FailedBinding") == wanted


@pytest.mark.parametrize("policy", ["Orphan", "Background"])
def test_pods_of_a_job_that_is_gone_are_not_tracked(place: Place, policy: str) -> None:
    place.create("batch/v1", "jobs", "j", spec=JOB)
    pods = f"{place.path('v1', 'pods')}?labelSelector=job-name%3Dj"
    name = place.plane.eventually(pods, lambda answer: answer["items"])["items"][0]["metadata"]["name"]
    place.plane.request("DELETE", f"{place.path('batch/v1', 'jobs', 'j')}?propagationPolicy={policy}")
    if policy == "Background":
        place.plane.eventually_status(place.path("v1", "pods", name), 404)
    else:
        place.eventually("v1", "pods", name, lambda one: "finalizers" not in one["metadata"])


def owned(place: Place, namespace: str, kind: str) -> dict[str, Any]:
    place.create("v1", "configmaps", "owner")
    uid = place.plane.get(place.path("v1", "configmaps", "owner"))["metadata"]["uid"]
    ref = {"apiVersion": "v1", "kind": kind, "name": "owner", "uid": uid}
    place.post(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "x", "ownerReferences": [ref]}})
    return ref


def test_an_owner_in_another_namespace_is_none(place: Place) -> None:
    other = f"{place.namespace}-other"
    place.post("/api/v1/namespaces", {"metadata": {"name": other}})
    ref = owned(place, other, "ConfigMap")
    place.plane.eventually_status(f"/api/v1/namespaces/{other}/configmaps/x", 404)
    shown = f"[v1/ConfigMap, namespace: {other}, name: owner, uid: {ref['uid']}]"
    wanted = f'ownerRef {shown} does not exist in namespace "{other}"'
    assert Place(place.plane, other).told("x", "OwnerRefInvalidNamespace") == wanted
    place.plane.request("DELETE", f"/api/v1/namespaces/{other}")


def test_an_owner_of_another_kind_is_none(place: Place) -> None:
    owned(place, place.namespace, "Secret")
    place.plane.eventually_status(place.path("v1", "configmaps", "x"), 404)
