"""Pod Security Standards: every check's words, versions, and who is refused or only warned."""

# ruff: noqa: E501 (expected texts are as long as the server makes them)

from __future__ import annotations

from typing import Any

import pytest

from apiserver.podsecurity import Policy, policy
from tests.plane import Plane

Object = dict[str, Any]
FREE = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
SAFE: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def spec(security: Object | None = None, **fields: Any) -> Object:
    container = {"name": "c", "image": "i"} | ({"securityContext": security} if security is not None else {})
    return {"containers": [container], **fields}


def found(level: str, pod: Object, version: str = "latest", **notes: str) -> list[str]:
    return [str(item) for item in Policy(level, version).findings({"annotations": notes}, pod)]


@pytest.mark.parametrize(
    ("pod", "text"),
    [
        (spec({"privileged": True}), 'privileged (container "c" must not set securityContext.privileged=true)'),
        (spec(hostPID=True, hostIPC=True), "host namespaces (hostPID=true, hostIPC=true)"),
        (spec(volumes=[{"name": "v", "hostPath": {}}]), 'hostPath volumes (volume "v")'),
        ({"containers": [{"name": "a", "ports": [{"hostPort": 80}, {"hostPort": 9}]}]}, 'hostPort (container "a" uses hostPorts 80, 9)'),
        ({"containers": [{"name": "a", "livenessProbe": {"tcpSocket": {"host": "h"}}}]}, 'probe or lifecycle host (container "a" uses probe or lifecycle host "h")'),
        (spec({"capabilities": {"add": ["CHOWN", "SYS_TIME"]}}), 'non-default capabilities (container "c" must not include "SYS_TIME" in securityContext.capabilities.add)'),
        (spec({"procMount": "Unmasked"}), 'procMount (container "c" must not set securityContext.procMount to "Unmasked")'),
        (spec(securityContext={"seLinuxOptions": {"type": "t", "role": "r"}}), 'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "t"; role may not be set)'),
        (spec({"seccompProfile": {"type": "Unconfined"}}, securityContext={"seccompProfile": {"type": "Unconfined"}}), 'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")'),
        (spec(securityContext={"sysctls": [{"name": "kernel.sem"}, {"name": "net.ipv4.tcp_rmem"}]}), "forbidden sysctls (kernel.sem)"),
        (spec({"appArmorProfile": {"type": "Unconfined"}}), 'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")'),
        (spec(securityContext={"windowsOptions": {"hostProcess": True}}), "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)"),
    ],
)  # fmt: skip
def test_baseline(pod: Object, text: str) -> None:
    assert found("baseline", pod) == [text]
    assert found("privileged", pod) == []


def test_restricted_lists_the_baseline_first_without_what_it_replaces() -> None:
    bad = spec({"privileged": True, "capabilities": {"add": ["SYS_TIME"]}}, volumes=[{"name": "v", "hostPath": {}}])
    assert found("restricted", bad) == [
        'privileged (container "c" must not set securityContext.privileged=true)',
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]; container "c" must not include "SYS_TIME" in securityContext.capabilities.add)',
        'restricted volume types (volume "v" uses restricted volume type "hostPath")',
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
        f'seccompProfile (pod or container "c" {FREE})',
    ]
    assert found("restricted", spec(SAFE)) == []
    assert found("restricted", spec({**SAFE, "runAsUser": 0})) == [
        'runAsUser=0 (container "c" must not set runAsUser=0)'
    ]


def test_versions() -> None:
    assert found("restricted", spec(), "v1.7") == [
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'
    ]
    key = "seccomp.security.alpha.kubernetes.io/pod"
    assert found("baseline", spec(), "v1.18", **{key: "unconfined"}) == [
        f'seccompProfile (forbidden annotation {key}="unconfined")'
    ]
    reserved = spec(securityContext={"sysctls": [{"name": "net.ipv4.ip_local_reserved_ports"}]})
    assert [bool(found("baseline", reserved, version)) for version in ("v1.26", "v1.27", "v1.99")] == [True, False, False]  # fmt: skip
    apart = spec({**SAFE, "runAsNonRoot": None}, hostUsers=False)
    assert [bool(found("restricted", apart, version)) for version in ("v1.34", "v1.35")] == [True, False]


def test_who_is_not_mentioned_is_warned_of_what_is_enforced() -> None:
    prefix = "pod-security.kubernetes.io/"
    labels = {f"{prefix}enforce": "baseline", f"{prefix}enforce-version": "v1.25"}
    assert policy(labels, "warn") == Policy("baseline", "v1.25")
    assert policy({**labels, f"{prefix}warn": "privileged"}, "warn") == Policy("privileged", "latest")


def test_pods_are_refused_and_what_makes_them_is_warned_of(plane: Plane, namespace: str) -> None:
    path, label = f"/api/v1/namespaces/{namespace}", "pod-security.kubernetes.io/enforce"
    for name in ("a", "b"):
        pod = {"metadata": {"name": name}, "spec": spec(hostNetwork=True)}
        assert plane.request("POST", f"{path}/pods", pod)[0] == 201
    assert plane.kubectl(f"label namespace {namespace} {label}=baseline").stderr.splitlines() == [
        f'Warning: existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "baseline:latest"',
        "Warning: a (and 1 other pod): host namespaces",
    ]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": spec(hostNetwork=True)}
    made = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    assert plane.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", made)[0] == 201
    image = {"spec": {"containers": [{"name": "c", "image": "other"}]}}
    status, answer = plane.request(
        "PATCH", f"{path}/pods/a", image, content_type="application/strategic-merge-patch+json"
    )
    why = 'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    assert (status, answer["message"]) == (403, f'pods "a" is forbidden: {why}')
    note = {"metadata": {"annotations": {"note": "1"}}}
    assert plane.request("PATCH", f"{path}/pods/a", note, content_type="application/merge-patch+json")[0] == 200
