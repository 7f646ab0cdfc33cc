"""Pods without a server: defaults, rules, updates and columns of the strategy, expected texts written out."""

# ruff: noqa: E501 (expected texts are as long as the server makes them)

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.errors import StatusError
from apiserver.kinds.kind import Context, Object, User, subresource
from apiserver.kinds.pod import KINDS
from apiserver.kinds.pod_columns import COLUMNS, row_conditions
from apiserver.kinds.pod_validation import template_warnings, validate_pod_template
from apiserver.kinds.pods import eviction

POD = KINDS[0]
CONTEXT = Context(cluster=None, user=User("tester"), namespace="n", now="2026-01-02T03:04:05Z")  # type: ignore[arg-type]


def make_pod(**spec: Any) -> Object:
    """A pod as it is after the first half of a create."""
    spec.setdefault("containers", [{"name": "c", "image": "nginx"}])
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec}
    POD.strategy.default(pod)
    POD.strategy.prepare_for_create(pod, CONTEXT)
    return pod


def causes(pod: Object) -> list[str]:
    return [str(error) for error in POD.strategy.validate(pod, CONTEXT)]


def faults(**spec: Any) -> list[str]:
    """What is wrong with a pod of that spec."""
    return causes(make_pod(**spec))


def container(**fields: Any) -> list[Object]:
    return [{"name": "c", "image": "nginx", **fields}]


def changed(old: Object, **spec: Any) -> list[str]:
    """What is wrong with a change of those fields."""
    new = copy.deepcopy(old)
    new["spec"].update(spec)
    return [str(error) for error in POD.strategy.validate_update(new, old, CONTEXT)]


def test_defaults() -> None:
    pod = make_pod(
        containers=container(
            ports=[{"containerPort": 80}],
            readinessProbe={"httpGet": {"port": 80}},
            resources={"limits": {"cpu": "1"}},
        )
    )
    made = pod["spec"]["containers"][0]
    assert made["imagePullPolicy"] == "Always"
    assert made["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert made["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert made["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
    assert pod["status"] == {"phase": "Pending", "qosClass": "Burstable"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1", "IfNotPresent"),
        ("host:5000/nginx", "Always"),
        ("host:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    pod = make_pod(containers=[{"name": "c", "image": image}])
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == policy


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
        ({"limits": {"example.com/gpu": "1"}}, "BestEffort"),
    ],
)
def test_quality_of_service(resources: Object, quality: str) -> None:
    assert make_pod(containers=container(resources=resources))["status"]["qosClass"] == quality


def test_a_valid_pod_has_no_causes() -> None:
    assert faults() == []


NOT_A_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": []}, ["spec.containers: Required value"]),
        (
            {"hostnameOverride": "own.example", "setHostnameAsFQDN": True},
            ["spec.setHostnameAsFQDN: Forbidden: may not be true when `hostnameOverride` is set"],
        ),
        (
            {"containers": [{"name": "C", "image": ""}]},
            [
                f'spec.containers[0].name: Invalid value: "C": {NOT_A_LABEL}',
                "spec.containers[0].image: Required value",
            ],
        ),
        (
            {"restartPolicy": "Sometimes"},
            [
                'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
            ],
        ),
        (
            {"containers": container(image=" nginx")},
            ['spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace'],
        ),
        (
            {"containers": container(volumeMounts=[{"name": "v", "mountPath": "/v"}])},
            ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
        ),
        (
            {"containers": container(livenessProbe={"periodSeconds": -1})},
            [
                "spec.containers[0].livenessProbe: Required value: must specify a handler type",
                "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
        (
            {"containers": container(resources={"requests": {"hugepages-2Mi": "3Mi"}})},
            [
                "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
                'spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive '
                "integer multiple of hugepages-2Mi",
                "spec.containers[0].resources: Forbidden: HugePages require cpu or memory",
            ],
        ),
        (
            {"tolerations": [{"key": "a", "tolerationSeconds": 5}]},
            [
                "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` "
                "is set",
            ],
        ),
        (
            {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Cry"}]},
            [
                "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
                "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
                'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Cry": supported values: '
                '"DoNotSchedule", "ScheduleAnyway"',
            ],
        ),
        (
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}},
            [
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required "
                "value: must have at least one node selector term",
            ],
        ),
        (
            {"securityContext": {"runAsUser": -1, "seccompProfile": {"type": "Localhost"}}},
            [
                "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is "
                "Localhost",
            ],
        ),
        (
            {"os": {"name": "windows"}, "securityContext": {"fsGroup": 5}},
            ["spec.securityContext.fsGroup: Forbidden: cannot be set for a windows pod"],
        ),
        (
            {"schedulingGates": [{"name": "example.com/a"}], "nodeName": "n"},
            ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
        ),
        (
            {"ephemeralContainers": [{"name": "debug", "image": "busybox"}]},
            ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
        ),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            [
                "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when "
                "serviceAccountName is not set",
            ],
        ),
        (
            {"dnsConfig": {"nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"], "searches": ["_a.example."]}},
            [
                'spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4"]: must not have '
                "more than 3 nameservers",
            ],
        ),
    ],
)
def test_rules(spec: Object, expected: list[str]) -> None:
    assert faults(**copy.deepcopy(spec)) == expected


