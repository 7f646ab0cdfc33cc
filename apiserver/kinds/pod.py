"""v1 Pod: strategy and data; defaults, validation and columns are in the `pod_*` files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.field import FieldError
from apiserver.kinds.kind import STATUS, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pod_columns import COLUMNS
from apiserver.kinds.pod_defaults import default_pod_spec, requests_from_limits
from apiserver.kinds.pod_validation import validate_pod_spec, validate_pod_template
from apiserver.validation import dns1123_subdomain
from miniplane.apimachinery.quantity import Quantity

__all__ = ["KINDS", "default_pod_spec", "validate_pod_template"]

FINISHED = ("Succeeded", "Failed")
CONNECT = ("create", "get")
PROXY = ("create", "delete", "get", "patch", "update")
FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
)
_QOS_RESOURCES = ("cpu", "memory")


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort (by cpu and memory of every container)."""
    any_set, guaranteed = False, True
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in _QOS_RESOURCES:
            request, limit = (Quantity.parse(side.get(name, "0")).amount for side in (requests, limits))
            any_set = any_set or bool(request) or bool(limit)
            if not limit or request != limit:
                guaranteed = False
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


class PodStrategy(Strategy):
    """Pods of the main resource."""

    has_generation = True
    delete_answers_object = True
    announces_deletion = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        default_pod_spec(spec)
        requests_from_limits(spec)
        spec.setdefault("enableServiceLinks", True)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        spec = obj["spec"]
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(spec)}
        if spec.get("schedulingGates"):
            obj["status"]["conditions"] = [_gated()]

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return validate_pod_spec(obj["spec"], "spec", context)

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return dns1123_subdomain(name, prefix=prefix)

    def prepare_for_status_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_status_update(obj, old, context)
        for name in ("deletionTimestamp", "ownerReferences", "finalizers"):
            if name in old["metadata"]:
                obj["metadata"][name] = old["metadata"][name]
            else:
                obj["metadata"].pop(name, None)
        sync_pod_ips(obj.setdefault("status", {}), old.get("status") or {})
        if "qosClass" in (old.get("status") or {}):
            obj["status"]["qosClass"] = old["status"]["qosClass"]

    def grace_period(self, obj: Object, options: Mapping[str, Any]) -> int:
        asked = options.get("gracePeriodSeconds")
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        grace: int = asked if asked is not None else spec.get("terminationGracePeriodSeconds", 30)
        if not spec.get("nodeName") or status.get("phase") in FINISHED:
            return 0
        return 1 if grace < 0 else grace

    def field_values(self, obj: Object) -> Mapping[str, str]:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        return {
            "spec.nodeName": spec.get("nodeName", ""),
            "spec.restartPolicy": spec.get("restartPolicy", ""),
            "spec.schedulerName": spec.get("schedulerName", ""),
            "spec.serviceAccountName": spec.get("serviceAccountName", ""),
            "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
            "status.phase": status.get("phase", ""),
            "status.podIP": status.get("podIP", ""),
            "status.podIPs": status.get("podIP", ""),
            "status.nominatedNodeName": status.get("nominatedNodeName", ""),
        }


def _gated() -> Object:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
        "lastProbeTime": None,
        "lastTransitionTime": None,
    }


def sync_pod_ips(status: Object, old: Object) -> None:
    """podIP and podIPs say the same: whichever the client changed wins."""
    single, several = status.get("podIP", ""), status.get("podIPs") or []
    first = several[0].get("ip", "") if several else ""
    if single == first:
        return
    if single != old.get("podIP", ""):
        status["podIPs"] = [{"ip": single}] if single else []
        if not single:
            status.pop("podIPs")
    elif first:
        status["podIP"] = first
    elif single:
        status["podIPs"] = [{"ip": single}]


SUBRESOURCES = (
    Subresource("attach", CONNECT, gvk=("", "v1", "PodAttachOptions"), handler="connect"),
    Subresource("binding", ("create",), gvk=("", "v1", "Binding"), handler="binding"),
    Subresource("ephemeralcontainers", STATUS),
    Subresource("eviction", ("create",), gvk=("policy", "v1", "Eviction"), handler="eviction"),
    Subresource("exec", CONNECT, gvk=("", "v1", "PodExecOptions"), handler="connect"),
    Subresource("log", ("get",), handler="log"),
    Subresource("portforward", CONNECT, gvk=("", "v1", "PodPortForwardOptions"), handler="connect"),
    Subresource("proxy", PROXY, gvk=("", "v1", "PodProxyOptions"), handler="connect"),
    Subresource("resize", STATUS),
    Subresource("status", STATUS),
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "",
        "v1",
        "Pod",
        "pods",
        True,
        PodStrategy(),
        short_names=("po",),
        categories=("all",),
        columns=COLUMNS,
        selectable_fields=FIELDS,
        subresources=SUBRESOURCES,
    ),
)
