"""Pods without a server: defaults, rules and warnings of the strategy, expected texts written out."""

# ruff: noqa: E501 (expected texts are as long as the server makes them)

from __future__ import annotations

import copy

import pytest

from apiserver.kinds.kind import Object
from apiserver.kinds.pod_validation import template_warnings, validate_pod_template
from tests.api.pods import CONTEXT, POD, causes, container, faults, make_pod


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
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "x"}]},
            [
                'spec.tolerations[0].operator: Invalid value: {"Key":"a","Operator":"Exists","Value":"x","Effect":"",'
                "\"TolerationSeconds\":null}: value must be empty when `operator` is 'Exists'"
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


def test_files_with_variables_are_in_empty_directories() -> None:
    def reading(volume: str) -> list[Object]:
        reference = {"volumeName": volume, "path": "a", "key": "K"}
        return container(env=[{"name": "A", "valueFrom": {"fileKeyRef": reference}}])

    volumes = [{"name": "v", "emptyDir": {}}, {"name": "m", "configMap": {"name": "x"}}]
    at = "spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName"
    assert faults(volumes=volumes, containers=reading("v")) == []
    assert faults(volumes=volumes, containers=reading("w")) == [f'{at}: Not found: "w"']
    wrong = f'{at}: Invalid value: "m": referenced volume must be of type emptyDir'
    assert faults(volumes=volumes, containers=reading("m")) == [wrong]