def test_annotations_of_old_are_checked() -> None:
    pod = make_pod()
    pod["metadata"]["annotations"] = {
        "controller.kubernetes.io/pod-deletion-cost": "007",
        "container.apparmor.security.beta.kubernetes.io/other": "none",
    }
    assert causes(pod) == [
        "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"007\": must be a 32bit integer",
        "metadata.annotations[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: \"other\": container "
        "not found",
        "metadata.annotations[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: \"none\": invalid "
        'AppArmor profile name: "none"',
    ]  # fmt: skip


@pytest.mark.parametrize(
    "null",
    ["nodeSelector", "volumes", "tolerations", "affinity", "securityContext", "dnsConfig", "hostAliases", "overhead"],
)
def test_absent_parts_do_no_harm(null: str) -> None:
    pod = make_pod()
    pod["spec"].pop(null, None)
    assert causes(pod) == []


def test_host_ports_of_a_pod_on_the_hosts_network() -> None:
    pod = make_pod(hostNetwork=True, containers=container(ports=[{"containerPort": 80}]))
    assert pod["spec"]["containers"][0]["ports"][0]["hostPort"] == 80
    assert causes(pod) == []


def test_label_keys_become_expressions() -> None:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "a"}}, "matchLabelKeys": ["hash"]}
    pod: Object = {
        "metadata": {"name": "p", "labels": {"hash": "1"}},
        "spec": {
            "containers": container(),
            "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}},
        },
    }
    POD.strategy.default(pod)
    POD.strategy.prepare_for_create(pod, CONTEXT)
    assert term["labelSelector"] == {
        "matchLabels": {"app": "a"},
        "matchExpressions": [{"key": "hash", "operator": "In", "values": ["1"]}],
    }


def test_a_label_key_that_the_selector_names_too() -> None:
    constraint = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"hash": "1"}},
        "matchLabelKeys": ["hash"],
    }
    pod = make_pod(topologySpreadConstraints=[constraint])
    pod["metadata"]["labels"] = {"hash": "1"}
    POD.strategy.prepare_for_create(pod, CONTEXT)
    assert causes(pod) == [
        'spec.topologySpreadConstraints[0].matchLabelKeys[0]: Invalid value: "hash": exists in both matchLabelKeys and labelSelector'
    ]


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


def test_warnings() -> None:
    pod = make_pod(
        nodeSelector={"beta.kubernetes.io/os": "linux"},
        terminationGracePeriodSeconds=-1,
        containers=container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
    )
    assert POD.strategy.warnings(pod, None, CONTEXT) == [
        'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
    ]
    assert POD.strategy.warnings(pod, pod, CONTEXT) == []


def test_warnings_of_files_ports_and_addresses() -> None:
    items = [{"key": "a", "path": "x"}, {"key": "b", "path": "x/y"}, {"key": "c", "path": "xy"}]
    token = {"serviceAccountToken": {"path": "x/"}}
    pod = make_pod(
        volumes=[
            {"name": "v", "secret": {"secretName": "s", "items": items}},
            {"name": "p", "projected": {"sources": [{"configMap": {"name": "c", "items": items[1:]}}, token, {}]}},
        ],
        containers=[
            {"name": name, "image": "i", "ports": [{"name": "http", "containerPort": port}]}
            for name, port in (("a", 80), ("b", 81))
        ],
        hostAliases=[{"ip": "0::1", "hostnames": ["h"]}],
    )
    first = "spec.containers[0].ports[0]"
    assert POD.strategy.warnings(pod, None, CONTEXT) == [
        'volume "v" (Secret "s"): overlapping paths: "x/y" with "x"',
        'volume "p" (Projected) has no sources provided',
        'volume "p" (Projected): overlapping paths: "x" (ServiceAccountToken) with "x/y" (ConfigMap "c")',
        f'spec.containers[1].ports[0]: duplicate port name "http" with {first}, services and probes that select ports '
        f"by name will use {first}",
        'spec.hostAliases[0].ip: IPv6 address "0::1" should be in RFC 5952 canonical format ("::1")',
    ]


def test_templates_have_paths_of_their_own_and_leave_host_ports_open() -> None:
    pod = make_pod(hostNetwork=True, containers=container(image=" padded "))
    template = {"metadata": {"labels": {"app": "a"}}, "spec": pod["spec"]}
    assert validate_pod_template(template, "spec.template", CONTEXT) == []
    template["spec"] = {**template["spec"], "ephemeralContainers": [{"name": "d", "image": "b"}]}
    found = validate_pod_template(template, "spec.template", CONTEXT)
    assert found[-1].field == "spec.template.spec.ephemeralContainers"
    assert template_warnings({"spec": {"volumes": [{"name": "v", "gitRepo": {}}]}}, "template") == [
        "template.spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"
    ]


