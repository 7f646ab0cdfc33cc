"""The core group's other kinds without a server: defaults, rules, updates, columns; expected texts written out."""

# ruff: noqa: E501 (expected texts are as long as the server makes them)

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from apiserver.errors import StatusError
from apiserver.kinds import KINDS
from apiserver.kinds.events import convert
from apiserver.kinds.kind import Context, Kind, Object, User
from apiserver.kinds.pod_validation import validate_pod_template

CONTEXT = Context(cluster=None, user=User("tester"), namespace="n", now="2026-01-02T03:04:05Z")  # type: ignore[arg-type]


def kind(name: str, group: str = "") -> Kind:
    return next(found for found in KINDS if found.kind == name and found.group == group)


def make(name: str, group: str = "", **fields: Any) -> Object:
    """An object as it is after the first half of a create."""
    found = kind(name, group)
    metadata = {"name": "x", **fields.pop("metadata", {})}
    if found.namespaced:
        metadata.setdefault("namespace", "n")
    obj: Object = {"apiVersion": found.api_version, "kind": name, "metadata": metadata, **fields}
    found.strategy.default(obj)
    found.strategy.prepare_for_create(obj, CONTEXT)
    return obj


def faults(name: str, **fields: Any) -> list[str]:
    """What is wrong with a new object of those fields."""
    return [str(error) for error in kind(name).strategy.validate(make(name, **fields), CONTEXT)]


def changed(name: str, old: Object, **fields: Any) -> list[str]:
    """What is wrong with a change of those fields."""
    new = {**copy.deepcopy(old), **fields}
    strategy = kind(name).strategy
    strategy.default(new)
    strategy.prepare_for_update(new, old, CONTEXT)
    return [str(error) for error in strategy.validate_update(new, old, CONTEXT)]


def row(name: str, obj: Object) -> dict[str, Any]:
    """The Table cells by column."""
    return {column.name: column.value(obj) for column in kind(name).columns if column.name != "Age"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class TestNamespace:
    def test_the_server_sets_label_finalizer_and_phase(self) -> None:
        made = make("Namespace", spec={"finalizers": ["example.com/mine"]})
        assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}
        assert made["spec"] == {"finalizers": ["example.com/mine", "kubernetes"]}
        assert made["status"] == {"phase": "Active"}

    def test_only_finalize_changes_the_finalizers(self) -> None:
        old = make("Namespace")
        new = {**copy.deepcopy(old), "spec": {"finalizers": []}}
        kind("Namespace").strategy.prepare_for_update(new, old, CONTEXT)
        assert new["spec"] == {"finalizers": ["kubernetes"]}

    def test_it_goes_when_its_finalizers_are_gone(self) -> None:
        strategy, made = kind("Namespace").strategy, make("Namespace")
        strategy.mark_deleted(made, ["orphan"], CONTEXT)
        assert made["status"]["phase"] == "Terminating"
        assert made["metadata"]["finalizers"] == ["orphan"]
        assert not strategy.may_go(made)
        assert strategy.may_go({**made, "spec": {}})

    def test_pod_security_labels_are_checked_when_they_change(self) -> None:
        label = "pod-security.kubernetes.io/enforce"
        bad = {"labels": {label: "maximal", f"{label}-version": "1.2"}}
        found = faults("Namespace", metadata=copy.deepcopy(bad))
        assert found == [
            f'metadata.labels[{label}]: Invalid value: "maximal": must be one of privileged, baseline, restricted',
            f'metadata.labels[{label}-version]: Invalid value: "1.2": must be "latest" or "v1.x"',
        ]
        old = make("Namespace", metadata=copy.deepcopy(bad))
        assert changed("Namespace", old) == []

    def test_phase_follows_deletion(self) -> None:
        old = make("Namespace")
        new = {**old, "status": {"phase": "Terminating"}}
        (error,) = kind("Namespace").strategy.validate_status_update(new, old, CONTEXT)
        assert str(error) == (
            "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"
        )


