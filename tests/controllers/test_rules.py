"""Rules of the loops, case by case, with expected values written out."""

from __future__ import annotations

from typing import Any

import pytest

from controllers import (
    endpoints,
    endpointslice,
    endpointslicemirroring,
    hints,
    jobpolicy,
    rollout,
    servicecidrs,
    slices,
    statefulset,
    topology,
)
from controllers.daemonset import fits, tolerations
from controllers.podtemplate import template_hash
from controllers.services import TriggerTimes
from controllers.slices import Plan
from controllers.volumebinding import choose
from miniplane.client.resources import ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES
from tests.controllers.world import World, node, pod, service


def with_uid(obj: dict[str, Any], uid: str = "u") -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "uid": uid}}


# Endpoints


def subsets(service_object: dict[str, Any], *pods: dict[str, Any]) -> list[Any]:
    found = endpoints.desired_subsets(service_object, [with_uid(one, one["metadata"]["name"]) for one in pods])
    for subset in found:
        for name in ("addresses", "notReadyAddresses"):
            if name in subset:
                subset[name] = [address["ip"] for address in subset[name]]
    return found


def test_addresses_sort_as_text() -> None:
    found = subsets(service(), pod("a", "10.1.0.10"), pod("b", "10.1.0.2"), pod("c", "10.1.0.3", ready=False))
    ports = [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert found == [{"addresses": ["10.1.0.10", "10.1.0.2"], "notReadyAddresses": ["10.1.0.3"], "ports": ports}]


def test_ports_sort_by_their_hash() -> None:
    ports = [{"name": name, "port": n, "targetPort": n, "protocol": "TCP"} for name, n in (("a", 80), ("b", 81))]
    assert [port["name"] for port in subsets(service(ports=ports), pod("a"))[0]["ports"]] == ["b", "a"]


def test_pods_without_the_named_port_are_left_out() -> None:
    other = pod("b", "10.1.0.2")
    other["spec"]["containers"][0]["ports"][0]["name"] = "metrics"
    assert subsets(service(), other) == []


def test_pods_with_different_ports_make_two_subsets() -> None:
    other = pod("b", "10.1.0.2")
    other["spec"]["containers"][0]["ports"][0]["containerPort"] = 9090
    found = subsets(service(), pod("a"), other)
    assert sorted((subset["ports"][0]["port"], subset["addresses"]) for subset in found) == [
        (8080, ["10.1.0.1"]),
        (9090, ["10.1.0.2"]),
    ]


def test_a_headless_service_without_ports_lists_addresses() -> None:
    assert subsets(service(clusterIP="None", ports=[]), pod("a")) == [{"addresses": ["10.1.0.1"]}]


def test_terminating_pods_stay_only_where_not_ready_ones_are_published() -> None:
    ending = pod("a", deletionTimestamp="2030-01-02T03:04:05Z")
    assert subsets(service(), ending) == []
    assert subsets(service(publishNotReadyAddresses=True), ending)[0]["addresses"] == ["10.1.0.1"]


def test_over_capacity_ready_addresses_go_first() -> None:
    many = [{"ip": str(number)} for number in range(900)]
    found, truncated = endpoints.truncate([{"addresses": many, "notReadyAddresses": many}])
    assert (len(found[0]["addresses"]), len(found[0]["notReadyAddresses"]), truncated) == (900, 100, True)


def test_trigger_times_are_of_what_changed_since() -> None:
    times, web = TriggerTimes(), service()
    web["metadata"]["creationTimestamp"] = "2030-01-01T00:00:00Z"
    assert times.compute("k", web, [pod("a")]) == "2030-01-01T00:00:00Z"
    assert times.compute("k", web, [pod("a")]) is None
    assert times.compute("k", web, [pod("a"), pod("b")]) == "2030-01-02T03:04:06Z"


async def test_hand_edits_stay_and_deleted_endpoints_return() -> None:
    world = World()
    loops = [world.loop(endpoints.CONTROLLER)]
    world.put(SERVICES, service())
    world.put(PODS, pod("a"))
    await world.settle(loops)
    edited = {**world.objects[ENDPOINTS]["ns/web"], "subsets": []}
    world.put(ENDPOINTS, edited)
    await world.settle(loops)
    assert world.objects[ENDPOINTS]["ns/web"]["subsets"] == []
    world.remove(ENDPOINTS, "ns/web")
    await world.settle(loops)
    assert world.objects[ENDPOINTS]["ns/web"]["subsets"] != []


@pytest.mark.parametrize("change", [{"selector": {}}, {"type": "ExternalName"}])
async def test_services_that_select_nothing_are_left_alone(change: dict[str, Any]) -> None:
    world = World()
    loops = [world.loop(endpoints.CONTROLLER), world.loop(endpointslice.CONTROLLER)]
    world.put(SERVICES, service(**change))
    world.put(PODS, pod("a"))
    await world.settle(loops)
    assert world.writes == []


# EndpointSlices


def plan(found: list[Any], count: int, **spec: Any) -> Plan:
    web = with_uid(service(**spec))
    pods = [with_uid(pod(f"p{n:03}", f"10.1.{n // 250}.{n % 250}"), str(n)) for n in range(count)]
    return endpointslice.plan(web, pods, {"n1": node()}, found)[0]


def stored(one: dict[str, Any], name: str) -> dict[str, Any]:
    meta = {**one["metadata"], "name": name, "uid": name, "resourceVersion": "1"}
    return {**one, "metadata": meta}


def test_a_slice_holds_a_hundred() -> None:
    assert sorted(len(one["endpoints"]) for one in plan([], 230).create) == [30, 100, 100]


def test_no_endpoints_make_one_placeholder_that_is_kept() -> None:
    first = plan([], 0)
    assert [(one["endpoints"], one["ports"]) for one in first.create] == [([], [])]
    again = plan([stored(first.create[0], "web-x")], 0)
    assert (again.create, again.update, again.delete) == ([], [], [])


def test_a_placeholder_becomes_the_first_slice() -> None:
    placeholder = stored(plan([], 0).create[0], "web-x")
    found = plan([placeholder], 1)
    assert [one["metadata"]["name"] for one in found.update] == ["web-x"]
    assert (found.create, found.delete) == ([], [])


def test_new_endpoints_fill_the_slice_that_they_fill_best() -> None:
    created = sorted(plan([], 150).create, key=lambda one: len(one["endpoints"]))
    found = plan([stored(one, f"web-{index}") for index, one in enumerate(created)], 155)
    assert [(one["metadata"]["name"], len(one["endpoints"])) for one in found.update] == [("web-0", 55)]
    assert (found.create, found.delete) == ([], [])


def test_slices_of_a_family_that_the_service_lost_go() -> None:
    found = stored(plan([], 1).create[0], "web-x")
    changed = plan([found], 1, ipFamilies=["IPv6"])
    assert [one["metadata"]["name"] for one in changed.delete] == ["web-x"]


def test_pods_on_unknown_nodes_wait() -> None:
    web = with_uid(service())
    found, left_out = endpointslice.plan(web, [with_uid(pod("a"))], {}, [])
    assert (left_out, found.create[0]["endpoints"]) == (["a"], [])


async def test_an_edited_slice_is_put_back_and_a_foreign_one_is_not() -> None:
    world = World()
    loops = [world.loop(endpointslice.CONTROLLER)]
    world.put(NODES, node())
    world.put(SERVICES, service())
    world.put(PODS, pod("a"))
    await world.settle(loops)
    (key, mine), *_ = world.objects[ENDPOINT_SLICES].items()
    world.put(ENDPOINT_SLICES, {**mine, "endpoints": []})
    foreign = {**mine, "metadata": {"name": "other", "namespace": "ns", "labels": {slices.SERVICE_NAME: "web"}}}
    world.put(ENDPOINT_SLICES, {**foreign, "endpoints": []})
    await world.settle(loops)
    assert len(world.objects[ENDPOINT_SLICES][key]["endpoints"]) == 1
    assert world.objects[ENDPOINT_SLICES]["ns/other"]["endpoints"] == []


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (None, None),
        ("PreferSameZone", {"forZones": [{"name": "z"}]}),
        ("PreferClose", {"forZones": [{"name": "z"}]}),
        ("PreferSameNode", {"forZones": [{"name": "z"}], "forNodes": [{"name": "n"}]}),
    ],
)
def test_hints(distribution: str | None, expected: Any) -> None:
    endpoint = {"conditions": {"ready": True}, "zone": "z", "nodeName": "n"}
    assert hints.hints(endpoint, distribution) == expected
    assert hints.hints({**endpoint, "conditions": {"ready": False}}, distribution) is None


