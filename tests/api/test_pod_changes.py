"""What of a pod may change, through which subresource, and how it ends."""

# ruff: noqa: E501 (expected texts are as long as the server makes them)

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.kinds.kind import Object, subresource
from tests.api.pods import CONTEXT, POD, changed, container, make_pod


def test_empty_and_absent_are_no_change() -> None:
    old = make_pod()
    assert changed(old, nodeSelector={}, overhead={}, volumes=[], hostAliases=[]) == []


CHANGE = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)


def test_a_forbidden_change_is_shown_as_a_diff() -> None:
    assert changed(make_pod(), schedulerName="mine") == [
        CHANGE + '@@ -68,7 +68,7 @@\n  "Subdomain": "",\n  "SetHostnameAsFQDN": null,\n  "Affinity": null,\n'
        '- "SchedulerName": "default-scheduler",\n+ "SchedulerName": "mine",\n  "Tolerations": null,\n'
        '  "HostAliases": null,\n  "PriorityClassName": "",\n'
    ]


def test_what_may_change() -> None:
    old = make_pod(activeDeadlineSeconds=50, tolerations=[{"key": "a", "operator": "Exists"}])
    added = [*old["spec"]["tolerations"], {"key": "b", "operator": "Exists"}]
    image = [{**old["spec"]["containers"][0], "image": "redis"}]
    assert changed(old, containers=image, activeDeadlineSeconds=40, tolerations=added) == []


def test_pods_that_wait_at_gates_may_be_narrowed() -> None:
    old = make_pod(schedulingGates=[{"name": "example.com/a"}], nodeSelector={"disk": "ssd"})
    assert old["status"]["conditions"][0]["reason"] == "SchedulingGated"
    assert changed(old, schedulingGates=[], nodeSelector={"disk": "ssd", "zone": "a"}) == []
    (fault,) = changed(old, nodeSelector={"disk": "hdd"})
    assert fault.startswith("spec.nodeSelector: Invalid value")


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"containers": []}, "spec.containers: Forbidden: pod updates may not add or remove containers"),
        ({"activeDeadlineSeconds": 60}, "spec.activeDeadlineSeconds: Invalid value: 60: must be less than or equal to previous value"),
        ({"tolerations": []}, "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"),
        ({"schedulingGates": [{"name": "a"}]}, "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a'"),
    ],
)  # fmt: skip
def test_what_may_not_change(spec: Object, fault: str) -> None:
    old = make_pod(activeDeadlineSeconds=50, tolerations=[{"key": "a", "operator": "Exists"}])
    assert fault in changed(old, **spec)


def through(name: str, old: Object, **spec: Any) -> tuple[Object, list[str]]:
    """A write through a subresource: the object it makes, and the causes."""
    sub = subresource(POD, name)
    assert sub is not None
    assert sub.strategy is not None
    new = copy.deepcopy(old)
    new["spec"].update(spec)
    new["metadata"]["labels"] = {"sneaked": "in"}
    sub.strategy.default(new)
    sub.strategy.prepare_for_update(new, old, CONTEXT)
    return new, [str(error) for error in sub.strategy.validate_update(new, old, CONTEXT)]