class TestNode:
    def test_allocatable_is_the_capacity_unless_said(self) -> None:
        assert make("Node", status={"capacity": {"cpu": "4"}})["status"]["allocatable"] == {"cpu": "4"}

    def test_taints_are_reported_under_metadata(self) -> None:
        taints = [
            {"key": "a", "effect": "NoSchedule"},
            {"key": "a", "effect": "NoSchedule"},
            {"key": "b", "effect": "No"},
        ]
        assert faults("Node", spec={"taints": taints}) == [
            'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
            'metadata.taints[2].effect: Unsupported value: "No": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
        ]

    def test_what_is_set_once_stays(self) -> None:
        old = make("Node", spec={"providerID": "a://1", "podCIDRs": ["10.1.0.0/24"]})
        assert changed("Node", old, spec={"providerID": "a://2"}) == [
            'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
            'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
        ]
        assert changed("Node", make("Node"), spec={"providerID": "a://2", "podCIDRs": ["10.1.0.0/24"]}) == []

    def test_a_changed_node_is_judged_as_a_new_one_too(self) -> None:
        taint = 'metadata.taints[0].effect: Unsupported value: "No": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'
        assert changed("Node", make("Node"), spec={"taints": [{"key": "b", "effect": "No"}]}) == [taint, taint]

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ({"podCIDR": "10.1.0.0/24"}, ["10.1.0.0/24"]),
            ({"podCIDRs": ["10.1.0.0/24", "fd00::/64"]}, ["10.1.0.0/24", "fd00::/64"]),
            ({"podCIDR": "10.2.0.0/24", "podCIDRs": ["10.1.0.0/24", "fd00::/64"]}, ["10.2.0.0/24"]),
        ],
    )
    def test_pod_cidr_is_the_first_of_pod_cidrs(self, sent: Object, kept: list[str]) -> None:
        assert make("Node", spec=sent)["spec"] == {"podCIDR": kept[0], "podCIDRs": kept}

    def test_pod_cidrs_are_one_of_each_family(self) -> None:
        assert faults("Node", spec={"podCIDRs": ["10.1.0.0/24", "10.1.0.0/24"]}) == [
            'spec.podCIDRs: Invalid value: ["10.1.0.0/24","10.1.0.0/24"]: may specify no more than one CIDR for each IP family',
            'spec.podCIDRs[1]: Duplicate value: "10.1.0.0/24"',
        ]

    def test_columns(self) -> None:
        node = make(
            "Node",
            metadata={"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "db"}},
            spec={"unschedulable": True},
            status={
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                "nodeInfo": {"kernelVersion": "6.1", "architecture": "arm64", "kubeletVersion": "v1.36.0"},
            },
        )
        assert row("Node", node) == {
            "Status": "Ready,SchedulingDisabled",
            "Roles": "db,worker",
            "Version": "v1.36.0",
            "Internal-IP": "10.0.0.1",
            "External-IP": "<none>",
            "OS-Image": "<unknown>",
            "Kernel-Version": "6.1 (arm64)",
            "Container-Runtime": "<unknown>",
        }


class TestConfigMap:
    def test_keys(self) -> None:
        found = faults("ConfigMap", data={"a b": "", "both": "", "..": ""}, binaryData={"both": ""})
        assert [text.partition(": ")[0] for text in found] == ["data[..]", "data[a b]", "data[both]"]
        assert found[2] == 'data[both]: Invalid value: "both": duplicate of key present in binaryData'

    def test_size_counts_bytes_and_names_the_whole_object(self) -> None:
        half = "é" * (256 * 1024)  # two bytes each
        assert faults("ConfigMap", data={"a": half, "b": half}) == []
        assert faults("ConfigMap", data={"a": half, "b": half + "x"}) == [
            "[]: Too long: may not be more than 1048576 bytes"
        ]

    def test_immutable_is_for_ever(self) -> None:
        old = make("ConfigMap", data={"a": "1"}, immutable=True)
        assert changed("ConfigMap", old, immutable=False, data={"a": "2"}) == [
            "immutable: Forbidden: field is immutable when `immutable` is set",
            "data: Forbidden: field is immutable when `immutable` is set",
        ]
        assert changed("ConfigMap", old, metadata={**old["metadata"], "labels": {"a": "b"}}) == []


class TestSecret:
    def test_plain_text_wins_over_data(self) -> None:
        made = make("Secret", data={"a": encoded("old"), "b": encoded("kept")}, stringData={"a": "new"})
        assert made["data"] == {"a": encoded("new"), "b": encoded("kept")}
        assert "stringData" not in made
        assert made["type"] == "Opaque"

    @pytest.mark.parametrize(
        ("type_", "data", "expected"),
        [
            ("kubernetes.io/tls", {}, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
            ("kubernetes.io/basic-auth", {}, ["data[username]: Required value", "data[password]: Required value"]),
            ("kubernetes.io/basic-auth", {"password": ""}, []),
            ("kubernetes.io/ssh-auth", {"ssh-privatekey": ""}, ["data[ssh-privatekey]: Required value"]),
            ("kubernetes.io/dockerconfigjson", {}, ["data[.dockerconfigjson]: Required value"]),
            (
                "kubernetes.io/dockerconfigjson",
                {".dockerconfigjson": encoded("[]")},
                [
                    'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}'
                ],
            ),
            (
                "kubernetes.io/service-account-token",
                {},
                ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
            ),
            ("example.com/mine", {}, []),
        ],
    )
    def test_types_need_their_keys(self, type_: str, data: Object, expected: list[str]) -> None:
        assert faults("Secret", type=type_, data=data) == expected

    def test_broken_json_is_not_shown(self) -> None:
        (fault,) = faults("Secret", type="kubernetes.io/dockercfg", data={".dockercfg": encoded("{password")})
        assert "password" not in fault
        assert "invalid character 'p'" in fault

    def test_the_type_stays(self) -> None:
        old = make("Secret")
        assert changed("Secret", old, type="example.com/other") == [
            'type: Invalid value: "example.com/other": field is immutable'
        ]


class TestLimits:
    def test_defaults_of_containers(self) -> None:
        made = make(
            "LimitRange", spec={"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}]}
        )
        assert made["spec"]["limits"][0]["default"] == {"cpu": "2"}
        assert made["spec"]["limits"][0]["defaultRequest"] == {"cpu": "2", "memory": "1Mi"}

    def test_order_of_the_bounds(self) -> None:
        limits = [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}, {"type": "Cube"}]
        assert faults("LimitRange", spec={"limits": limits}) == [
            'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
            'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
            'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
            'spec.limits[1].type: Invalid value: "Cube": must be a standard limit type or fully qualified',
        ]

    def test_ratio(self) -> None:
        item = {"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}}
        assert faults("LimitRange", spec={"limits": [item]}) == [
            'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000'
        ]

    def test_quota_names_amounts_and_scopes(self) -> None:
        assert faults("ResourceQuota", spec={"hard": {"pods": "1500m", "bananas": "1"}, "scopes": ["BestEffort", "NotBestEffort"]}) == [
            'spec.hard[bananas]: Invalid value: "bananas": must be a standard resource type or fully qualified',
            'spec.hard[bananas]: Invalid value: "bananas": must be a standard resource for quota',
            'spec.hard[pods]: Invalid value: "1500m": must be an integer',
            'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
        ]  # fmt: skip

    def test_quota_columns(self) -> None:
        quota = {"metadata": {}, "status": {"hard": {"pods": "5", "limits.cpu": "2"}, "used": {"pods": "1"}}}
        assert row("ResourceQuota", quota) == {"Request": "pods: 1/5", "Limit": "limits.cpu: 0/2"}


class TestStorage:
    CLAIM: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}

    def test_a_claim_waits(self) -> None:
        made = make("PersistentVolumeClaim", spec=copy.deepcopy(self.CLAIM))
        assert made["spec"]["volumeMode"] == "Filesystem"
        assert made["status"] == {"phase": "Pending"}

    def test_a_data_source_is_said_twice(self) -> None:
        source = {"kind": "PersistentVolumeClaim", "name": "other"}
        made = make("PersistentVolumeClaim", spec={**copy.deepcopy(self.CLAIM), "dataSource": source})
        assert made["spec"]["dataSourceRef"] == source

    def test_a_claim_does_not_change(self) -> None:
        old = make("PersistentVolumeClaim", spec=copy.deepcopy(self.CLAIM))
        grown = {**copy.deepcopy(old["spec"]), "resources": {"requests": {"storage": "2Gi"}}}
        (fault,) = changed("PersistentVolumeClaim", old, spec=grown)
        assert fault.startswith("spec: Forbidden: spec is immutable after creation except resources.requests and ")
        assert '-   "storage": "1Gi"' in fault
        bound = {**old, "status": {"phase": "Bound"}}
        assert changed("PersistentVolumeClaim", bound, spec=copy.deepcopy(grown)) == []

    def test_a_volume_needs_a_source_and_keeps_it(self) -> None:
        spec: Object = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
        assert faults("PersistentVolume", spec=copy.deepcopy(spec)) == [
            "spec: Required value: must specify a volume type"
        ]
        old = make("PersistentVolume", spec={**copy.deepcopy(spec), "hostPath": {"path": "/a"}})
        moved = {**copy.deepcopy(old["spec"]), "hostPath": {"path": "/b", "type": ""}}
        (fault,) = changed("PersistentVolume", old, spec=moved)
        assert fault.startswith(
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after "
        )
        assert '+  "Path": "/b"' in fault

    def test_local_volumes_say_where_they_are(self) -> None:
        spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "local": {"path": "/disk"}}
        assert faults("PersistentVolume", spec=spec) == [
            "spec.nodeAffinity: Required value: Local volume requires node affinity"
        ]


class TestReplicationController:
    def test_selector_and_labels_come_from_the_template(self) -> None:
        template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
        made = make("ReplicationController", spec={"template": template})
        assert made["spec"]["selector"] == made["metadata"]["labels"] == {"app": "a"}
        assert made["spec"]["replicas"] == 1
        assert validate_pod_template(made["spec"]["template"], "spec.template", CONTEXT) == []

    def test_counts_agree(self) -> None:
        old = make("ReplicationController", spec={})
        new = {**old, "status": {"replicas": 1, "readyReplicas": 2}}
        (error,) = kind("ReplicationController").strategy.validate_status_update(new, old, CONTEXT)
        assert str(error) == "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
        less = {**old, "status": {"replicas": -1}}
        found = kind("ReplicationController").strategy.validate_status_update(less, old, CONTEXT)
        assert str(found[0]) == "status.replicas: Invalid value: -1: must be greater than or equal to 0"


class TestEvents:
    NEW: Object = {
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "reportingController": "example.com/c",
        "reportingInstance": "i",
        "action": "a",
        "reason": "r",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "n"},
        "type": "Normal",
    }

    def event(self, **fields: Any) -> list[str]:
        """What is wrong with a new-style event."""
        obj = make("Event", "events.k8s.io", **{**copy.deepcopy(self.NEW), **fields})
        try:
            found = kind("Event", "events.k8s.io").strategy.validate(obj, CONTEXT)
        except StatusError as error:
            assert error.details is not None
            return [f"{cause['field']}: {cause['message']}" for cause in error.details["causes"]]
        return [str(error) for error in found]

    def test_a_complete_event(self) -> None:
        assert self.event() == []

    def test_what_new_events_must_and_may_not_say(self) -> None:
        assert self.event(type="Strange", action="", deprecatedCount=1) == [
            "action: Required value",
            'type: Invalid value: "": has invalid value: Strange',
            'count: Invalid value: "": needs to be unset',
        ]

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"note": "n"}, ['message: Invalid value: "n": field is immutable']),
            ({"reason": "x"}, ['reason: Invalid value: "x": field is immutable'] * 2),
            ({"regarding": {"kind": "Pod", "name": "q", "namespace": "n"}}, [
                'involvedObject: Invalid value: {"Kind":"Pod","Namespace":"n","Name":"q","UID":"","APIVersion":"",'
                '"ResourceVersion":"","FieldPath":""}: field is immutable',
            ]),
            ({"reportingController": "d"}, ['reportingController: Invalid value: "d": field is immutable']),
            ({"deprecatedSource": {"host": "h"}}, [
                'source: Invalid value: {"Component":"","Host":"h"}: field is immutable',
            ]),
            ({"series": {"count": 1}}, [
                'series.count: Invalid value: "": should be at least 2',
                "series.lastObservedTime: Required value",
            ]),
        ],
    )  # fmt: skip
    def test_only_the_series_of_a_new_event_changes(self, change: Object, expected: list[str]) -> None:
        old = make("Event", "events.k8s.io", **copy.deepcopy(self.NEW))
        with pytest.raises(StatusError) as raised:
            kind("Event", "events.k8s.io").strategy.validate_update({**old, **change}, old, CONTEXT)
        assert raised.value.details is not None
        assert [f"{cause['field']}: {cause['message']}" for cause in raised.value.details["causes"]] == expected
        assert kind("Event").strategy.validate_update(convert({**old, **change}, "v1"), old, CONTEXT) == []

    def test_only_new_events_need_the_name_of_a_domain(self) -> None:
        assert kind("Event").strategy.validate_name("Pod_1.17") == []
        assert kind("Event", "events.k8s.io").strategy.validate_name("Pod_1.17") != []

    def test_old_events_only_need_their_namespace(self) -> None:
        about = {"kind": "Pod", "name": "p", "namespace": "other"}
        with pytest.raises(StatusError, match=r"does not match event\.namespace"):
            kind("Event").strategy.validate(make("Event", involvedObject=about), CONTEXT)
        assert kind("Event").strategy.validate(make("Event", involvedObject={**about, "namespace": "n"}), CONTEXT) == []

    def test_one_storage_two_views(self) -> None:
        views = [kind("Event"), kind("Event", "events.k8s.io")]
        assert {view.resource for view in views} == {"events"}
        new = make("Event", "events.k8s.io", **copy.deepcopy(self.NEW))
        convert = views[0].convert
        assert convert is not None
        old = convert(new, "v1")
        assert old["involvedObject"]["name"] == "p"
        assert convert(old, "events.k8s.io/v1")["regarding"] == new["regarding"]
        values = views[1].strategy.field_values(new)
        assert values["involvedObject.name"] == values["regarding.name"] == "p"


def test_leases_count_upwards() -> None:
    spec = {"leaseDurationSeconds": 0, "leaseTransitions": -1}
    lease = make("Lease", "coordination.k8s.io", spec=spec)
    found = kind("Lease", "coordination.k8s.io").strategy.validate(lease, CONTEXT)
    assert [str(error) for error in found] == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
    ]


@pytest.mark.parametrize(
    "found", [k for k in KINDS if k.group == "" and not k.handler and k.kind != "Service"], ids=lambda k: k.kind
)
def test_every_core_kind_survives_an_empty_object(found: Kind) -> None:
    obj: Object = {"apiVersion": "v1", "kind": found.kind, "metadata": {"name": "x"}}
    found.strategy.default(obj)
    found.strategy.prepare_for_create(obj, CONTEXT)
    try:
        found.strategy.validate(obj, CONTEXT)
    except StatusError as error:
        assert error.code == 422
    for column in found.columns:
        assert column.value({"metadata": {"name": "x"}}) is not NotImplemented
