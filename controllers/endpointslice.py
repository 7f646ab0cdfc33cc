"""EndpointSlices (KEP-0752): for each Service with a selector its pods in slices of at most 100, per address family,
changed as little as possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from controllers import pods, services, slices, topology
from controllers.controller import Controller, Loop, Retry, own_key
from controllers.endpoints import HEADLESS, TRIGGER_TIME
from controllers.hints import add_hints
from controllers.slices import Plan, Written
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES

MANAGER = "endpointslice-controller.k8s.io"
MAX_ENDPOINTS = 100
ZONE = "topology.kubernetes.io/zone"
Nodes = dict[str, Object]

# what should be


def endpoint(pod: Object, node: Object | None, service: Object, family: str) -> Object:
    """A pod as an endpoint of a slice."""
    serving, terminating = pods.is_ready(pod), pods.is_terminating(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    found: Object = {
        "addresses": services.addresses(pod, family),
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": services.target_reference(pod),
    }
    zone = pods.labels_of(node).get(ZONE) if node is not None else None
    extra = {"nodeName": pods.node_of(pod), "zone": zone, "hostname": services.hostname(pod, service)}
    return {**found, **{key: value for key, value in extra.items() if value}}


def ports(pod: Object, service: Object) -> list[Object]:
    """The ports the pod offers, in the order in which slices list them."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = pods.find_port(pod, port)
        if number is not None:
            entry = {"name": port.get("name") or "", "port": number, "protocol": port.get("protocol", "TCP")}
            found.append({**entry, "appProtocol": port["appProtocol"]} if port.get("appProtocol") else entry)
    return slices.sorted_ports(found)


@dataclass(slots=True)
class Group:
    """The endpoints that offer the same ports."""

    ports: list[Object]
    endpoints: dict[tuple[object, ...], Object] = field(default_factory=dict)


def desired(
    service: Object, selected: Iterable[Object], nodes: Nodes, family: str
) -> tuple[dict[tuple[slices.Port, ...], Group], list[str]]:
    """Groups by their ports, and the names of pods left out because their Node is unknown."""
    groups: dict[tuple[slices.Port, ...], Group] = {}
    left_out = []
    for pod in selected:
        if not services.belongs(pod, terminating=True):
            continue
        offered = ports(pod, service)
        group = groups.setdefault(slices.ports_key(offered), Group(offered))
        node = nodes.get(pods.node_of(pod))
        if node is None and not service["spec"].get("publishNotReadyAddresses"):
            left_out.append(str(pod["metadata"]["name"]))
            continue
        found = endpoint(pod, node, service, family)
        if found["addresses"]:
            group.endpoints[slices.identity(found)] = found
    return groups, left_out


def desired_labels(service: Object) -> dict[str, str]:
    found = {key: value for key, value in pods.labels_of(service).items() if key not in slices.RESERVED}
    if not services.has_cluster_ip(service):
        found[HEADLESS] = ""
    return {**found, slices.SERVICE_NAME: service["metadata"]["name"], slices.MANAGED_BY: MANAGER}


def _labels_differ(found: Object, service: Object) -> bool:
    """Only labels that are not ours to set count (as upstream compares them)."""
    given, wanted = pods.labels_of(found), pods.labels_of(service)
    kept = [{k: v for k, v in labels.items() if k not in slices.RESERVED} for labels in (given, wanted)]
    return kept[0] != kept[1]


def new_slice(service: Object, family: str, offered: list[Object]) -> Object:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    return {
        "metadata": {
            "generateName": slices.name_prefix(name),
            "namespace": namespace,
            "labels": desired_labels(service),
            "ownerReferences": [slices.owner_reference(service, "v1", "Service")],
        },
        "addressType": family,
        "endpoints": [],
        "ports": offered,
    }


# which slice holds what


def _with(found: Object, endpoints: list[Object], labels: dict[str, str]) -> Object:
    """A copy that may be changed."""
    meta = {**found["metadata"], "labels": labels}
    return {**found, "metadata": meta, "endpoints": [dict(one) for one in endpoints]}


