"""A pod's status: what a status write may set (ValidatePodStatusUpdate), and the fields that say the same twice."""

from __future__ import annotations

import ipaddress
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, immutable, invalid
from apiserver.kinds.kind import Object
from apiserver.kinds.pods import pod_annotations
from apiserver.kinds.pods.checks import addresses, each, label_key

SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})


def validate_status_update(new: Object, old: Object) -> list[FieldError]:
    """A write through the status subresource."""
    notes, before = new["metadata"].get("annotations") or {}, old["metadata"].get("annotations") or {}
    status, live = new.get("status") or {}, old.get("status") or {}
    found = pod_annotations.validate_update(notes, before, new["spec"]) if notes or before else []
    for index, condition in enumerate(status.get("conditions") or ()):
        at = f"status.conditions[{index}]"
        found += _generation(condition, at)
        if condition.get("type") not in SYSTEM_CONDITIONS:
            found += label_key(f"{at}.Type", condition.get("type", ""))
    nominated = status.get("nominatedNodeName", "")
    if nominated and nominated != live.get("nominatedNodeName"):
        found += each("status.nominatedNodeName", nominated, rules.dns1123_subdomain(nominated))
        if old["spec"].get("nodeName"):
            why = "may not be set on pods that are already bound to a node"
            found.append(forbidden("status.nominatedNodeName", why))
    found += _generation(status, "status")
    if status.get("qosClass", "") != live.get("qosClass", ""):
        found.append(immutable("status.qosClass", status.get("qosClass", "")))
    found += _transitions(new, old)
    found += _claims(status.get("resourceClaimStatuses") or (), new["spec"])
    if status.get("podIPs") != live.get("podIPs"):
        found += _pod_ips(status.get("podIPs") or [])
    if status.get("hostIPs") != live.get("hostIPs") or status.get("hostIP") != live.get("hostIP"):
        found += _host_ips(status)
    return found


def _generation(holder: Object, path: str) -> list[FieldError]:
    generation = holder.get("observedGeneration", 0)
    why = "must be a non-negative integer"
    return [invalid(f"{path}.observedGeneration", generation, why)] if generation < 0 else []


def _transitions(new: Object, old: Object) -> list[FieldError]:
    """A container that has ended for good does not come back."""
    spec, status, live = old["spec"], new.get("status") or {}, old.get("status") or {}
    policy = spec.get("restartPolicy", "Always")
    groups = (
        ("containers", "containerStatuses"),
        ("initContainers", "initContainerStatuses"),
        ("", "ephemeralContainerStatuses"),
    )
    found: list[FieldError] = []
    for group, name in groups:
        if not live.get(name):
            continue
        defined = {container.get("name"): container for container in spec.get(group) or ()}
        for index, before in enumerate(live[name]):
            ended = (before.get("state") or {}).get("terminated")
            container = defined.get(before.get("name"))
            if ended is None or (container is not None and _restarts(container, policy, ended.get("exitCode", 0))):
                continue
            now = (one for one in status.get(name) or () if one.get("name") == before.get("name"))
            if any((one.get("state") or {}).get("terminated") is None for one in now):
                why = "may not be transitioned to non-terminated state"
                found.append(forbidden(f"status.{name}[{index}].state", why))
    return found


def _restarts(container: Object, policy: str, code: int) -> bool:
    """Whether a container that ended so is started again: by its own rules and policy, else by the pod's (KEP-5307)."""
    own = container.get("restartPolicy")
    for rule in (container.get("restartPolicyRules") or ()) if own else ():
        codes = rule.get("exitCodes") or {}
        listed = code in (codes.get("values") or ())
        if codes.get("operator") in ("In", "NotIn") and listed is (codes["operator"] == "In"):
            if rule.get("action") == "Restart":
                return True
            break
    wanted = own or policy
    return wanted == "Always" or (wanted == "OnFailure" and code != 0)


def _claims(statuses: Any, spec: Object) -> list[FieldError]:
    if not statuses:
        return []
    known = {claim.get("name") for claim in spec.get("resourceClaims") or ()}
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, status in enumerate(statuses):
        path, name = f"status.resourceClaimStatuses[{index}].name", status.get("name", "")
        if name not in known:
            found.append(invalid(path, name, "must match the name of an entry in `spec.resourceClaims`"))
        if name in seen:
            found.append(duplicate(path, name))
        seen.add(name)
        claim = status.get("resourceClaimName")
        found += each(path, claim, rules.dns1123_subdomain(claim)) if claim is not None else []
    return found


def _families(texts: list[str]) -> set[int] | None:
    try:
        return {ipaddress.ip_address(text).version for text in texts}
    except ValueError:
        return None


def _pod_ips(items: list[Object]) -> list[FieldError]:
    path, texts = "status.podIPs", [item.get("ip", "") for item in items]
    found: list[FieldError] = []
    for index, text in enumerate(texts):
        found += addresses(f"{path}[{index}]", text)
    if len(texts) > 1:
        found += _one_each(path, texts) + _repeated(path, texts)
    return found


def _host_ips(status: Object) -> list[FieldError]:
    path, texts = "status.hostIPs", [item.get("ip", "") for item in status.get("hostIPs") or ()]
    if not texts:
        return []
    found: list[FieldError] = []
    if texts[0] != status.get("hostIP", ""):
        found.append(invalid(f"{path}[0].ip", texts[0], "must be equal to `hostIP`"))
    for index, text in enumerate(texts):
        found += addresses(f"{path}[{index}]", text)
    return found + (_repeated(path, texts) + _one_each(path, texts) if len(texts) > 1 else [])


def _repeated(path: str, texts: list[str]) -> list[FieldError]:
    return [duplicate(f"{path}[{i}]", {"IP": text}) for i, text in enumerate(texts) if text in texts[:i]]


def _one_each(path: str, texts: list[str]) -> list[FieldError]:
    if _families(texts) == {4, 6} and len(texts) == 2:
        return []
    shown = [{"IP": text} for text in texts]
    return [invalid(path, shown, "may specify no more than one IP for each IP family")]


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


def address_warnings(status: Object) -> list[str]:
    """Of addresses in discouraged spellings."""
    return [
        text
        for name in ("podIPs", "hostIPs")
        for index, item in enumerate(status.get(name) or ())
        for text in rules.ip_warnings(f"status.{name}[{index}].ip", item.get("ip", ""))
    ]


def carry_over(status: Object, old: Object) -> None:
    """What a status write keeps when it says nothing of it."""
    for name in ("qosClass", "observedGeneration"):
        if not status.get(name) and old.get(name):
            status[name] = old[name]
    observed = [condition for condition in old.get("conditions") or () if condition.get("observedGeneration")]
    if observed and status.get("conditions"):
        seen = {condition.get("type", ""): condition["observedGeneration"] for condition in observed}
        status["conditions"] = [_observed(condition, seen) for condition in status["conditions"]]


def _observed(condition: Object, seen: Object) -> Object:
    """The condition with the generation that it had, unless it says another."""
    generation = seen.get(condition.get("type", ""))
    if not generation or condition.get("observedGeneration"):
        return condition
    return {**condition, "observedGeneration": generation}


def gated_condition() -> Object:
    """Of a pod that waits at scheduling gates."""
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
        "lastProbeTime": None,
        "lastTransitionTime": None,
    }
