"""Rules of the kinds beyond core, over the running server: one row per rule, the causes as `field: message`."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.plane import Plane

POD: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
SELECTOR = {"matchLabels": {"a": "b"}}
RUN = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
APPS, BATCH = "/apis/apps/v1/namespaces/default", "/apis/batch/v1/namespaces/default"
SCALING = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
STORAGE, FLOW = "/apis/storage.k8s.io/v1", "/apis/flowcontrol.apiserver.k8s.io/v1"
NO_MATCH = "`selector` does not match template `labels`"
MERGE = {"Content-Type": "application/merge-patch+json"}


def workload(**spec: Any) -> dict[str, Any]:
    return {"spec": {"selector": SELECTOR, "template": POD, **spec}}


def job(**spec: Any) -> dict[str, Any]:
    return {"spec": {"template": RUN, **spec}}


def scaler(**spec: Any) -> dict[str, Any]:
    return {"spec": {"scaleTargetRef": TARGET, "maxReplicas": 3, **spec}}


def cron(**spec: Any) -> dict[str, Any]:
    return {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": RUN}}, **spec}}


def causes(answer: Any) -> list[str]:
    return [f"{cause['field']}: {cause['message']}" for cause in answer["details"].get("causes", [])]


def limited(**level: Any) -> dict[str, Any]:
    return {"spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}, **level}}}


NEGATIVE = "must be greater than or equal to 0"
REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        f"{APPS}/deployments",
        {"spec": {"template": POD}},
        ["spec.selector: Required value", f'spec.template.metadata.labels: Invalid value: {{"a":"b"}}: {NO_MATCH}'],
    ),
    (
        f"{APPS}/daemonsets",
        workload(updateStrategy={"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}),
        ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
    ),
    (
        f"{APPS}/daemonsets",
        workload(updateStrategy={"type": "Soon"}),
        [
            'spec.updateStrategy: Unsupported value: {"Type":"Soon","RollingUpdate":null}: supported values: '
            '"RollingUpdate", "OnDelete"'
        ],
    ),
    (
        f"{APPS}/statefulsets",
        workload(ordinals={"start": -1}, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Keep"}),
        [
            'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Keep": supported values: '
            '"Retain", "Delete"',
            f"spec.ordinals.start: Invalid value: -1: {NEGATIVE}",
        ],
    ),
    (
        f"{BATCH}/jobs",
        job(completionMode="Indexed", completions=3, backoffLimitPerIndex=1, maxFailedIndexes=5),
        ["spec.maxFailedIndexes: Invalid value: 5: must be less than or equal to completions"],
    ),
    (
        f"{BATCH}/jobs",
        job(podFailurePolicy={"rules": [{"action": "Count"}]}),
        [
            "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is "
            "required"
        ],
    ),
    (
        f"{BATCH}/jobs",
        job(podFailurePolicy={"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [2, 1]}}]}),
        ["spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,1]: must be ordered"],
    ),
    (
        f"{BATCH}/jobs",
        job(completionMode="Indexed", completions=3, successPolicy={"rules": [{"succeededIndexes": "2,1"}]}),
        [
            'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "2,1": error parsing succeededIndexes: '
            "non-increasing order, previous: 2, current: 1"
        ],
    ),
    (
        f"{BATCH}/cronjobs",
        cron(schedule="* * * * 7"),
        ['spec.schedule: Invalid value: "* * * * 7": end of range (7) above maximum (6): 7'],
    ),
    (
        f"{BATCH}/cronjobs",
        cron(timeZone="Mars/Base"),
        ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'],
    ),
    (
        f"{APPS}/deployments",
        workload(strategy={"type": "Soon", "rollingUpdate": {"maxSurge": 1}}),
        [
            'spec.strategy: Unsupported value: {"Type":"Soon","RollingUpdate":{"MaxUnavailable":0,"MaxSurge":1}}: '
            'supported values: "Recreate", "RollingUpdate"'
        ],
    ),
    (
        SCALING,
        scaler(maxReplicas=0),
        [
            "spec.maxReplicas: Required value: must be set and greater than 0",
            "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
        ],
    ),
    (
        SCALING,
        scaler(scaleTargetRef={**TARGET, "apiVersion": "a/b/c"}),
        ['spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'],
    ),
    (
        SCALING,
        scaler(behavior={"scaleDown": {"stabilizationWindowSeconds": 3601}}),
        ["spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600"],
    ),
    (
        SCALING,
        scaler(metrics=[{"type": "Pods"}]),
        ["spec.metrics[0].pods: Required value: must populate information for the given metric source"],
    ),
    (
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        {"value": 2_000_000_000},
        ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    ),
    (
        f"{STORAGE}/storageclasses",
        {"provisioner": "p", "allowedTopologies": [{}]},
        ['allowedTopologies[0].matchLabelExpressions: Duplicate value: ""'],
    ),
    (
        f"{STORAGE}/storageclasses",
        {"reclaimPolicy": "Recycle"},
        [
            "provisioner: Required value",
            'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
        ],
    ),
    (
        f"{STORAGE}/csidrivers",
        {"spec": {"tokenRequests": [{"audience": "a", "expirationSeconds": 1}, {"audience": "a"}]}},
        [
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 "
            "minutes",
            'spec.tokenRequests[1].audience: Duplicate value: "a"',
        ],
    ),
    (
        f"{STORAGE}/volumeattributesclasses",
        {"driverName": "d"},
        ["parameters: Required value: must contain at least one key/value pair"],
    ),
    (
        f"{STORAGE}/volumeattachments",
        {"spec": {"attacher": "a", "nodeName": "n", "source": {}}},
        ["spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"],
    ),
    (
        f"{FLOW}/flowschemas",
        {"spec": {"matchingPrecedence": 1, "priorityLevelConfiguration": {"name": "p"}}},
        ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"],
    ),
    (
        f"{FLOW}/prioritylevelconfigurations",
        limited(lendablePercent=101),
        ["spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive"],
    ),
    (
        "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims",
        {"spec": {"devices": {"requests": [{"name": "r"}]}}},
        ["spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"],
    ),
    (
        "/apis/apiregistration.k8s.io/v1/apiservices",
        {"spec": {"group": "g", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}},
        ['metadata.name: Invalid value: "x": must be `spec.version+"."+spec.group`: "v1.g"'],
    ),
    (
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
        {"spec": {"request": base64.b64encode(b"x").decode(), "usages": ["any", "any"], "signerName": "a.b/c"}},
        [
            'spec.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST',
            'spec.usages[1]: Duplicate value: "any"',
        ],
    ),
]


@pytest.mark.parametrize(("path", "body", "expected"), REFUSED)
def test_refused(plane: Plane, path: str, body: dict[str, Any], expected: list[str]) -> None:
    status, answer = plane.request("POST", f"{path}?dryRun=All", {"metadata": {"name": "x"}, **body})
    assert (status, causes(answer)) == (422, expected)


DEFAULTED: list[tuple[str, dict[str, Any], str, Any]] = [
    (
        SCALING,
        scaler(behavior={}),
        "spec",
        {
            "behavior": {
                "scaleDown": {
                    "policies": [{"periodSeconds": 15, "type": "Percent", "value": 100}],
                    "selectPolicy": "Max",
                },
                "scaleUp": {
                    "policies": [
                        {"periodSeconds": 15, "type": "Pods", "value": 4},
                        {"periodSeconds": 15, "type": "Percent", "value": 100},
                    ],
                    "selectPolicy": "Max",
                    "stabilizationWindowSeconds": 0,
                },
            }
        },
    ),
    (f"{STORAGE}/storageclasses", {"provisioner": "p"}, "volumeBindingMode", "Immediate"),
    (f"{STORAGE}/csidrivers", {}, "spec", {"attachRequired": True, "volumeLifecycleModes": ["Persistent"]}),
    (
        f"{FLOW}/flowschemas",
        {"spec": {"priorityLevelConfiguration": {"name": "p"}}},
        "spec",
        {"matchingPrecedence": 1000},
    ),
    ("/apis/scheduling.k8s.io/v1/priorityclasses", {"value": 1}, "preemptionPolicy", "PreemptLowerPriority"),
]


@pytest.mark.parametrize(("path", "body", "field", "expected"), DEFAULTED)
def test_defaulted(plane: Plane, path: str, body: dict[str, Any], field: str, expected: Any) -> None:
    status, answer = plane.request("POST", f"{path}?dryRun=All", {"metadata": {"name": "x"}, **body})
    found = answer[field]
    assert status == 201
    assert ({name: found[name] for name in expected} if isinstance(expected, dict) else found) == expected


def test_pods_of_a_stateful_set_mount_its_claims(plane: Plane) -> None:
    container = {"name": "c", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    body = workload(template={**POD, "spec": {"containers": [container]}}, volumeClaimTemplates=[claim])
    assert plane.request("POST", f"{APPS}/statefulsets?dryRun=All", {"metadata": {"name": "x"}, **body})[0] == 201


def test_a_suspended_job_may_be_sent_elsewhere(plane: Plane, namespace: str) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    plane.request("POST", path, {"metadata": {"name": "j"}, **job(suspend=True)})
    moved = {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}
    assert plane.request("PATCH", f"{path}/j", moved, **MERGE)[0] == 200
    status, answer = plane.request(
        "PATCH", f"{path}/j", {"spec": {"suspend": False, "template": {"spec": {"hostNetwork": True}}}}, **MERGE
    )
    assert status == 422
    assert [cause["field"] for cause in answer["details"]["causes"]] == ["spec.template.spec"]


def test_v1_autoscalers_keep_what_v2_knows(plane: Plane, namespace: str) -> None:
    new, old = (f"/apis/autoscaling/{v}/namespaces/{namespace}/horizontalpodautoscalers" for v in ("v2", "v1"))
    metric = {
        "type": "Pods",
        "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "1"}},
    }
    plane.request("POST", new, {"metadata": {"name": "h"}, **scaler(metrics=[metric], behavior={})})
    before = plane.request("GET", f"{new}/h")[1]
    seen = plane.request("GET", f"{old}/h")[1]
    assert set(seen["metadata"]["annotations"]) == {
        "autoscaling.alpha.kubernetes.io/behavior",
        "autoscaling.alpha.kubernetes.io/metrics",
    }
    seen["spec"]["maxReplicas"] = 9
    assert plane.request("PUT", f"{old}/h", seen)[0] == 200
    assert plane.request("GET", f"{new}/h")[1]["spec"] == {**before["spec"], "maxReplicas": 9}


@pytest.mark.parametrize("text", ["", "-5%", "3", "[3]", '{"ScaleUp":3}', '{"ScaleUp":{"Policies":[{"Value":"x"}]}}'])
def test_annotations_of_v1_autoscalers_that_say_nothing_are_dropped(plane: Plane, namespace: str, text: str) -> None:
    new, old = (f"/apis/autoscaling/{v}/namespaces/{namespace}/horizontalpodautoscalers" for v in ("v2", "v1"))
    names = ("metrics", "behavior", "conditions", "current-metrics")
    annotations = {f"autoscaling.alpha.kubernetes.io/{name}": text for name in names}
    status, made = plane.request("POST", old, {"metadata": {"name": "h", "annotations": annotations}, **scaler()})
    assert (status, made["metadata"].get("annotations")) == (201, None)
    assert "behavior" not in plane.request("GET", f"{new}/h")[1]["spec"]


def test_flow_schemas_and_system_classes_are_there(plane: Plane) -> None:
    schemas = plane.request("GET", f"{FLOW}/flowschemas")[1]["items"]
    levels = {
        item["metadata"]["name"] for item in plane.request("GET", f"{FLOW}/prioritylevelconfigurations")[1]["items"]
    }
    assert len(schemas) == 13
    assert {item["spec"]["priorityLevelConfiguration"]["name"] for item in schemas} <= levels
    for item in schemas:  # each passes its own rules
        assert plane.request("PUT", f"{FLOW}/flowschemas/{item['metadata']['name']}?dryRun=All", item)[0] == 200
    classes = plane.request("GET", "/apis/scheduling.k8s.io/v1/priorityclasses")[1]["items"]
    assert {item["metadata"]["name"] for item in classes} >= {"system-cluster-critical", "system-node-critical"}


def test_a_certificate_request_is_approved_once(plane: Plane) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    text = base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    spec = {"request": text, "usages": ["client auth"], "signerName": "example.com/s", "username": "eve"}
    status, made = plane.request("POST", path, {"metadata": {"name": "csr-once"}, "spec": spec})
    assert status == 201
    assert made["spec"]["username"] != "eve"
    approved = {"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "r"}]}}
    ignored = plane.request("PATCH", f"{path}/csr-once/status", approved, **MERGE)[1]
    assert ignored["status"] == {}
    seen = plane.request("PATCH", f"{path}/csr-once/approval", approved, **MERGE)[1]
    assert seen["status"]["conditions"][0]["lastTransitionTime"]
    status, answer = plane.request("PATCH", f"{path}/csr-once/approval", {"status": {"conditions": []}}, **MERGE)
    assert status == 422
    assert causes(answer) == ['status.conditions: Forbidden: updates may not remove a condition of type "Approved"']
    plane.request("DELETE", f"{path}/csr-once")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/apis/policy/v1/namespaces/default/poddisruptionbudgets", {"spec": {}}),
        ("/apis/node.k8s.io/v1/runtimeclasses", {"handler": "h"}),
        (f"{STORAGE}/csidrivers", {}),
    ],
)
def test_a_put_must_say_what_it_replaces(plane: Plane, path: str, body: dict[str, Any]) -> None:
    named = {"metadata": {"name": "blind"}, **body}
    plane.request("POST", path, named)
    status, answer = plane.request("PUT", f"{path}/blind", named)
    plane.request("DELETE", f"{path}/blind")
    assert (status, causes(answer)) == (
        422,
        ["metadata.resourceVersion: Invalid value: 0: must be specified for an update"],
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles", {"rules": []}),
        ("/api/v1/namespaces/{}/limitranges", {"spec": {"limits": []}}),
    ],
)
def test_a_put_makes_what_is_missing(plane: Plane, namespace: str, path: str, body: dict[str, Any]) -> None:
    body = {"metadata": {"name": "new"}, **body}
    assert plane.request("PUT", f"{path.format(namespace)}/new", body)[0] == 201


def test_what_a_suspended_job_may_change(plane: Plane, namespace: str) -> None:
    """Where its pods run and what they get, but not what they are; a fixed policy is shown as the Go type is."""
    path = f"{BATCH.replace('default', namespace)}/jobs"
    assert plane.request("POST", path, {"metadata": {"name": "j"}, **job(suspend=True)})[0] == 201
    pod = RUN["spec"]
    wanted = {
        "nodeSelector": {"a": "b"},
        "containers": [{**pod["containers"][0], "resources": {"limits": {"cpu": "1"}}}],
    }
    body = {"spec": {"template": {"spec": wanted}}}
    status, made = plane.request("PATCH", f"{path}/j", body, **MERGE)
    assert status == 200, made
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}}
    body = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "other"}]}}}}
    status, answer = plane.request("PATCH", f"{path}/j", body, **MERGE)
    assert (status, [cause["field"] for cause in answer["details"]["causes"]]) == (422, ["spec.template.spec"])
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "T"}]}]}
    body = {"spec": {"podFailurePolicy": policy, "podReplacementPolicy": "Failed"}}
    shown = '{"Rules":[{"Action":"Ignore","OnExitCodes":null,"OnPodConditions":[{"Type":"T","Status":"True"}]}]}'
    answer = plane.request("PATCH", f"{path}/j", body, **MERGE)[1]
    assert causes(answer) == [f"spec.podFailurePolicy: Invalid value: {shown}: field is immutable"]


def test_a_job_with_a_negative_count_of_pods_is_refused(plane: Plane, namespace: str) -> None:
    path = f"{BATCH.replace('default', namespace)}/jobs"
    body = {"metadata": {"name": "mine"}, **job(managedBy="example.com/mine")}
    assert plane.request("POST", path, body)[0] == 201
    answer = plane.request("PATCH", f"{path}/mine/status", {"status": {"active": -1}}, **MERGE)[1]
    assert causes(answer) == ["status.active: Invalid value: -1: must be greater than or equal to 0"]


def test_warnings_of_workloads(plane: Plane, namespace: str) -> None:
    claims = [{"metadata": {"name": "v"}, "spec": {"resources": {"requests": {"storage": "1500m"}}}}]
    path = f"{APPS.replace('default', namespace)}/statefulsets"
    body = {"metadata": {"name": "s"}, **workload(replicas=0, revisionHistoryLimit=-1, volumeClaimTemplates=claims)}
    history = (
        "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
    )
    size = 'fractional byte value "1500m" is invalid, must be an integer'
    where = "resources.requests[storage]"
    assert plane.warnings("POST", path, body) == [f"spec.volumeClaimTemplates[0].{where}: {size}", history]
    seen = plane.warnings("PATCH", f"{path}/s", {"spec": {"replicas": 1}}, **MERGE)
    assert seen == [f"spec.volumeClaimTemplates[0].Spec.{where}: {size}", history]
    node = {"metadata": {"name": "n"}, "spec": {"externalID": "x"}}
    deprecated = "spec.externalID: this field is deprecated, and is unused by Kubernetes"
    assert plane.warnings("POST", "/api/v1/nodes?dryRun=All", node) == [deprecated]
    many = {"metadata": {"name": "j"}, **job(completionMode="Indexed", completions=100_001, parallelism=10_001)}
    assert plane.warnings("POST", f"{BATCH}/jobs?dryRun=All", many) == [
        "spec: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
        "Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
    ]


def test_a_scale_is_put_to_the_object_it_names(plane: Plane, namespace: str) -> None:
    path = f"{APPS.replace('default', namespace)}/deployments"
    assert plane.request("POST", path, {"metadata": {"name": "d"}, **workload(replicas=0)})[0] == 201
    other = {"metadata": {"name": "d", "namespace": "other"}, "spec": {"replicas": 1}}
    status, answer = plane.request("PUT", f"{path}/d/scale", other)
    why = "the namespace of the provided object does not match the namespace sent on the request"
    assert (status, answer["message"]) == (400, why)
    status, answer = plane.request("PUT", f"{path}/d/scale", {"metadata": {"name": "d", "uid": "u"}, "spec": {}})
    assert status == 409
    assert "Precondition failed: UID in precondition: u, UID in object meta: " in answer["message"]


def test_an_aggregation_selects_something(plane: Plane) -> None:
    body = {"metadata": {"name": "x"}, "aggregationRule": {}}
    status, answer = plane.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles?dryRun=All", body)
    why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
    assert (status, causes(answer)) == (422, [f"aggregationRule.clusterRoleSelectors: Required value: {why}"])