def big_node(name: str, zone: str, cpu: str) -> dict[str, Any]:
    ready = [{"type": "Ready", "status": "True"}]
    return {**node(name, zone), "status": {"allocatable": {"cpu": cpu}, "conditions": ready}}


def automatic_plan(count: int, nodes: list[dict[str, Any]]) -> Plan:
    """Pods on the nodes in turn."""
    web = with_uid(service())
    web["metadata"]["annotations"] = {"service.kubernetes.io/topology-mode": "Auto"}
    names = [one["metadata"]["name"] for one in nodes]
    given = [with_uid(pod(f"p{n}", f"10.1.0.{n}", node=names[n % len(names)]), str(n)) for n in range(count)]
    return endpointslice.plan(web, given, dict(zip(names, nodes, strict=True)), [])[0]


def zones_of(found: Plan) -> list[str]:
    return sorted(one["hints"]["forZones"][0]["name"] for s in found.create for one in s["endpoints"] if "hints" in one)


def test_zones_get_endpoints_by_their_cpu() -> None:
    found = automatic_plan(6, [big_node("a", "a", "2"), big_node("b", "b", "1")])
    assert zones_of(found) == ["a"] * 4 + ["b"] * 2
    text = "Topology Aware Hints has been enabled, addressType: IPv4"
    assert found.events == [("Normal", "TopologyAwareHintsEnabled", text)]