@dataclass(slots=True)
class _Packing:
    """The slices of one group while its endpoints are placed."""

    service: Object
    family: str
    group: Group
    waiting: dict[tuple[object, ...], Object]
    changed: list[Object] = field(default_factory=list)
    unchanged: list[Object] = field(default_factory=list)
    created: list[Object] = field(default_factory=list)
    deleted: list[Object] = field(default_factory=list)

    def keep(self, found: Object) -> None:
        """Step 1: endpoints stay where they are; those not wanted any more leave."""
        kept, updated = [], False
        given = found.get("endpoints") or []
        for one in given:
            wanted = self.waiting.pop(slices.identity(one), None)
            if wanted is not None:
                updated = updated or not slices.equal(wanted, one)
                kept.append({**wanted, **({"hints": one["hints"]} if one.get("hints") else {})})
        labels = desired_labels(self.service)
        if not kept and len(given) > 0:
            self.deleted.append(found)
        elif updated or len(kept) != len(given):
            self.changed.append(_with(found, kept, labels))
        elif _labels_differ(found, self.service):
            self.changed.append(_with(found, given, labels))
        else:
            self.unchanged.append(found)

    def _fill(self, found: Object) -> None:
        while self.waiting and len(found["endpoints"]) < MAX_ENDPOINTS:
            found["endpoints"].append(self.waiting.pop(next(iter(self.waiting))))

    def fill_changed(self) -> None:
        """Step 2: what is left goes to slices that are written anyway, the fullest first."""
        for found in sorted(self.changed, key=lambda one: -len(one["endpoints"])):
            self._fill(found)

    def fill_others(self) -> None:
        """Step 3: the rest to the one unchanged slice that it fills best, or to new slices."""
        while self.waiting:
            found = self._roomy() if len(self.waiting) < MAX_ENDPOINTS else None
            if found is None:
                found = new_slice(self.service, self.family, self.group.ports)
                self.created.append(found)
            else:
                self.unchanged = [one for one in self.unchanged if one is not found]
                found = _with(found, found.get("endpoints") or [], desired_labels(self.service))
                self.changed.append(found)
            self._fill(found)

    def _roomy(self) -> Object | None:
        room = [(MAX_ENDPOINTS - len(one.get("endpoints") or ()) - len(self.waiting), one) for one in self.unchanged]
        fitting = [entry for entry in room if 0 <= entry[0] < MAX_ENDPOINTS]
        return min(fitting, key=lambda entry: entry[0])[1] if fitting else None


def plan_family(
    service: Object, family: str, groups: dict[tuple[slices.Port, ...], Group], found: Sequence[Object], nodes: Nodes
) -> Plan:
    """The changes to the slices of one address family."""
    plan = Plan()
    by_ports: dict[tuple[slices.Port, ...], list[Object]] = {}
    for one in found:
        if slices.owned_by(one, service):
            by_ports.setdefault(slices.ports_key(one.get("ports")), []).append(one)
        else:
            plan.delete.append(one)
    unchanged: list[Object] = []
    for key, group in groups.items():
        packing = _Packing(service, family, group, dict(group.endpoints))
        for one in by_ports.pop(key, ()):
            packing.keep(one)
        packing.fill_changed()
        packing.fill_others()
        plan.create += packing.created
        plan.update += packing.changed
        plan.delete += packing.deleted
        unchanged += packing.unchanged
    for rest in by_ports.values():
        plan.delete += rest
    if len(plan.delete) == len(found) and not plan.create:
        unchanged += _placeholder(service, family, plan)
    add_hints(service, family, nodes.values(), plan, unchanged)
    return plan


def _placeholder(service: Object, family: str, plan: Plan) -> list[Object]:
    """A Service without endpoints has one empty slice, so that consumers can tell it from an unknown Service."""
    wanted = new_slice(service, family, [])
    if len(plan.delete) == 1 and _is_placeholder(plan.delete[0], wanted):
        return [plan.delete.pop()]
    plan.create.append(wanted)
    return []


def _is_placeholder(found: Object, wanted: Object) -> bool:
    owners = [[ref.get("uid") for ref in one["metadata"].get("ownerReferences") or ()] for one in (found, wanted)]
    return (
        not found.get("endpoints")
        and not found.get("ports")
        and pods.labels_of(found) == pods.labels_of(wanted)
        and owners[0] == owners[1]
    )


