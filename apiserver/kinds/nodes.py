"""v1 Node."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, invalid, required
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pods import resources
from apiserver.kinds.pods.checks import each, label_key
from apiserver.kinds.pods.scheduling import taint_effect
from apiserver.table import AGE

PROXY = ("create", "delete", "get", "patch", "update")
ROLE_PREFIX = "node-role.kubernetes.io/"


class NodeStrategy(Strategy):
    """Node. Its status may come with its creation: kubelets register themselves."""

    metadata_again = 1

    def default(self, obj: Object) -> None:
        _match_pod_cidrs(obj.get("spec") or {})
        status = obj.get("status") or {}
        if status.get("allocatable") is None and status.get("capacity"):
            status["allocatable"] = dict(status["capacity"])

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj.setdefault("status", {})
        _drop_config_source(obj, {})

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_update(obj, old, context)
        _drop_config_source(obj, old)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        return _taints(spec.get("taints") or ()) + _amounts(obj) + _pod_cidrs(spec.get("podCIDRs") or [])

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """As a new node, and then as a changed one: what both look at is told twice."""
        return self.validate(obj, context) + self.validate_status_update(obj, old, context)

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """ValidateNodeUpdate, which looks at the whole node whatever was written."""
        spec, live = obj.get("spec") or {}, old.get("spec") or {}
        found = _amounts(obj) + _addresses(obj) + _changed_pod_cidrs(spec.get("podCIDRs") or [], live)
        if live.get("providerID") and spec.get("providerID") != live["providerID"]:
            why = 'node updates may not change providerID except from "" to valid'
            found.append(forbidden("spec.providerID", why))
        found += _taints(spec.get("taints") or ())
        if spec.get("externalID", "") != live.get("externalID", ""):
            found.append(forbidden("spec.externalID", "may not be updated"))
        return found

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        if context.subresource or not (obj.get("spec") or {}).get("externalID"):
            return []
        return ["spec.externalID: this field is deprecated, and is unused by Kubernetes"]

    def field_values(self, obj: Object) -> Mapping[str, str]:
        return {"spec.unschedulable": "true" if (obj.get("spec") or {}).get("unschedulable") else "false"}


def _match_pod_cidrs(spec: Object) -> None:
    """podCIDR is the first of podCIDRs. Where they differ, podCIDR counts alone: older kubelets know only that one."""
    one, several = spec.get("podCIDR"), spec.get("podCIDRs")
    if one and (not several or several[0] != one):
        spec["podCIDRs"] = [one]
    elif several:
        spec["podCIDR"] = several[0]


def _drop_config_source(obj: Object, old: Object) -> None:
    """Kubelets no longer take their configuration from the API: the field stays only where it is stored."""
    if (old.get("spec") or {}).get("configSource") is None:
        (obj.get("spec") or {}).pop("configSource", None)


def _changed_pod_cidrs(ranges: list[str], live: Object) -> list[FieldError]:
    before = live.get("podCIDRs") or []
    error = forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if before and len(ranges) != len(before):
        return [error]
    return [error for value, was in zip(ranges, before, strict=False) if value != was]


def _taints(taints: Any) -> list[FieldError]:
    """The real server reports them under metadata."""
    found: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path, key, value = f"metadata.taints[{index}]", taint.get("key", ""), taint.get("value", "")
        found += label_key(f"{path}.key", key)
        faults = rules.label_value(value)
        if faults:
            found.append(invalid(f"{path}.value", value, ";".join(faults)))
        effect = taint.get("effect", "")
        found += taint_effect(f"{path}.effect", effect) if effect else [required(f"{path}.effect")]
        if (key, effect) in seen:
            found.append(_repeated(path, taint))
        seen.add((key, effect))
    return found


def _repeated(path: str, taint: Object) -> FieldError:
    names = (("Key", "key", ""), ("Value", "value", ""), ("Effect", "effect", ""), ("TimeAdded", "timeAdded", None))
    error = duplicate(path, {shown: taint.get(name, empty) for shown, name, empty in names})
    return error._replace(text=f"{error.text}: taints must be unique by key and effect pair")


def _amounts(obj: Object) -> list[FieldError]:
    found: list[FieldError] = []
    for name, text in sorted(((obj.get("status") or {}).get("capacity") or {}).items()):
        found += resources.amount(name, text, f"status.capacity.{name}")
    for name, text in sorted(((obj.get("status") or {}).get("allocatable") or {}).items()):
        found += resources.amount(name, text, f"status.allocatable.{name}")
    return found


def _addresses(obj: Object) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for index, item in enumerate((obj.get("status") or {}).get("addresses") or ()):
        pair = (item.get("type", ""), item.get("address", ""))
        if pair in seen:
            found.append(duplicate(f"status.addresses[{index}]", {"Type": pair[0], "Address": pair[1]}))
        seen.add(pair)
    return found


def _dual_stack(ranges: list[str]) -> bool:
    return len(ranges) == 2 and {ipaddress.ip_interface(value).version for value in ranges} == {4, 6}


def _pod_cidrs(ranges: list[str]) -> list[FieldError]:
    found: list[FieldError] = []
    for index, value in enumerate(ranges):
        found += each(f"spec.podCIDRs[{index}]", value, rules.legacy_cidr(value))
    if len(ranges) > 1 and not found and not _dual_stack(ranges):
        found.append(invalid("spec.podCIDRs", ranges, "may specify no more than one CIDR for each IP family"))
    repeated = (index for index, value in enumerate(ranges) if value in ranges[:index])
    return found + [duplicate(f"spec.podCIDRs[{index}]", ranges[index]) for index in repeated]


def _status(obj: Object) -> str:
    ready = next((c for c in (obj.get("status") or {}).get("conditions") or () if c.get("type") == "Ready"), None)
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return text + (",SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else "")


def _roles(obj: Object) -> str:
    labels = obj["metadata"].get("labels") or {}
    found = {key[len(ROLE_PREFIX) :] for key in labels if key.startswith(ROLE_PREFIX) and len(key) > len(ROLE_PREFIX)}
    if labels.get("kubernetes.io/role"):
        found.add(labels["kubernetes.io/role"])
    return ",".join(sorted(found)) or "<none>"


def _address(kind: str) -> Any:
    def value(obj: Object) -> str:
        addresses = (obj.get("status") or {}).get("addresses") or ()
        return next((a.get("address", "") for a in addresses if a.get("type") == kind), "<none>")

    return value


def _info(name: str, default: str = "<unknown>") -> Any:
    def value(obj: Object) -> str:
        return ((obj.get("status") or {}).get("nodeInfo") or {}).get(name) or default

    return value


def _kernel(obj: Object) -> str:
    version, architecture = _info("kernelVersion")(obj), _info("architecture", "")(obj)
    return f"{version} ({architecture})" if architecture else str(version)


COLUMNS = (
    Column("Status", _status),
    Column("Roles", _roles),
    AGE,
    Column("Version", _info("kubeletVersion", "")),
    Column("Internal-IP", _address("InternalIP"), priority=1),
    Column("External-IP", _address("ExternalIP"), priority=1),
    Column("OS-Image", _info("osImage"), priority=1),
    Column("Kernel-Version", _kernel, priority=1),
    Column("Container-Runtime", _info("containerRuntimeVersion"), priority=1),
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "",
        "v1",
        "Node",
        "nodes",
        False,
        NodeStrategy(),
        short_names=("no",),
        columns=COLUMNS,
        selectable_fields=("spec.unschedulable",),
        subresources=(
            Subresource("proxy", PROXY, gvk=("", "v1", "NodeProxyOptions"), handler="connect"),
            Subresource("status", STATUS),
        ),
    ),
)