def test_resize_changes_cpu_and_memory_alone() -> None:
    old = make_pod(containers=container(resources={"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}))
    wanted = [{"name": "c", "image": "redis", "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}}}]
    new, found = through("resize", old, containers=wanted)
    assert found == []
    assert new["spec"]["containers"][0]["image"] == "nginx"
    assert new["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "2"
    assert "labels" not in new["metadata"]


def test_resize_keeps_the_quality_and_what_was_asked_for() -> None:
    old = make_pod(containers=container(resources={"limits": {"cpu": "1", "memory": "1Gi"}}))
    _, found = through("resize", old, containers=[{"name": "c", "image": "nginx", "resources": {}}])
    assert found == [
        'spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing',
        "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
        "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
    ]


@pytest.mark.parametrize(
    ("spec", "faults"),
    [
        (
            {"containers": [{"name": "c", "image": "nginx"}, {"name": "d", "image": "nginx"}]},
            ["spec.containers: Forbidden: containers may not be added or removed on resize"],
        ),
        (
            {"initContainers": []},
            ["spec.initContainers: Forbidden: initContainers may not be added or removed on resize"],
        ),
        (
            {"containers": [{"name": "x", "image": "nginx"}]},
            ["spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"],
        ),
        (
            {"initContainers": [{"name": "j", "image": "nginx"}, {"name": "i", "image": "nginx"}]},
            [
                "spec.initContainers[0].name: Forbidden: initContainers may not be renamed or reordered on resize",
                "spec.initContainers[1].name: Forbidden: initContainers may not be renamed or reordered on resize",
            ],
        ),
    ],
)
def test_resize_leaves_the_containers_in_their_places(spec: Object, faults: list[str]) -> None:
    old = make_pod(initContainers=[{"name": "i", "image": "nginx"}, {"name": "j", "image": "nginx"}])
    assert through("resize", old, **spec)[1] == faults


def test_resize_of_the_pod_as_a_whole() -> None:
    whole = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}}
    old = make_pod(resources=whole)
    new, found = through("resize", old, resources={**whole, "requests": {"cpu": "2", "memory": "2Gi"}})
    assert found == []
    assert new["spec"]["resources"]["requests"] == {"cpu": "2", "memory": "2Gi"}
    _, found = through("resize", old, resources={"requests": {"cpu": "1"}, "limits": {"cpu": "2"}})
    assert found == ["spec.resources.requests: Forbidden: pod-level resource requests cannot be removed"]
    _, found = through("resize", old, resources=None)
    assert "spec.resources: Forbidden: pod-level resources cannot be removed" in found
    huge = {"hugepages-2Mi": "2Mi"}
    _, found = through(
        "resize", old, resources={"requests": whole["requests"] | huge, "limits": whole["limits"] | huge}
    )
    assert found == ["spec: Forbidden: only cpu and memory resources are mutable at pod-level"]


def test_ephemeral_containers_come_and_stay() -> None:
    debug = {"name": "debug", "image": "busybox:1"}
    old, found = through("ephemeralcontainers", make_pod(), ephemeralContainers=[debug])
    assert found == []
    _, found = through("ephemeralcontainers", old, ephemeralContainers=[])
    assert found == ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed\n']


def test_status_writes_keep_quality_and_agree_on_the_address() -> None:
    old = make_pod()
    new = {**copy.deepcopy(old), "status": {"phase": "Running", "podIP": "10.0.0.1"}}
    POD.strategy.prepare_for_status_update(new, old, CONTEXT)
    assert POD.strategy.validate_status_update(new, old, CONTEXT) == []
    assert new["status"] == {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}],
        "qosClass": "BestEffort",
    }


@pytest.mark.parametrize(
    ("policy", "container", "code", "stays"),
    [
        ("Always", {}, 0, False),
        ("OnFailure", {}, 1, False),
        ("OnFailure", {}, 0, True),
        ("Never", {"restartPolicy": "OnFailure"}, 1, False),
        ("Never", {"restartPolicy": "Never"}, 1, True),
    ],
)
def test_an_ended_container_comes_back_where_it_restarts(
    policy: str, container: Object, code: int, stays: bool
) -> None:
    spec = {"restartPolicy": policy, "containers": [{"name": "c", "image": "i", **container}]}
    old = {
        **make_pod(**spec),
        "status": {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": code}}}]},
    }
    new = {**old, "status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}}
    why = "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    assert [str(fault) for fault in POD.strategy.validate_status_update(new, old, CONTEXT)] == [why] * stays


def test_a_status_of_a_pod_with_a_node() -> None:
    old = make_pod(nodeName="n")
    conditions = [{"type": "bad type", "observedGeneration": -1}]
    status = {"nominatedNodeName": "m", "observedGeneration": -1, "conditions": conditions, "qosClass": "BestEffort"}
    found = POD.strategy.validate_status_update({**old, "status": status}, old, CONTEXT)
    assert [fault.field for fault in found] == [
        "status.conditions[0].observedGeneration",
        "status.conditions[0].Type",
        "status.nominatedNodeName",
        "status.observedGeneration",
    ]


def test_two_addresses_are_of_two_families() -> None:
    old = make_pod()
    new = {**copy.deepcopy(old), "status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}}
    POD.strategy.prepare_for_status_update(new, old, CONTEXT)
    (error,) = POD.strategy.validate_status_update(new, old, CONTEXT)
    assert error.text.endswith("may specify no more than one IP for each IP family")


@pytest.mark.parametrize(
    ("node", "phase", "own", "asked", "grace"),
    [
        ("", "Pending", 30, None, 0),
        ("n", "Running", 30, None, 30),
        ("n", "Running", 30, 5, 5),
        ("n", "Running", -1, None, 1),
        ("n", "Succeeded", 30, None, 0),
        ("n", "Running", 30, 0, 0),
    ],
)
def test_grace(node: str, phase: str, own: int, asked: int | None, grace: int) -> None:
    pod = {"spec": {"nodeName": node, "terminationGracePeriodSeconds": own}, "status": {"phase": phase}}
    assert POD.strategy.grace_period(pod, {} if asked is None else {"gracePeriodSeconds": asked}) == grace
