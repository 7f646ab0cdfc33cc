"""Defaults and rules of device classes, claims and their templates (resource.k8s.io/v1, KEP-4381)."""

from __future__ import annotations

import re

from apiserver import validation as rules
from apiserver.field import FieldError, forbidden, immutable, invalid, not_supported, required, too_many
from apiserver.kinds.device_rules import (
    EFFECTS,
    REQUESTS,
    UNBOUNDED,
    binding_conditions,
    configuration,
    fully_qualified,
    items,
    label,
    pool_name,
    raw,
    request_reference,
    request_references,
)
from apiserver.kinds.device_selectors import selectors
from apiserver.kinds.kind import Context, Object, Strategy
from apiserver.kinds.pods.checks import NOT_POSITIVE, each, label_key, named, one_of
from apiserver.kinds.pods.resources import is_extended
from apiserver.kinds.pods.scheduling import node_selector
from apiserver.kinds.pods.volumes import driver_name
from apiserver.kinds.strategies import Counted, Free

SUBREQUESTS, CONSTRAINTS, CONFIGS, CONSUMERS, RESULTS, STATUS_CONDITIONS = 8, 32, 32, 256, 32, 8
STATUS_DATA = 10 * 1024
MODES = ("All", "ExactCount")
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class DeviceClassStrategy(Counted):
    """DeviceClass."""

    delete_answers_object = True

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        found = selectors(spec.get("selectors"), "spec.selectors")
        found += items(spec.get("config") or [], "spec.config", CONFIGS, configuration)
        name = spec.get("extendedResourceName")
        if name is not None and not is_extended(name):
            found.append(invalid("spec.extendedResourceName", name, "must be a valid extended resource name"))
        return found


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


def _name(item: Object) -> str:
    return str(item.get("name", ""))


def request_names(spec: Object) -> set[str]:
    """What a claim's requests can be called: by their names, subrequests as request/subrequest."""
    requests = (spec.get("devices") or {}).get("requests") or ()
    below = {f"{_name(one)}/{_name(sub)}" for one in requests for sub in one.get("firstAvailable") or ()}
    return below | {_name(one) for one in requests}


def claim_spec(spec: Object, path: str) -> list[FieldError]:
    """A ResourceClaimSpec."""
    devices, at, known = spec.get("devices") or {}, f"{path}.devices", request_names(spec)

    def constraint(item: Object, where: str) -> list[FieldError]:
        return request_references(item.get("requests"), f"{where}.requests", known) + _match(item, where)

    def configured(item: Object, where: str) -> list[FieldError]:
        return request_references(item.get("requests"), f"{where}.requests", known) + configuration(item, where)

    found = items(devices.get("requests") or [], f"{at}.requests", REQUESTS, _request, _name)
    found += items(devices.get("constraints") or [], f"{at}.constraints", CONSTRAINTS, constraint)
    return found + items(devices.get("config") or [], f"{at}.config", CONFIGS, configured)


def _match(item: Object, path: str) -> list[FieldError]:
    for name in ("matchAttribute", "distinctAttribute"):
        if item.get(name) is not None:
            return fully_qualified(item[name], f"{path}.{name}")
    why = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
    return [required(path, why)]  # the real server's words, though none is set


def _request(request: Object, path: str) -> list[FieldError]:
    found = label(_name(request), f"{path}.name")
    exactly, several = request.get("exactly"), request.get("firstAvailable") or []
    why = "exactly one of `exactly` or `firstAvailable` is required"
    if exactly is not None and several:
        return [*found, invalid(path, None, f"{why}, but multiple fields are set")]
    if exactly is not None:
        return found + _wanted(exactly, f"{path}.exactly")
    if several:
        return found + items(several, f"{path}.firstAvailable", SUBREQUESTS, _subrequest, _name)
    return [*found, required(path, why)]


def _subrequest(request: Object, path: str) -> list[FieldError]:
    return label(_name(request), f"{path}.name") + _wanted(request, path)


