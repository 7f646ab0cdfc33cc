"""Which pods a Service selects, which Services select a pod, and what both endpoints controllers ask about them
(upstream: k8s.io/endpointslice/util)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from controllers import pods
from controllers.controller import Loop
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import PODS, SERVICES

BY_SELECTOR = "selector"
INDEXES = {(PODS, pods.BY_LABEL): pods.label_values}
"""Indexes that `selected_pods` needs; `SERVICE_INDEXES` are for `services_of`."""


def selector_values(service: Object) -> Iterable[str]:
    """A Service is found by one pair of its selector: a pod it selects has that label."""
    selector = selector_of(service)
    namespace = service["metadata"]["namespace"]
    return [f"{namespace}/{key}={value}" for key, value in sorted(selector.items())[:1]]


SERVICE_INDEXES = {(SERVICES, BY_SELECTOR): selector_values}


def selector_of(service: Object) -> dict[str, str]:
    """Empty where the Service selects nothing: `{}` counts as no selector."""
    return (service.get("spec") or {}).get("selector") or {}


def is_managed(service: Object) -> bool:
    """Whether endpoints follow the Service's selector at all."""
    return bool(selector_of(service)) and service["spec"].get("type") != "ExternalName"


def has_cluster_ip(service: Object) -> bool:
    return service["spec"].get("clusterIP") not in (None, "", "None")


def families(service: Object) -> list[str]:
    """IPv4 and IPv6, in the order of the Service; from its address where it does not say."""
    spec = service["spec"]
    if spec.get("ipFamilies"):
        return list(spec["ipFamilies"])
    if has_cluster_ip(service):
        return ["IPv6" if pods.is_ipv6(spec["clusterIP"]) else "IPv4"]
    return ["IPv4", "IPv6"]


def addresses(pod: Object, family: str) -> list[str]:
    return [address for address in pods.ips(pod) if pods.is_ipv6(address) == (family == "IPv6")]


def belongs(pod: Object, *, terminating: bool) -> bool:
    """Whether the pod may be an endpoint: it has an address and has not finished."""
    if pods.is_finished(pod) or not ((pod.get("status") or {}).get("podIP") or pods.ips(pod)):
        return False
    return terminating or not pods.is_terminating(pod)


def hostname(pod: Object, service: Object) -> str:
    """The name under which DNS shows the pod below the Service; empty where it has none."""
    spec = pod.get("spec") or {}
    return str(spec.get("hostname") or "") if spec.get("subdomain") == service["metadata"]["name"] else ""


def target_reference(pod: Object) -> Object:
    meta = pod["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def selected_pods(loop: Loop, service: Object) -> list[Object]:
    """Sorted by name, so that equal worlds give equal objects."""
    store = loop[PODS].store
    namespace, selector = service["metadata"]["namespace"], selector_of(service)
    values = [f"{namespace}/{key}={value}" for key, value in selector.items()]
    rarest = min(values, key=lambda value: store.count(pods.BY_LABEL, value))
    found = [pod for pod in store.by_index(pods.BY_LABEL, rarest) if matches(selector, pods.labels_of(pod))]
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def services_of(loop: Loop, pod: Object) -> set[str]:
    """Keys of the Services that select the pod."""
    store, labels = loop[SERVICES].store, pods.labels_of(pod)
    namespace = pod["metadata"]["namespace"]
    found = set()
    for key, value in labels.items():
        for service in store.by_index(BY_SELECTOR, f"{namespace}/{key}={value}"):
            if matches(selector_of(service), labels):
                found.add(f"{namespace}/{service['metadata']['name']}")
    return found


def _pod_changed(old: Object, new: Object) -> bool:
    """Whether an endpoint of the pod looks different now, its labels apart."""
    return (
        pods.is_terminating(new)
        or pods.is_terminating(old)
        or pods.is_ready(old) != pods.is_ready(new)
        or pods.is_finished(old) != pods.is_finished(new)
        or pods.ips(old) != pods.ips(new)
        or pods.node_of(old) != pods.node_of(new)
    )


def _membership_changed(old: Object, new: Object) -> bool:
    names = ("hostname", "subdomain")
    return pods.labels_of(old) != pods.labels_of(new) or any(old["spec"].get(n) != new["spec"].get(n) for n in names)


def pod_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """The Services to look at after a change of a pod."""
    if old is None or new is None:
        return services_of(loop, new or old or {})
    changed, moved = _pod_changed(old, new), _membership_changed(old, new)
    if not moved:
        return services_of(loop, new) if changed else ()
    before, after = services_of(loop, old), services_of(loop, new)
    return before | after if changed else before ^ after


class TriggerTimes:
    """When what a sync reacts to happened (the "last change trigger time" of KEP-0752's SLO): the earliest change of
    the Service or one of its pods since the last sync."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[datetime | None, dict[str, datetime]]] = {}

    def forget(self, key: str) -> None:
        self._known.pop(key, None)

    def compute(self, key: str, service: Object, selected: Iterable[Object]) -> str | None:
        """The time as text; None where nothing that has a time changed."""
        created = clock.parse(service["metadata"].get("creationTimestamp"))
        times = {pod["metadata"]["name"]: moment for pod in selected if (moment := _ready_since(pod)) is not None}
        known = self._known.get(key)
        self._known[key] = (created, times)
        if known is None:
            return clock.text(created) if created else None
        last_created, last_times = known
        changed = [moment for name, moment in times.items() if name not in last_times or moment > last_times[name]]
        if created is not None and (last_created is None or created > last_created):
            changed.append(created)
        return clock.text(min(changed)) if changed else None


def _ready_since(pod: Object) -> datetime | None:
    return clock.parse((pods.condition(pod, "Ready") or {}).get("lastTransitionTime"))
