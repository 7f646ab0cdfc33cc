"""Rules of ResourceSlices (resource.k8s.io/v1, KEP-4381): the devices that a driver has, and what they share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, immutable, invalid, required, too_long
from apiserver.kinds.device_capacities import request_policy
from apiserver.kinds.device_rules import (
    UNBOUNDED,
    binding_conditions,
    items,
    label,
    members,
    pool_name,
    qualified,
    taint,
)
from apiserver.kinds.kind import Context, Object
from apiserver.kinds.pods.checks import NOT_POSITIVE, each, named
from apiserver.kinds.pods.scheduling import node_selector
from apiserver.kinds.pods.volumes import driver_name
from apiserver.kinds.strategies import Counted

DEVICES, DEVICES_WITH_MORE = 128, 64
"""The latter where devices have taints or consume counters."""
PROPERTIES, VALUE, TAINTS = 32, 64, 16
"""Attributes and capacities of a device together; bytes of a text among them."""
COUNTER_SETS, COUNTERS, CONSUMPTIONS = 8, 32, 2
SEMVER = (
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)
PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
UNSET_OR_TRUE = "must be either unset or set to true"


class SliceStrategy(Counted):
    """ResourceSlice."""

    delete_answers_object = True

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return _slice(obj.get("spec") or {}, None)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return _slice(obj.get("spec") or {}, old.get("spec") or {})

    def field_values(self, obj: Object) -> Mapping[str, str]:
        spec = obj.get("spec") or {}
        return {"spec.driver": spec.get("driver", ""), "spec.nodeName": spec.get("nodeName", "")}


def _slice(spec: Object, old: Object | None) -> list[FieldError]:
    found = driver_name("spec.driver", spec.get("driver", "")) + _pool(spec.get("pool") or {}, "spec.pool")
    if old is not None:
        found += _unchanged(spec, old)
    found += _places(spec)
    if spec.get("sharedCounters") is not None and spec.get("devices") is not None:
        found.append(invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"))
    devices: list[Object] = spec.get("devices") or []
    more = any(device.get("taints") or device.get("consumesCounters") for device in devices)
    before = {device.get("name", ""): device for device in (old or {}).get("devices") or ()}

    def device(item: Object, path: str) -> list[FieldError]:
        return _device(item, before.get(item.get("name", "")), path, bool(spec.get("perDeviceNodeSelection")))

    found += items(devices, "spec.devices", DEVICES_WITH_MORE if more else DEVICES, device, _name)
    return found + items(spec.get("sharedCounters") or [], "spec.sharedCounters", COUNTER_SETS, _counter_set, _name)


def _name(item: Object) -> str:
    return str(item.get("name", ""))


def _unchanged(spec: Object, old: Object) -> list[FieldError]:
    pool, known = ((one.get("pool") or {}).get("name", "") for one in (spec, old))
    found = [immutable("spec.pool.name", pool)] if pool != known else []
    if spec.get("driver", "") != old.get("driver", ""):
        found.append(immutable("spec.driver", spec.get("driver", "")))
    if spec.get("nodeName") != old.get("nodeName"):
        found.append(immutable("spec.nodeName", spec.get("nodeName")))
    return found


def _pool(pool: Object, path: str) -> list[FieldError]:
    found = pool_name(pool.get("name", ""), f"{path}.name")
    count, generation = pool.get("resourceSliceCount", 0), pool.get("generation", 0)
    if count <= 0:
        found.append(invalid(f"{path}.resourceSliceCount", count, NOT_POSITIVE))
    if generation < 0:
        found.append(invalid(f"{path}.generation", generation, "must be greater than or equal to zero"))
    return found


def _places(spec: Object) -> list[FieldError]:
    """For which nodes the devices are: one way to say it."""
    found: list[FieldError] = []
    node, selector = spec.get("nodeName"), spec.get("nodeSelector")
    if node:
        found += each("spec.nodeName", node, rules.dns1123_subdomain(node))
    elif node is not None:
        found.append(invalid("spec.nodeName", node, "must be either unset or set to a non-empty string"))
    if selector is not None:
        found += node_selector(selector, "spec.nodeSelector")
        terms = selector.get("nodeSelectorTerms") or []
        if len(terms) != 1:
            why = "must have exactly one node selector term"
            found.append(invalid("spec.nodeSelector.nodeSelectorTerms", [_internal_term(one) for one in terms], why))
    for name in PLACES[2:]:
        if spec.get(name) is False:
            found.append(invalid(f"spec.{name}", False, UNSET_OR_TRUE))
    stated = [f"`{name}`" for name in PLACES if spec.get(name) or (name == "nodeSelector" and selector is not None)]
    why = f"exactly one of {', '.join(f'`{name}`' for name in PLACES)} is required"
    if not stated:
        found.append(required("spec", why))
    elif len(stated) > 1:
        found.append(invalid("spec", f"{{{', '.join(stated)}}}", f"{why}, but multiple fields are set"))
    return found


def _internal_term(term: Object) -> Object:
    """A NodeSelectorTerm as the real server's internal type is shown in errors."""
    return {
        shown: [
            {"Key": one.get("key", ""), "Operator": one.get("operator", ""), "Values": one.get("values")}
            for one in term[name]
        ]
        if term.get(name)
        else None
        for shown, name in (("MatchExpressions", "matchExpressions"), ("MatchFields", "matchFields"))
    }