def _wanted(wanted: Object, path: str) -> list[FieldError]:
    """What an ExactDeviceRequest and a DeviceSubRequest have in common."""
    found = named(f"{path}.deviceClassName", wanted.get("deviceClassName"), rules.dns1123_subdomain)
    found += selectors(wanted.get("selectors"), f"{path}.selectors")
    mode, count = wanted.get("allocationMode", ""), wanted.get("count", 0)
    if mode == "All" and count:
        found.append(invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'"))
    elif mode == "ExactCount" and count <= 0:
        found.append(invalid(f"{path}.count", count, NOT_POSITIVE))
    elif mode not in MODES:
        found.append(not_supported(f"{path}.allocationMode", mode, MODES))
    return found + items(wanted.get("tolerations") or [], f"{path}.tolerations", UNBOUNDED, _toleration)


def _toleration(item: Object, path: str) -> list[FieldError]:
    key, operator, value = item.get("key", ""), item.get("operator", ""), item.get("value", "")
    found = label_key(f"{path}.key", key) if key else []
    found += one_of(f"{path}.operator", operator, ("Equal", "Exists"))
    if operator == "Exists" and value:
        found.append(invalid(f"{path}.value", value, "must be empty for operator `Exists`"))
    elif operator == "Equal":
        found += each(f"{path}.value", value, rules.label_value(value))
    effect = item.get("effect", "")
    return found if not effect or effect in EFFECTS else [*found, not_supported(f"{path}.effect", effect, EFFECTS)]


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
        """It never changes, so that nothing else has to be said of what it would be."""
        return [immutable("spec", obj["spec"])] if obj["spec"] != old["spec"] else []

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        status, before = obj.get("status") or {}, old.get("status") or {}
        allocation, known = status.get("allocation"), before.get("allocation")
        consumers: list[Object] = status.get("reservedFor") or []
        found = items(consumers, "status.reservedFor", CONSUMERS, _consumer, lambda item: item.get("uid", ""))
        found += _device_statuses(status)
        if consumers and allocation is None:
            found.append(forbidden("status.reservedFor", "may not be specified when `allocated` is not set"))
        elif obj["metadata"].get("deletionTimestamp") and _more(consumers, before.get("reservedFor") or []):
            why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
            found.append(forbidden("status.reservedFor", why))
        if known is not None and allocation is not None:
            found += [immutable("status.allocation", allocation)] if known != allocation else []
        elif allocation is not None:
            found += _allocation(allocation, "status.allocation", request_names(obj["spec"]))
        return found


def _more(new: list[Object], old: list[Object]) -> bool:
    return any(item not in old for item in new)


def _consumer(item: Object, path: str) -> list[FieldError]:
    return [required(f"{path}.{name}") for name in ("resource", "name", "uid") if not item.get(name)]


def _allocation(allocation: Object, path: str, known: set[str]) -> list[FieldError]:
    """What a scheduler has chosen."""
    devices, at = allocation.get("devices") or {}, f"{path}.devices"

    def result(item: Object, where: str) -> list[FieldError]:
        found = request_reference(item.get("request", ""), f"{where}.request", known) + _identity(item, where)
        return found + binding_conditions(item, where) + _share(item, where)

    def configured(item: Object, where: str) -> list[FieldError]:
        found = one_of(f"{where}.source", item.get("source"), ("FromClaim", "FromClass"))
        found += request_references(item.get("requests"), f"{where}.requests", known)
        return found + configuration(item, where)

    found = items(devices.get("results") or [], f"{at}.results", RESULTS, result)
    found += items(devices.get("config") or [], f"{at}.config", 2 * CONFIGS, configured)
    selector = allocation.get("nodeSelector")
    return found + (node_selector(selector, f"{path}.nodeSelector") if selector is not None else [])


def _identity(item: Object, path: str) -> list[FieldError]:
    """Driver, pool and device."""
    found = driver_name(f"{path}.driver", item.get("driver", "")) + pool_name(item.get("pool", ""), f"{path}.pool")
    return found + label(item.get("device", ""), f"{path}.device")


def _share(item: Object, path: str) -> list[FieldError]:
    share = item.get("shareID")
    if share is None or re.fullmatch(UUID, share):
        return []
    why = (
        "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal "
        "characters"
    )
    return [invalid(f"{path}.shareID", share, why)]


def _called(item: Object) -> str:
    """A device as the real server's structured.SharedDeviceID is written."""
    share = f"/{item['shareID']}" if item.get("shareID") else ""
    return f"{item.get('driver', '')}/{item.get('pool', '')}/{item.get('device', '')}{share}"


def _device_statuses(status: Object) -> list[FieldError]:
    """What drivers say of allocated devices (KEP-4817)."""
    chosen = ((status.get("allocation") or {}).get("devices") or {}).get("results") or ()
    allocated = {_called(item) for item in chosen}
    return items(
        status.get("devices") or [],
        "status.devices",
        UNBOUNDED,
        lambda item, at: _device_status(item, at, allocated),
        _called,
    )


def _device_status(item: Object, path: str, allocated: set[str]) -> list[FieldError]:
    found = _identity(item, path) + _share(item, path)
    if _called(item) not in allocated:
        text = f"Invalid value: {_called(item)}: must be an allocated device in the claim"
        found.append(FieldError("FieldValueInvalid", path, text))
    conditions = item.get("conditions") or []
    if len(conditions) > STATUS_CONDITIONS:
        found.append(too_many(f"{path}.conditions", len(conditions), STATUS_CONDITIONS))
    return found + (raw(item["data"], f"{path}.data", STATUS_DATA) if item.get("data") is not None else [])


class ClaimTemplateStrategy(Free):
    """ResourceClaimTemplate: what it makes never changes."""

    delete_answers_object = True

    def default(self, obj: Object) -> None:
        default_claim(obj.setdefault("spec", {}).setdefault("spec", {}))

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return claim_spec(obj["spec"]["spec"], "spec.spec")

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return [immutable("spec", obj["spec"])] if obj["spec"] != old["spec"] else []