@pytest.mark.parametrize(
    ("count", "nodes", "reason"),
    [
        (1, [("a", "1"), ("b", "1")], "Insufficient number of endpoints (1 endpoints, 2 zones)"),
        (4, [("a", "1"), ("", "1")], topology.NO_NODES),
        (4, [("a", "1"), ("a", "1")], topology.NO_NODES),
        (3, [("a", "1"), ("b", "1")], f"{topology.OVERLOADED} (3 endpoints, 2 zones)"),
    ],
)
def test_no_hints_where_zones_cannot_be_served(count: int, nodes: list[tuple[str, str]], reason: str) -> None:
    found = automatic_plan(count, [big_node(f"n{n}", *one) for n, one in enumerate(nodes)])
    assert zones_of(found) == []
    assert found.events == [("Warning", "TopologyAwareHintsDisabled", f"{reason}, addressType: IPv4")]


async def test_topology_mode_tells_when_it_ends_and_traffic_distribution_does_not() -> None:
    world = World()
    (loop,) = loops = [world.loop(endpointslice.CONTROLLER)]
    told: list[tuple[str, str]] = []
    loop.event = lambda obj, kind, reason, message: told.append((reason, message))  # type: ignore[method-assign]
    for name in ("a", "b"):
        world.put(NODES, big_node(name, name, "1"))
    for number in range(4):
        world.put(PODS, pod(f"p{number}", f"10.1.0.{number}", node="ab"[number % 2]))
    automatic = {"service.kubernetes.io/topology-mode": "Auto"}
    close = service(trafficDistribution="PreferClose")
    for one in (close, service(), {**close, "metadata": {**close["metadata"], "annotations": automatic}}, service()):
        world.put(SERVICES, one)
        await world.settle(loops)
    assert told == [
        ("TopologyAwareHintsEnabled", "Topology Aware Hints has been enabled, addressType: IPv4"),
        ("TopologyAwareHintsDisabled", "Topology Aware Hints has been disabled, addressType: IPv4"),
    ]


# mirroring


async def test_endpoints_without_selector_are_mirrored_in_both_families() -> None:
    world = World()
    loops = [world.loop(endpointslicemirroring.CONTROLLER)]
    world.put(SERVICES, service(selector=None))
    addresses = [{"ip": "10.1.0.1"}, {"ip": "fd00::1"}]
    meta = {"name": "web", "namespace": "ns", "annotations": {"note": "x"}, "labels": {"team": "a"}}
    world.put(ENDPOINTS, {"metadata": meta, "subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]})
    await world.settle(loops)
    found = list(world.objects[ENDPOINT_SLICES].values())
    assert sorted((one["addressType"], one["endpoints"][0]["addresses"]) for one in found) == [
        ("IPv4", ["10.1.0.1"]),
        ("IPv6", ["fd00::1"]),
    ]
    assert found[0]["metadata"]["annotations"] == {"note": "x"}
    world.put(ENDPOINTS, {"metadata": {**meta, "labels": {endpointslicemirroring.SKIP: "true"}}, "subsets": []})
    await world.settle(loops)
    assert world.objects[ENDPOINT_SLICES] == {}


# workloads


TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [
            {
                "image": "nginx:1",
                "imagePullPolicy": "IfNotPresent",
                "name": "c",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    },
}


def test_the_hash_of_a_template_is_upstream_s() -> None:
    assert template_hash(TEMPLATE, None) == "7866ccff64"
    assert template_hash(TEMPLATE, 1) != "7866ccff64"


def deployment(replicas: int, surge: Any = "25%", unavailable: Any = "25%") -> dict[str, Any]:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return {"metadata": {"name": "d"}, "spec": {"replicas": replicas, "strategy": strategy, "template": TEMPLATE}}


def replica_set(name: str, replicas: int, available: int, template: Any = None) -> dict[str, Any]:
    meta = {"name": name, "creationTimestamp": name}
    spec = {"replicas": replicas, "template": template or {"spec": {}}}
    return {"metadata": meta, "spec": spec, "status": {"availableReplicas": available, "replicas": replicas}}


def test_a_rollout_surges_then_takes_what_availability_spares() -> None:
    old, new = replica_set("a", 10, 10), replica_set("b", 3, 0, TEMPLATE)
    view = rollout.View(deployment(10), [old, new])
    assert rollout.new_set_replicas(view.deployment, view.all, new) == 3
    assert rollout.old_set_replicas(view) == {"a": 8}


def test_unhealthy_replicas_of_old_sets_go_first() -> None:
    old, broken, new = replica_set("a", 8, 8), replica_set("b", 2, 0), replica_set("c", 3, 0, TEMPLATE)
    assert rollout.old_set_replicas(rollout.View(deployment(10), [old, broken, new])) == {"a": 8, "b": 0}


def test_surge_rounds_up_and_unavailable_down_but_never_both_to_zero() -> None:
    assert (rollout.max_surge(deployment(3)), rollout.max_unavailable(deployment(3))) == (1, 0)
    assert rollout.max_unavailable(deployment(3, 0, "1%")) == 1


@pytest.mark.parametrize(("indexes", "text"), [(set(), ""), ({1}, "1"), ({0, 1}, "0,1"), ({0, 1, 2, 5}, "0-2,5")])
def test_completed_indexes(indexes: set[int], text: str) -> None:
    assert jobpolicy.format_indexes(indexes) == text
    assert jobpolicy.parse_indexes(text) == indexes


def test_pods_of_a_stateful_set_have_names_labels_and_claims_of_their_own() -> None:
    owner = with_uid({"metadata": {"name": "db", "namespace": "ns"}, "spec": {"serviceName": "db"}})
    owner["spec"].update(volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {}}])
    revision = {"metadata": {"name": "db-1"}, "data": statefulset.revision_data(TEMPLATE)}
    found = statefulset.new_pod(owner, 2, revision)
    assert (found["metadata"]["name"], found["spec"]["hostname"], found["spec"]["subdomain"]) == ("db-2", "db-2", "db")
    assert found["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "2"
    assert found["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-2"}}]