def cells(spec: Object, status: Object, **metadata: Any) -> tuple[Any, ...]:
    """READY, STATUS and RESTARTS."""
    pod = {"metadata": {"name": "p", **metadata}, "spec": spec, "status": status}
    return tuple(column.value(pod) for column in COLUMNS[:3])


ONE, TWO = {"containers": container()}, {"containers": [{"name": "a"}, {"name": "b"}]}
RUNNING = {"ready": True, "state": {"running": {}}}
INIT = {"containers": container(), "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("spec", "status", "shown"),
    [
        (ONE, {"phase": "Pending"}, ("0/1", "Pending", "0")),
        (ONE, {"phase": "Running", "containerStatuses": [{**RUNNING, "restartCount": 2}]}, ("1/1", "Running", "2")),
        (
            ONE,
            {"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            ("0/1", "CrashLoopBackOff", "0"),
        ),
        (ONE, {"containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}, ("0/1", "ExitCode:3", "0")),
        (ONE, {"containerStatuses": [{"state": {"terminated": {"signal": 9}}}]}, ("0/1", "Signal:9", "0")),
        (
            TWO,
            {"containerStatuses": [RUNNING, {"state": {"terminated": {"reason": "Completed"}}}]},
            ("1/2", "NotReady", "0"),
        ),
        (INIT, {"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}, ("0/2", "Init:0/2", "0")),
        (
            INIT,
            {"initContainerStatuses": [{"name": "i", "restartCount": 4, "state": {"terminated": {"exitCode": 1}}}]},
            ("0/2", "Init:ExitCode:1", "4"),
        ),
        (
            INIT,
            {
                "phase": "Running",
                "initContainerStatuses": [
                    {"name": "i", "restartCount": 4, "state": {"terminated": {"exitCode": 0}}},
                    {"name": "s", "restartCount": 1, "started": True, **RUNNING},
                ],
                "containerStatuses": [RUNNING],
            },
            ("2/2", "Running", "1"),
        ),
    ],
)  # fmt: skip
def test_columns(spec: Object, status: Object, shown: tuple[str, ...]) -> None:
    assert cells(spec, status) == shown


def test_columns_of_pods_that_go() -> None:
    going = {"deletionTimestamp": "2026-01-02T03:04:05Z"}
    assert cells(ONE, {"phase": "Running"}, **going)[1] == "Terminating"
    assert cells(ONE, {"phase": "Running", "reason": "NodeLost"}, **going)[1] == "Unknown"
    assert cells(ONE, {"phase": "Succeeded"}, **going)[1] == "Succeeded"
    assert row_conditions({"status": {"phase": "Failed"}}) == [
        {"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}
    ]


def make_budget(allowed: int, **spec: Any) -> Object:
    """A budget that wants one pod and has one."""
    status = {"observedGeneration": 1, "disruptionsAllowed": allowed, "desiredHealthy": 1, "currentHealthy": 1}
    return {"metadata": {"name": "keep", "generation": 1}, "spec": spec, "status": status}


HEALTHY: Object = {
    "metadata": {"name": "p"},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
NOW = "2026-01-02T03:04:05Z"


def test_eviction_spends_the_budget() -> None:
    spent = eviction.spend(HEALTHY, [make_budget(2)], NOW)
    assert spent is not None
    assert spent["status"]["disruptionsAllowed"] == 1
    assert spent["status"]["disruptedPods"] == {"p": NOW}


@pytest.mark.parametrize(
    ("budgets", "code", "why"),
    [
        ([make_budget(0)], 429, "The disruption budget keep needs 1 healthy pods and has 1 currently"),
        (
            [{**make_budget(1), "metadata": {"name": "keep", "generation": 2}}],
            429,
            "The disruption budget keep is still being processed by the server.",
        ),
        ([make_budget(-1)], 403, ""),
        ([make_budget(1), make_budget(1)], 500, ""),
    ],
)
def test_evictions_refused(budgets: list[Object], code: int, why: str) -> None:
    with pytest.raises(StatusError) as caught:
        eviction.spend(HEALTHY, budgets, NOW)
    assert caught.value.code == code
    if why:
        assert caught.value.details is not None
        assert caught.value.details["causes"] == [{"reason": "DisruptionBudget", "message": why}]


@pytest.mark.parametrize(
    ("status", "budget"),
    [
        ({"phase": "Pending"}, make_budget(0)),
        ({"phase": "Succeeded"}, make_budget(0)),
        ({"phase": "Running"}, make_budget(0)),  # not ready, and the budget is met without it
        ({"phase": "Running"}, {**make_budget(0, unhealthyPodEvictionPolicy="AlwaysAllow"), "status": {}}),
    ],
)
def test_pods_that_no_budget_guards(status: Object, budget: Object) -> None:
    assert eviction.spend({"metadata": {"name": "p"}, "status": status}, [budget], NOW) is None


def test_an_evicted_pod_says_so_once() -> None:
    pod = eviction.mark(eviction.mark(copy.deepcopy(HEALTHY), NOW), NOW)
    assert [condition["type"] for condition in pod["status"]["conditions"]] == ["Ready", "DisruptionTarget"]