def _device(device: Object, old: Object | None, path: str, own_nodes: bool) -> list[FieldError]:
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    found = label(_name(device), f"{path}.name")
    together = len(attributes) + len(capacity)
    if together > PROPERTIES:
        why = f"the total number of attributes and capacities must not exceed {PROPERTIES}"
        found.append(invalid(path, together, why))
    found += members(attributes, f"{path}.attributes", UNBOUNDED, qualified, _attribute)
    several = bool(device.get("allowMultipleAllocations"))

    def amount(item: Object, at: str) -> list[FieldError]:
        return request_policy(item, f"{at}.requestPolicy", several)

    found += members(capacity, f"{path}.capacity", UNBOUNDED, qualified, amount)
    taints = device.get("taints") or []
    if old is None or (old.get("taints") or []) != taints:
        found += items(taints, f"{path}.taints", TAINTS, taint)
    consumed = device.get("consumesCounters") or []
    found += items(
        consumed, f"{path}.consumesCounters", CONSUMPTIONS, _consumption, lambda item: item.get("counterSet", "")
    )
    return found + _own_places(device, path, own_nodes) + binding_conditions(device, path)


def _attribute(attribute: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    text, version = attribute.get("string"), attribute.get("version")
    if text is not None and len(text.encode()) > VALUE:
        found.append(too_long(f"{path}.string", VALUE))
    if version is not None:
        if not re.fullmatch(SEMVER, version, re.ASCII):
            found.append(invalid(f"{path}.version", version, "must be a string compatible with semver.org spec 2.0.0"))
        if len(version.encode()) > VALUE:
            found.append(too_long(f"{path}.version", VALUE))
    stated = [name for name in ("int", "bool", "string", "version") if attribute.get(name) is not None]
    if len(stated) == 1:
        return found
    shown: Any = {f"{name.title()}Value": attribute.get(name) for name in ("int", "bool", "string", "version")}
    return [*found, invalid(path, shown if stated else "", "exactly one value must be specified")]


def _counter_set(counters: Object, path: str) -> list[FieldError]:
    return named(f"{path}.name", counters.get("name"), rules.dns1123_label) + _counters(counters, path)


def _consumption(consumption: Object, path: str) -> list[FieldError]:
    found = named(f"{path}.counterSet", consumption.get("counterSet"), rules.dns1123_label)
    return found + _counters(consumption, path)


def _counters(holder: Object, path: str) -> list[FieldError]:
    """Any amount is good."""
    counters = holder.get("counters")
    if not counters:
        return [required(f"{path}.counters")]
    return members(counters, f"{path}.counters", COUNTERS, label, lambda _, at: [])


def _own_places(device: Object, path: str, own_nodes: bool) -> list[FieldError]:
    """For which nodes a device is where each says so itself."""
    node, selector = device.get("nodeName"), device.get("nodeSelector")
    if not own_nodes:
        if node is None and selector is None and device.get("allNodes") is None:
            return []
        why = (
            "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in "
            "the ResourceSlice spec"
        )
        return [invalid(path, None, why)]
    found: list[FieldError] = []
    if node:
        found += each(f"{path}.nodeName", node, rules.dns1123_subdomain(node))
    elif node is not None:
        found.append(invalid(f"{path}.nodeName", node, "must not be empty"))
    found += node_selector(selector, f"{path}.nodeSelector") if selector is not None else []
    if device.get("allNodes") is False:
        found.append(invalid(f"{path}.allNodes", False, UNSET_OR_TRUE))
    stated = [
        f"`{name}`" for name in PLACES[:3] if device.get(name) or (name == "nodeSelector" and selector is not None)
    ]
    why = (
        "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to "
        "true in the ResourceSlice spec"
    )
    if not stated:
        found.append(required(path, why))
    elif len(stated) > 1:
        found.append(invalid(path, f"{{{', '.join(stated)}}}", why))
    return found