def plan(service: Object, selected: Sequence[Object], nodes: Nodes, found: Sequence[Object]) -> tuple[Plan, list[str]]:
    """All changes for a Service, and the pods that were left out for their unknown Node."""
    families = services.families(service)
    whole, left_out = Plan(delete=[one for one in found if one["addressType"] not in families]), []
    for family in families:
        groups, missing = desired(service, selected, nodes, family)
        part = plan_family(service, family, groups, [one for one in found if one["addressType"] == family], nodes)
        left_out += missing
        whole.create += part.create
        whole.update += part.update
        whole.delete += part.delete
        whole.events += part.events
    whole.recycle(service)
    return whole, left_out


# making it so


class State:
    def __init__(self) -> None:
        self.triggers, self.written = services.TriggerTimes(), Written()
        self.hinted: set[str] = set()
        """Keys of the Services whose endpoints have hints of topology mode."""


def _stamp(found: Object, trigger: str | None) -> None:
    """The trigger time of this change, or none."""
    annotations = dict(found["metadata"].get("annotations") or {})
    annotations.pop(TRIGGER_TIME, None)
    if trigger is not None:
        annotations[TRIGGER_TIME] = trigger
    found["metadata"] = {**found["metadata"], "annotations": annotations}


def _tell(loop: Loop, key: str, service: Object, events: Iterable[tuple[str, str, str]]) -> None:
    """Topology mode says when it begins to give hints, why it does not, and when nobody wants them any more."""
    hinted: set[str] = loop.state.hinted
    if key in hinted and not topology.is_automatic(service):
        hinted.discard(key)
        text = f"{topology.DISABLED}, addressType: {services.families(service)[0]}"
        loop.event(service, "Warning", "TopologyAwareHintsDisabled", text)
    for kind, reason, message in events:
        enabled = reason == "TopologyAwareHintsEnabled"
        if not (enabled and key in hinted):
            loop.event(service, kind, reason, message)
        (hinted.add if enabled else hinted.discard)(key)


async def reconcile(loop: Loop, key: str) -> None:
    service = loop[SERVICES].get(key)
    if service is None:
        loop.state.triggers.forget(key)
        loop.state.hinted.discard(key)
        return
    if not services.is_managed(service):
        return
    selected = services.selected_pods(loop, service)
    trigger = loop.state.triggers.compute(key, service, selected)
    found = slices.existing(loop, key, MANAGER)
    changes, left_out = plan(service, selected, loop[NODES].store.objects, found)
    _tell(loop, key, service, changes.events)
    for one in (*changes.create, *changes.update):
        _stamp(one, trigger)
    try:
        await slices.write(loop, changes, service)
    except StatusError as error:
        message = f"Error updating Endpoint Slices for Service {key}: {error.message}"
        loop.event(service, "Warning", "FailedToUpdateEndpointSlices", message)
        raise
    if left_out:
        raise Retry(f"skipped pods of Service {key} on unknown nodes: {', '.join(left_out)}")


def _slice_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    return slices.keys_for(loop, MANAGER, old, new)


def _node_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """A new Node may be the one that pods waited for."""
    found = _hinted_keys(loop) if _capacity(old) != _capacity(new) else set()
    if old is not None or new is None:
        return found
    waiting = loop[PODS].store.by_index(pods.BY_NODE, new["metadata"]["name"])
    return found | {key for pod in waiting for key in services.services_of(loop, pod)}


def _capacity(node: Object | None) -> tuple[object, ...]:
    """What a Node counts for when endpoints are spread over zones."""
    if node is None or not pods.is_ready(node):
        return ()
    return pods.labels_of(node).get(ZONE), ((node.get("status") or {}).get("allocatable") or {}).get("cpu")


def _hinted_keys(loop: Loop) -> set[str]:
    """The Services whose hints follow the capacity of Nodes."""
    found = loop[SERVICES].store.objects.items()
    automatic = [key for key, service in found if topology.is_automatic(service)]
    return {key for key in automatic if topology.has_hints(slices.existing(loop, key, MANAGER))}


CONTROLLER = Controller(
    name="endpointslice",
    component="endpoint-slice-controller",
    watches={SERVICES: own_key, PODS: services.pod_keys, NODES: _node_keys, ENDPOINT_SLICES: _slice_keys},
    reconcile=reconcile,
    indexes={
        **services.INDEXES,
        **services.SERVICE_INDEXES,
        **slices.INDEXES,
        (PODS, pods.BY_NODE): pods.node_values,
    },
    state=State,
    base_delay=1.0,
    retries=15,
)