def test_claims_come_before_the_volumes_of_the_template() -> None:
    owner = with_uid({"metadata": {"name": "db", "namespace": "ns"}, "spec": {"serviceName": "db"}})
    owner["spec"].update(volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {}}])
    template = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "volumes": [{"name": "a"}, {"name": "data"}]}}
    revision = {"metadata": {"name": "db-1"}, "data": statefulset.revision_data(template)}
    found = statefulset.new_pod(owner, 0, revision)
    assert [one["name"] for one in found["spec"]["volumes"]] == ["data", "a"]


def test_daemons_stay_on_ailing_nodes_but_not_behind_foreign_taints() -> None:
    template = {"spec": {"nodeSelector": {"pick": "me"}}}
    picked = {"metadata": {"name": "n", "labels": {"pick": "me"}}}
    assert fits(template, picked) == (True, True)
    assert fits(template, node("n")) == (False, False)
    ailing = {**picked, "spec": {"taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}}
    assert fits(template, ailing) == (True, True)
    foreign = {**picked, "spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}}
    assert fits(template, foreign) == (False, True)
    assert len(tolerations({"hostNetwork": True})) == 7


def test_the_smallest_volume_that_fits_is_taken() -> None:
    def volume(name: str, size: str, **spec: Any) -> dict[str, Any]:
        return {
            "metadata": {"name": name},
            "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], **spec},
        }

    claim = {
        "metadata": {"name": "c", "namespace": "ns", "uid": "u"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
    }
    volumes = [
        volume("small", "1Gi"),
        volume("big", "10Gi"),
        volume("right", "3Gi"),
        volume("x", "2Gi", storageClassName="s"),
    ]
    chosen = choose(claim, volumes)
    assert chosen is not None and chosen["metadata"]["name"] == "right"
    reserved = volume("mine", "20Gi", claimRef={"name": "c", "namespace": "ns"})
    assert choose(claim, [*volumes, reserved]) is reserved


# ServiceCIDRs


@pytest.mark.parametrize(
    ("others", "addresses", "goes"),
    [
        ([], [], True),
        ([], ["10.1.0.5"], False),
        ([], ["10.9.0.5", "fd00::1"], True),
        (["10.1.0.0/25"], ["10.1.0.5"], True),
        (["10.1.0.0/25"], ["10.1.0.200"], False),
        (["10.0.0.0/8"], ["10.1.0.5", "10.1.0.200"], True),
    ],
)
def test_a_service_cidr_stays_while_addresses_need_it(others: list[str], addresses: list[str], goes: bool) -> None:
    rest = [{"spec": {"cidrs": [cidr]}} for cidr in others]
    assert servicecidrs.may_go({"spec": {"cidrs": ["10.1.0.0/24"]}}, rest, addresses) is goes
