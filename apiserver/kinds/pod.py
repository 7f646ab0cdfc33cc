"""v1 Pod: strategies and data; defaults and columns are in the `pod_*` files, the rules in `pods/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.field import FieldError
from apiserver.kinds import features
from apiserver.kinds.kind import STATUS, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pod_columns import COLUMNS, row_conditions
from apiserver.kinds.pod_defaults import default_pod, default_pod_spec
from apiserver.kinds.pod_validation import validate_pod_template
from apiserver.kinds.pods import creation, resize, spec, status, update
from apiserver.kinds.pods.qos import qos_class
from apiserver.kinds.pods.warnings import pod_warnings
from apiserver.validation import dns1123_label

__all__ = ["KINDS", "default_pod_spec", "qos_class", "validate_pod_template"]

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


class PodStrategy(Strategy):
    """Pods of the main resource."""

    defaulted = ("spec",)
    disabled_fields = features.of_pods("spec")
    metadata_again = 1
    has_generation = True
    delete_answers_object = True
    announces_deletion = True

    def default(self, obj: Object) -> None:
        default_pod(obj)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
        if obj["spec"].get("schedulingGates"):
            obj["status"]["conditions"] = [status.gated_condition()]
        creation.merge_label_keys(obj)
        context.warnings.extend(creation.adopt_app_armor(obj))

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return spec.new_pod(obj)

    def alike(self, obj: Object) -> bool:
        return not spec.named_after_pod(obj["spec"])

    def plain(self, name: str) -> bool:
        return not dns1123_label(name)  # any other name that is valid is warned of

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return update.validate_update(obj, old)

    def prepare_for_status_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_status_update(obj, old, context)
        if "ownerReferences" in old["metadata"]:
            obj["metadata"]["ownerReferences"] = old["metadata"]["ownerReferences"]
        else:
            obj["metadata"].pop("ownerReferences", None)
        live = old.get("status") or {}
        status.sync_pod_ips(obj.setdefault("status", {}), live)
        status.carry_over(obj["status"], live)

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return status.validate_status_update(obj, old)

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        if context.subresource == "status":
            return status.address_warnings(obj.get("status") or {})
        return pod_warnings(obj) if old is None else []

    def grace_period(self, obj: Object, options: Mapping[str, Any]) -> int:
        asked = options.get("gracePeriodSeconds")
        pod_spec, phase = obj.get("spec") or {}, (obj.get("status") or {}).get("phase")
        grace: int = asked if asked is not None else pod_spec.get("terminationGracePeriodSeconds", 30)
        if not pod_spec.get("nodeName") or phase in FINISHED:
            return 0
        return 1 if grace < 0 else grace

    def field_values(self, obj: Object) -> Mapping[str, str]:
        pod_spec, live = obj.get("spec") or {}, obj.get("status") or {}
        names = ("nodeName", "restartPolicy", "schedulerName", "serviceAccountName")
        return {f"spec.{name}": pod_spec.get(name, "") for name in names} | {
            "spec.hostNetwork": "true" if pod_spec.get("hostNetwork") else "false",
            "status.phase": live.get("phase", ""),
            "status.podIP": live.get("podIP", ""),
            "status.podIPs": "",  # known by name, though the real server fills in no value
            "status.nominatedNodeName": live.get("nominatedNodeName", ""),
        }


class EphemeralContainersStrategy(PodStrategy):
    """pods/NAME/ephemeralcontainers (KEP-277)."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        update.keep_only_ephemeral(obj, old)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return update.validate_ephemeral(obj, old)


class ResizeStrategy(PodStrategy):
    """pods/NAME/resize (KEP-1287)."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        resize.keep_only_resources(obj, old)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return resize.validate_resize(obj, old)


SUBRESOURCES = (
    Subresource("attach", CONNECT, gvk=("", "v1", "PodAttachOptions"), handler="connect"),
    Subresource("binding", ("create",), gvk=("", "v1", "Binding"), handler="binding"),
    Subresource("ephemeralcontainers", STATUS, strategy=EphemeralContainersStrategy()),
    Subresource("eviction", ("create",), gvk=("policy", "v1", "Eviction"), handler="eviction"),
    Subresource("exec", CONNECT, gvk=("", "v1", "PodExecOptions"), handler="connect"),
    Subresource("log", ("get",), handler="log"),
    Subresource("portforward", CONNECT, gvk=("", "v1", "PodPortForwardOptions"), handler="connect"),
    Subresource("proxy", PROXY, gvk=("", "v1", "PodProxyOptions"), handler="connect"),
    Subresource("resize", STATUS, strategy=ResizeStrategy()),
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
        row_conditions=row_conditions,
        selectable_fields=FIELDS,
        subresources=SUBRESOURCES,
    ),
)
