"""Services without a server: the order of a write played on the strategy, expected texts written out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from apiserver.errors import StatusError
from apiserver.kinds.kind import Context, Object, User
from apiserver.kinds.service import ServiceStrategy
from apiserver.storage.types import Key

SERVICE = ServiceStrategy()


class FakeCluster:
    """Addresses and claims that others hold."""

    service_cidrs = ("10.96.0.0/24",)
    node_port_range = (30000, 30999)
    minor = 36

    def __init__(self) -> None:
        self.addresses: set[str] = set()
        self.held: dict[tuple[str, str], Key] = {}

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        return None

    def exists(self, resource: str, namespace: str, name: str) -> bool:
        return resource == "ipaddresses.networking.k8s.io" and name in self.addresses

    def list(self, resource: str, namespace: str = "", labels: Mapping[str, str] | None = None) -> list[Object]:
        return []

    def claimed(self, space: str, value: str) -> Key | None:
        return self.held.get((space, value))

    def claims(self, space: str) -> Mapping[str, Key]:
        return {value: holder for (where, value), holder in self.held.items() if where == space}

    def keep(self, service: Object) -> Object:
        """Store a Service: its address and ports are taken from now on."""
        for action, companion in SERVICE.companions(service, None, context(self)):
            assert action == "create"
            self.addresses.add(companion["metadata"]["name"])
        for claim in SERVICE.claims(service):
            self.held[claim] = Key("services", "ns", service["metadata"]["name"])
        return service


def context(cluster: FakeCluster, **more: Any) -> Context:
    return Context(cluster, User("alice"), "ns", "2030-01-01T00:00:00Z", **more)


def make_service(**spec: Any) -> Object:
    return {"metadata": {"name": "web", "namespace": "ns"}, "spec": {"ports": [{"port": 80}], **spec}}


def refused(error: StatusError) -> str:
    return error.message


def create(cluster: FakeCluster, dry_run: bool = False, **spec: Any) -> Object:
    obj, request = make_service(**spec), context(cluster, dry_run=dry_run)
    SERVICE.default(obj)
    SERVICE.prepare_for_create(obj, request)
    faults = SERVICE.validate(obj, request)
    assert not faults, "; ".join(map(str, faults))
    SERVICE.allocate(obj, None, request)
    return obj if dry_run else cluster.keep(obj)


def update(cluster: FakeCluster, old: Object, **spec: Any) -> Object:
    """A PUT of `spec`."""
    obj, request = make_service(**spec), context(cluster)
    SERVICE.default(obj)
    SERVICE.prepare_for_update(obj, old, request)
    faults = SERVICE.validate_update(obj, old, request)
    assert not faults, "; ".join(map(str, faults))
    SERVICE.allocate(obj, old, request)
    return obj


def patch(cluster: FakeCluster, old: Object, **spec: Any) -> Object:
    """A PATCH of `spec`: what it does not name stays, None removes."""
    merged = {key: value for key, value in {**copy.deepcopy(old["spec"]), **spec}.items() if value is not None}
    return update(cluster, old, **merged)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def test_defaults_of_a_plain_service(cluster: FakeCluster) -> None:
    spec = create(cluster, clusterIP="10.96.0.7")["spec"]
    assert spec == {
        "type": "ClusterIP",
        "clusterIP": "10.96.0.7",
        "clusterIPs": ["10.96.0.7"],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "sessionAffinity": "None",
    }


def test_defaults_are_stable(cluster: FakeCluster) -> None:
    obj = create(cluster, type="LoadBalancer", sessionAffinity="ClientIP")
    again = copy.deepcopy(obj)
    SERVICE.default(again)
    assert again == obj


def test_headless_without_selector_has_both_families(cluster: FakeCluster) -> None:
    spec = create(cluster, clusterIP="None")["spec"]
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"])
    spec = create(cluster, clusterIP="None", selector={"a": "b"})["spec"]
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == ("SingleStack", ["IPv4"])


REFUSALS = [
    ({"clusterIP": "10.96.0.5"}, "spec.clusterIPs: Invalid value: [\"10.96.0.5\"]: failed to allocate IP 10.96.0.5: "
     "provided IP is already allocated"),
    ({"clusterIP": "10.96.0.255"}, "spec.clusterIPs: Invalid value: [\"10.96.0.255\"]: failed to allocate IP "
     "10.96.0.255: the provided network does not match the current range"),
    ({"clusterIP": "10.96.0.05"}, "spec.clusterIPs[0]: Invalid value: \"10.96.0.05\": must not have leading 0s"),
    ({"clusterIP": "fd00::1"}, "spec.clusterIPs[0]: Invalid value: [\"fd00::1\"]: IPv6 is not configured on this "
     "cluster"),
    ({"clusterIPs": ["10.96.0.9"]}, "spec.clusterIPs: Invalid value: [\"10.96.0.9\"]: must be empty when `clusterIP` "
     "is not specified"),
    ({"ipFamilies": ["IPv6"]}, "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster"),
    ({"ipFamilies": ["IPv4", "IPv4"]}, "spec.ipFamilies[1]: Duplicate value: \"IPv4\""),
    ({"ipFamilyPolicy": "RequireDualStack"}, "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster "
     "is not configured for dual-stack services"),
    ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30005}]}, "spec.ports[0].nodePort: Invalid value: 30005: "
     "provided port is already allocated"),
    ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}, "spec.ports[0].nodePort: Invalid value: 80: "
     "provided port is not in the valid range. The range of valid ports is 30000-30999"),
    ({"type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": 30006},
                                    {"name": "b", "port": 81, "nodePort": 30006}]},
     "spec.ports[1].nodePort: Invalid value: 30006: provided port is already allocated"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), REFUSALS)
def test_allocation_refuses_before_validation(cluster: FakeCluster, spec: Object, expected: str) -> None:
    create(cluster, type="NodePort", clusterIP="10.96.0.5", ports=[{"port": 80, "nodePort": 30005}])
    with pytest.raises(StatusError) as raised:
        create(cluster, sessionAffinity="Sticky", **spec)
    assert refused(raised.value) == f'Service "web" is invalid: {expected}'
    assert raised.value.code == 422


FAULTS = [
    ({"ports": []}, "spec.ports: Required value"),
    ({"ports": [{"port": 80}, {"port": 80}]}, "spec.ports[0].name: Required value; spec.ports[1].name: Required value; "
     'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,'
     '"NodePort":0}'),
    ({"ports": [{"port": 80, "nodePort": 30080}]}, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is "
     "'ClusterIP'"),
    ({"sessionAffinity": "ClusterIP"}, 'spec.sessionAffinity: Unsupported value: "ClusterIP": supported values: '
     '"ClientIP", "None"'),
    ({"externalIPs": ["127.0.0.1"]}, 'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback '
     "range (127.0.0.0/8, ::1/128)"),
    ({"type": "Headless"}, 'spec.type: Unsupported value: "Headless": supported values: "ClusterIP", "ExternalName", '
     '"LoadBalancer", "NodePort"'),
    ({"type": "ExternalName", "clusterIP": "None"}, "spec.clusterIPs: Forbidden: may not be set for ExternalName "
     "services; spec.externalName: Required value"),
    ({"externalTrafficPolicy": "Local"}, 'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for '
     "externally-accessible services"),
    ({"loadBalancerSourceRanges": ["192.0.2.9/24"]}, "spec.LoadBalancerSourceRanges: Forbidden: may only be used when "
     '`type` is \'LoadBalancer\'; spec.LoadBalancerSourceRanges[0]: Invalid value: "192.0.2.9/24": must not have bits '
     "set beyond the prefix length"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), FAULTS)
def test_validation(cluster: FakeCluster, spec: Object, expected: str) -> None:
    with pytest.raises(AssertionError) as raised:
        create(cluster, **spec)
    assert str(raised.value).splitlines()[0] == expected


def test_tcp_and_udp_of_a_port_share_a_node_port(cluster: FakeCluster) -> None:
    ports = [{"name": name, "port": 53, "protocol": protocol} for name, protocol in (("t", "TCP"), ("u", "UDP"))]
    first, second = create(cluster, type="NodePort", ports=ports)["spec"]["ports"]
    assert first["nodePort"] == second["nodePort"] >= 30031


def test_a_full_range_is_an_internal_error(cluster: FakeCluster) -> None:
    cluster.held = {("nodeport", str(port)): Key("services", "ns", "other") for port in range(30000, 31000)}
    with pytest.raises(StatusError) as raised:
        create(cluster, type="NodePort")
    assert refused(raised.value) == "Internal error occurred: failed to allocate a nodePort: range is full"
    cluster.addresses = {f"10.96.0.{last}" for last in range(1, 255)}
    with pytest.raises(StatusError) as raised:
        create(cluster)
    assert refused(raised.value) == "Internal error occurred: failed to allocate a serviceIP: range is full"


def test_a_dry_run_takes_nothing(cluster: FakeCluster) -> None:
    create(cluster, clusterIP="10.96.0.5")
    spec = create(cluster, dry_run=True, type="NodePort")["spec"]
    assert (spec["clusterIP"], spec["ports"][0]["nodePort"]) == ("10.96.0.0", 32769)
    assert create(cluster, dry_run=True, clusterIP="10.96.0.5")["spec"]["clusterIP"] == "10.96.0.5"


def test_a_put_of_the_same_manifest_keeps_what_was_allocated(cluster: FakeCluster) -> None:
    old = create(cluster, type="LoadBalancer", externalTrafficPolicy="Local")
    assert update(cluster, old, type="LoadBalancer", externalTrafficPolicy="Local")["spec"] == old["spec"]


def test_node_ports_are_carried_by_port_name(cluster: FakeCluster) -> None:
    ports = [{"name": "a", "port": 80, "nodePort": 30005}, {"name": "b", "port": 81, "nodePort": 30006}]
    old = create(cluster, type="NodePort", ports=ports)
    new = update(cluster, old, type="NodePort", ports=[{"name": "b", "port": 82}, {"name": "c", "port": 83}])
    first, second = (port["nodePort"] for port in new["spec"]["ports"])
    assert first == 30006
    assert second not in (30005, 30006)


def test_leaving_a_type_drops_its_fields(cluster: FakeCluster) -> None:
    old = create(cluster, type="LoadBalancer", externalTrafficPolicy="Local", loadBalancerClass="example.com/x")
    old["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}}
    new = patch(cluster, old, type="ClusterIP")
    gone = {"externalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts", "loadBalancerClass"}
    assert not gone & set(new["spec"])
    assert "nodePort" not in new["spec"]["ports"][0]
    assert new["status"] == {"loadBalancer": {}}
    assert {claim.space for claim in SERVICE.claims(new)} == {"clusterip"}


def test_a_changed_value_of_a_left_type_is_refused(cluster: FakeCluster) -> None:
    old = create(cluster, type="NodePort")
    with pytest.raises(AssertionError, match=r"spec\.ports\[0\]\.nodePort: Forbidden: may not be used"):
        patch(cluster, old, type="ClusterIP", ports=[{"port": 80, "nodePort": 30001}])


def test_becoming_an_external_name_releases_the_address(cluster: FakeCluster) -> None:
    old = create(cluster, clusterIP="10.96.0.5")
    new = patch(cluster, old, type="ExternalName", externalName="db.example.com")
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"} & set(new["spec"])
    ((action, address),) = SERVICE.companions(new, old, context(cluster))
    assert (action, address["metadata"]["name"]) == ("delete", "10.96.0.5")


@pytest.mark.parametrize("wanted", ["10.96.0.6", "None"])
def test_an_address_never_changes(cluster: FakeCluster, wanted: str) -> None:
    old = create(cluster, clusterIP="10.96.0.5")
    with pytest.raises(AssertionError) as raised:
        patch(cluster, old, clusterIP=wanted)
    expected = f'spec.clusterIPs[0]: Invalid value: ["{wanted}"]: may not change once set'
    assert str(raised.value).splitlines()[0] == expected


def test_a_health_check_port_never_changes(cluster: FakeCluster) -> None:
    old = create(cluster, type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30007)
    with pytest.raises(AssertionError, match=r"spec\.healthCheckNodePort: Forbidden: field is immutable"):
        patch(cluster, old, healthCheckNodePort=30008)


def test_a_used_health_check_port_is_an_internal_error(cluster: FakeCluster) -> None:
    create(cluster, type="NodePort", ports=[{"port": 80, "nodePort": 30007}])
    with pytest.raises(StatusError) as raised:
        create(cluster, type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30007)
    assert raised.value.code == 500
    assert refused(raised.value) == (
        "Internal error occurred: failed to allocate requested HealthCheck NodePort 30007: "
        "provided port is already allocated"
    )


def test_claims_hold_each_number_once(cluster: FakeCluster) -> None:
    ports = [{"name": p, "port": 53, "protocol": p.upper(), "nodePort": 30053} for p in ("tcp", "udp")]
    more = {"externalTrafficPolicy": "Local", "healthCheckNodePort": 30007, "clusterIP": "10.96.0.5"}
    obj = create(cluster, type="LoadBalancer", ports=ports, **more)
    assert SERVICE.claims(obj) == (("clusterip", "10.96.0.5"), ("nodeport", "30007"), ("nodeport", "30053"))


def test_status_is_for_load_balancers(cluster: FakeCluster) -> None:
    obj = create(cluster)
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    faults = SERVICE.validate_status_update(obj, obj, context(cluster))
    assert [str(fault) for fault in faults] == [
        "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
    ]


def test_warnings(cluster: FakeCluster) -> None:
    obj = create(cluster, clusterIP="None", sessionAffinity="ClientIP", externalIPs=["192.0.2.1"], externalName="x")
    assert SERVICE.warnings(obj, None, context(cluster)) == [
        "spec.externalIPs is ignored for headless services",
        "spec.SessionAffinity is ignored for headless services",
        'spec.externalName is ignored when spec.type is not "ExternalName"',
    ]


def test_a_deleted_service_takes_its_address_and_endpoints_along(cluster: FakeCluster) -> None:
    obj = create(cluster, clusterIP="10.96.0.5")
    changes = SERVICE.companions(None, obj, context(cluster))
    gone = [(action, item["kind"], item["metadata"]["name"]) for action, item in changes]
    assert gone == [("delete", "IPAddress", "10.96.0.5"), ("delete", "Endpoints", "web")]
