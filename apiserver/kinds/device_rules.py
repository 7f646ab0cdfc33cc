"""Defaults and rules of resource.k8s.io/v1 (KEP-4381), causes in the real server's order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver import validation as rules
from apiserver.field import (
    FieldError,
    duplicate,
    immutable,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from apiserver.kinds.kind import Context, Object, Strategy
from apiserver.kinds.pods.checks import NOT_POSITIVE, each, named, one_of
from apiserver.kinds.pods.volumes import driver_name
from apiserver.kinds.strategies import Counted, Free

SELECTORS, REQUESTS, SUBREQUESTS, CONSTRAINTS, CONFIGS, TOLERATIONS = 32, 32, 8, 32, 32, 16
DEVICES, EXPRESSION = 128, 10 * 1024
"""How many there may be; bytes of a CEL expression."""
MODES = ("All", "ExactCount")


def _list(items: Any, path: str, limit: int) -> list[FieldError]:
    return [too_many(path, len(items), limit)] if len(items) > limit else []


def _selectors(selectors: Any, path: str) -> list[FieldError]:
    found = _list(selectors, path, SELECTORS)
    for index, item in enumerate(selectors[:SELECTORS]):
        expression, at = (item.get("cel") or {}).get("expression", ""), f"{path}[{index}].cel"
        if item.get("cel") is None:
            found.append(required(at))
        elif not expression:
            found.append(required(f"{at}.expression"))
        elif len(expression.encode()) > EXPRESSION:
            found.append(too_long(f"{at}.expression", EXPRESSION))
    return found


def _configuration(config: Object, path: str) -> list[FieldError]:
    opaque, at = config.get("opaque"), f"{path}.opaque"
    if opaque is None:
        return [required(at)]
    found = driver_name(f"{at}.driver", opaque.get("driver", ""))
    parameters = opaque.get("parameters")
    if parameters is None:
        found.append(required(f"{at}.parameters"))
    elif not isinstance(parameters, dict):
        found.append(invalid(f"{at}.parameters", "<value omitted>", "must be a valid JSON object"))
    return found


class DeviceClassStrategy(Counted):
    """DeviceClass."""

    delete_answers_object = True

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        found = _selectors(spec.get("selectors") or [], "spec.selectors")
        configs = spec.get("config") or []
        found += _list(configs, "spec.config", CONFIGS)
        for index, config in enumerate(configs[:CONFIGS]):
            found += _configuration(config, f"spec.config[{index}]")
        name = spec.get("extendedResourceName")
        return found + (each("spec.extendedResourceName", name, rules.qualified_name(name)) if name else [])


def default_claim(spec: Object) -> None:
    """SetDefaults_ExactDeviceRequest, SetDefaults_DeviceSubRequest, SetDefaults_DeviceToleration."""
    for request in (spec.get("devices") or {}).get("requests") or ():
        for wanted in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if wanted is None:
                continue
            wanted["allocationMode"] = wanted.get("allocationMode") or "ExactCount"
            if wanted["allocationMode"] == "ExactCount":
                wanted["count"] = wanted.get("count") or 1
            for toleration in wanted.get("tolerations") or ():
                toleration["operator"] = toleration.get("operator") or "Equal"


def claim_spec(spec: Object, path: str) -> list[FieldError]:
    """A ResourceClaimSpec."""
    devices, at = spec.get("devices") or {}, f"{path}.devices"
    requests: list[Object] = devices.get("requests") or []
    found = _list(requests, f"{at}.requests", REQUESTS)
    seen: set[str] = set()
    for index, request in enumerate(requests):
        found += _request(request, f"{at}.requests[{index}]")
        if request.get("name") in seen:
            found.append(duplicate(f"{at}.requests[{index}].name", request["name"]))
        seen.add(request.get("name", ""))
    known = seen | {f"{r.get('name')}/{s.get('name')}" for r in requests for s in r.get("firstAvailable") or ()}
    constraints, configs = devices.get("constraints") or [], devices.get("config") or []
    found += _list(constraints, f"{at}.constraints", CONSTRAINTS)
    for index, item in enumerate(constraints):
        found += _names(item, f"{at}.constraints[{index}]", known) + _match(item, f"{at}.constraints[{index}]")
    found += _list(configs, f"{at}.config", CONFIGS)
    for index, item in enumerate(configs):
        found += _names(item, f"{at}.config[{index}]", known) + _configuration(item, f"{at}.config[{index}]")
    return found


_UNKNOWN = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"


def _names(item: Object, path: str, known: set[str]) -> list[FieldError]:
    names = item.get("requests") or []
    found = _list(names, f"{path}.requests", REQUESTS)
    for index, name in enumerate(names):
        at = f"{path}.requests[{index}]"
        if name.count("/") < 2:
            found += [fault for part in name.split("/") for fault in each(at, part, rules.dns1123_label(part))]
        if name not in known:
            why = (
                "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
            )
            found.append(invalid(at, name, why))
        if name in names[:index]:
            found.append(duplicate(at, name))
    return found


def _match(item: Object, path: str) -> list[FieldError]:
    attribute, distinct = item.get("matchAttribute"), item.get("distinctAttribute")
    if attribute is None and distinct is None:
        return [required(f"{path}.matchAttribute")]
    if attribute is None:
        return []
    at = f"{path}.matchAttribute"
    found = each(at, attribute, rules.qualified_name(attribute)) if attribute else [required(at)]
    return found if "/" in attribute or not attribute else [*found, invalid(at, attribute, "must include a domain")]


def _request(request: Object, path: str) -> list[FieldError]:
    found = named(f"{path}.name", request.get("name"), rules.dns1123_label)
    exactly, several = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is not None and several:
        shown = request.get("name", "")
        return [*found, invalid(path, shown, "exactly one of `exactly` or `firstAvailable` must be specified")]
    if exactly is None and not several:
        return [*found, required(path, "exactly one of `exactly` or `firstAvailable` must be specified")]
    if exactly is not None:
        return found + _wanted(exactly, f"{path}.exactly")
    found += _list(several, f"{path}.firstAvailable", SUBREQUESTS)
    for index, item in enumerate(several):
        at = f"{path}.firstAvailable[{index}]"
        found += named(f"{at}.name", item.get("name"), rules.dns1123_label) + _wanted(item, at)
        if any(item.get("name") == other.get("name") for other in several[:index]):
            found.append(duplicate(f"{at}.name", item.get("name", "")))
    return found


def _wanted(wanted: Object, path: str) -> list[FieldError]:
    found = named(f"{path}.deviceClassName", wanted.get("deviceClassName"), rules.dns1123_subdomain)
    found += _selectors(wanted.get("selectors") or [], f"{path}.selectors")
    mode, count = wanted.get("allocationMode", ""), wanted.get("count", 0)
    if mode == "All" and count:
        found.append(invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'"))
    elif mode == "ExactCount" and count <= 0:
        found.append(invalid(f"{path}.count", count, NOT_POSITIVE))
    elif mode not in MODES:
        found.append(not_supported(f"{path}.allocationMode", mode, MODES))
    tolerations = wanted.get("tolerations") or []
    found += _list(tolerations, f"{path}.tolerations", TOLERATIONS)
    for index, item in enumerate(tolerations):
        found += _toleration(item, f"{path}.tolerations[{index}]")
    return found


def _toleration(item: Object, path: str) -> list[FieldError]:
    key, operator, value = item.get("key", ""), item.get("operator", ""), item.get("value", "")
    found = each(f"{path}.key", key, rules.qualified_name(key)) if key else []
    if not key and operator != "Exists":
        found.append(invalid(f"{path}.operator", operator, "operator must be Exists when `key` is empty"))
    found += one_of(f"{path}.operator", operator, ("Equal", "Exists"))
    if operator == "Exists" and value:
        found.append(invalid(f"{path}.value", value, "must be empty when `operator` is 'Exists'"))
    elif operator == "Equal":
        found += each(f"{path}.value", value, rules.label_value(value))
    effect = item.get("effect", "")
    effects = ("NoExecute", "NoSchedule", "None")
    return found if not effect or effect in effects else [*found, not_supported(f"{path}.effect", effect, effects)]


class ClaimStrategy(Strategy):
    """ResourceClaim."""

    delete_answers_object = True

    def default(self, obj: Object) -> None:
        default_claim(obj.setdefault("spec", {}))

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return claim_spec(obj["spec"], "spec")

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        changed = obj["spec"] != old["spec"]
        found = [immutable("spec", obj["spec"])] if changed else []
        return found + (claim_spec(obj["spec"], "spec") if changed else [])

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        status, before = obj.get("status") or {}, old.get("status") or {}
        allocation, known = status.get("allocation"), before.get("allocation")
        consumers: list[Object] = status.get("reservedFor") or []
        found = _list(consumers, "status.reservedFor", 256)
        seen: set[str] = set()
        for index, item in enumerate(consumers):
            found += _consumer(item, f"status.reservedFor[{index}]", seen)
        if consumers and allocation is None:
            found.append(
                FieldError(
                    "FieldValueForbidden",
                    "status.reservedFor",
                    "Forbidden: may not be specified when `allocated` is not set",
                )
            )
        if known is not None and allocation is not None and known != allocation:
            found.append(immutable("status.allocation", allocation))
        return found


def _consumer(item: Object, path: str, seen: set[str]) -> list[FieldError]:
    found = [required(f"{path}.{name}") for name in ("resource", "name", "uid") if not item.get(name)]
    if item.get("uid") in seen:
        found.append(duplicate(f"{path}.uid", item["uid"]))
    seen.add(item.get("uid", ""))
    return found


class ClaimTemplateStrategy(Free):
    """ResourceClaimTemplate: what it makes never changes."""

    delete_answers_object = True

    def default(self, obj: Object) -> None:
        default_claim(obj.setdefault("spec", {}).setdefault("spec", {}))

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return claim_spec(obj["spec"]["spec"], "spec.spec")

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return [immutable("spec", obj["spec"])] if obj["spec"] != old["spec"] else []


class SliceStrategy(Counted):
    """ResourceSlice: the devices that one driver has on a node, or for several."""

    delete_answers_object = True

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        found = driver_name("spec.driver", spec.get("driver", "")) + _pool(spec.get("pool") or {}, "spec.pool")
        places = [n for n in ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection") if spec.get(n)]
        why = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
        if not places:
            found.append(required("spec", why))
        elif len(places) > 1:
            found.append(invalid("spec", "{" + ", ".join(places) + "}", f"{why}, but multiple fields are set"))
        if spec.get("nodeName"):
            found += each("spec.nodeName", spec["nodeName"], rules.dns1123_subdomain(spec["nodeName"]))
        devices = spec.get("devices") or []
        found += _list(devices, "spec.devices", DEVICES)
        seen: set[str] = set()
        for index, device in enumerate(devices):
            at = f"spec.devices[{index}].name"
            found += named(at, device.get("name"), rules.dns1123_label)
            if device.get("name") in seen:
                found.append(duplicate(at, device["name"]))
            seen.add(device.get("name", ""))
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found, spec, before = self.validate(obj, context), obj.get("spec") or {}, old.get("spec") or {}
        for name, shown in (("driver", "driver"), ("nodeName", "nodeName")):
            if spec.get(name, "") != before.get(name, ""):
                found.append(immutable(f"spec.{shown}", spec.get(name, "")))
        pool, known = ((value.get("pool") or {}).get("name", "") for value in (spec, before))
        return found if pool == known else [*found, immutable("spec.pool.name", pool)]

    def field_values(self, obj: Object) -> Mapping[str, str]:
        spec = obj.get("spec") or {}
        return {"spec.driver": spec.get("driver", ""), "spec.nodeName": spec.get("nodeName", "")}


def _pool(pool: Object, path: str) -> list[FieldError]:
    name, found = pool.get("name", ""), []
    if not name:
        found.append(required(f"{path}.name"))
    elif len(name) > rules.SUBDOMAIN_LIMIT:
        found.append(too_long(f"{path}.name", rules.SUBDOMAIN_LIMIT))
    else:
        for part in name.split("/"):
            found += each(f"{path}.name", part, rules.dns1123_subdomain(part))
    count, generation = pool.get("resourceSliceCount", 0), pool.get("generation", 0)
    if count <= 0:
        found.append(invalid(f"{path}.resourceSliceCount", count, NOT_POSITIVE))
    if generation < 0:
        found.append(invalid(f"{path}.generation", generation, "must be greater than or equal to zero"))
    return found
