"""Validation of Services (core validation's ValidateService), causes in the real server's order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from apiserver.kinds.kind import Object
from apiserver.kinds.service_addresses import address_faults, changed_addresses
from apiserver.kinds.service_types import WITH_ADDRESS, externally_accessible, headless, needs_health_check

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")
MAX_AFFINITY = 86400
POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
HINTS, MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'"
NOT_EXTERNAL_NAME = "may not be set for ExternalName services"


def validate(obj: Object, old: Object | None) -> list[FieldError]:
    """Causes for a Service that is created (`old` None) or updated; its metadata is checked by generic code."""
    spec, before = obj["spec"], (old or {}).get("spec")
    ports: list[Object] = spec.get("ports") or []
    found = _topology(obj["metadata"].get("annotations") or {})
    if not ports and not headless(spec) and spec.get("type") != "ExternalName":
        found.append(required("spec.ports"))
    found += _by_type(spec)
    found += _ports(ports)
    found += rules.labels(spec.get("selector"), "spec.selector")
    found += _affinity(spec)
    found += address_faults(spec, before)
    found += _external_ips(spec.get("externalIPs") or (), (before or {}).get("externalIPs") or ())
    found += _choice("spec.type", spec.get("type", ""), TYPES)
    if spec.get("type") == "ClusterIP":
        why = "may not be used when `type` is 'ClusterIP'"
        found += [forbidden(f"spec.ports[{i}].nodePort", why) for i, port in enumerate(ports) if port.get("nodePort")]
    found += _repeated(ports)
    found += _source_ranges(obj, spec, before or {})
    found += _balancer(spec)
    found += _external_policy(spec)
    found += _internal_policy(spec)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in DISTRIBUTIONS:
        found.append(not_supported("spec.trafficDistribution", distribution, DISTRIBUTIONS))
    return found


def validate_update(obj: Object, old: Object) -> list[FieldError]:
    """ValidateServiceUpdate: what may not change, then the whole Service."""
    spec, before = obj["spec"], old["spec"]
    found = changed_addresses(spec, before)
    if spec.get("type") == before.get("type") == "LoadBalancer":
        name = spec.get("loadBalancerClass")
        if name != before.get("loadBalancerClass"):
            found.append(invalid("spec.loadBalancerClass", name, "may not change once set"))
    found += _class(spec)
    both_check = needs_health_check(spec) and needs_health_check(before)
    if both_check and spec.get("healthCheckNodePort", 0) != before.get("healthCheckNodePort", 0):
        found.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    return found + validate(obj, old)


def _topology(annotations: Mapping[str, str]) -> list[FieldError]:
    hints, mode = annotations.get(HINTS), annotations.get(MODE)
    if hints is None or mode is None or hints == mode:
        return []
    why = f"must match annotations[{HINTS}] when both are specified"
    return [invalid(f"metadata.annotations[{MODE}]", mode, why)]


def _choice(path: str, value: str, supported: tuple[str, ...]) -> list[FieldError]:
    if not value:
        return [required(path)]
    return [] if value in supported else [not_supported(path, value, supported)]


def _texts(path: str, value: Any, texts: Iterable[str]) -> list[FieldError]:
    return [invalid(path, value, text) for text in texts]


def _by_type(spec: Object) -> list[FieldError]:
    kind = spec.get("type", "")
    if kind in ("LoadBalancer", "NodePort") and headless(spec):
        return [invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")]
    if kind != "ExternalName":
        return []
    found = [
        forbidden(f"spec.{name}", NOT_EXTERNAL_NAME)
        for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
        if spec.get(name)
    ]
    name = spec.get("externalName", "").removesuffix(".")  # a final dot marks a name as fully qualified
    if not name:
        return [*found, required("spec.externalName")]
    return found + _texts("spec.externalName", name, rules.dns1123_subdomain(name))


def _ports(ports: list[Object]) -> list[FieldError]:
    found: list[FieldError] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        found += _port(port, f"spec.ports[{index}]", len(ports) > 1, names)
    return found


def _port(port: Object, path: str, named: bool, names: set[str]) -> list[FieldError]:
    found: list[FieldError] = []
    name, number, target = port.get("name", ""), port.get("port", 0), port.get("targetPort", 0)
    if named and not name:
        found.append(required(f"{path}.name"))
    elif name:
        found += _texts(f"{path}.name", name, rules.dns1123_label(name))
        if name in names:
            found.append(duplicate(f"{path}.name", name))
        names.add(name)
    found += _texts(f"{path}.port", number, rules.port_number(number))
    found += _choice(f"{path}.protocol", port.get("protocol", ""), PROTOCOLS)
    texts = rules.port_name(target) if isinstance(target, str) else rules.port_number(target)
    found += _texts(f"{path}.targetPort", target, texts)
    if port.get("appProtocol") is not None:
        found += _texts(f"{path}.appProtocol", port["appProtocol"], rules.qualified_name(port["appProtocol"]))
    return found


def _repeated(ports: list[Object]) -> list[FieldError]:
    """A protocol and node port, or a protocol and port, may be there once."""
    found: list[FieldError] = []
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        pair = (port.get("protocol", ""), port.get("nodePort", 0))
        if pair[1] and pair in seen:
            found.append(duplicate(f"spec.ports[{index}].nodePort", pair[1]))
        seen.add(pair)
    seen.clear()
    for index, port in enumerate(ports):
        pair = (port.get("protocol", ""), port.get("port", 0))
        if pair in seen:
            found.append(duplicate(f"spec.ports[{index}]", _key(*pair)))
        seen.add(pair)
    return found


def _key(protocol: str, number: int) -> Object:
    """A port reduced to what must be unique, as the real server prints its internal type."""
    return {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": number, "TargetPort": 0, "NodePort": 0}


def _affinity(spec: Object) -> list[FieldError]:
    value, config = spec.get("sessionAffinity", ""), spec.get("sessionAffinityConfig")
    path = "spec.sessionAffinityConfig"
    found = _choice("spec.sessionAffinity", value, AFFINITIES)
    if value == "None" and config is not None:
        found.append(forbidden(path, "must not be set when session affinity is None"))
    if value != "ClientIP":
        return found
    timeout = ((config or {}).get("clientIP") or {}).get("timeoutSeconds", 0)  # defaulting has set it
    if not 0 < timeout <= MAX_AFFINITY:
        why = f"must be greater than 0 and less than {MAX_AFFINITY}"
        found.append(invalid(f"{path}.clientIP.timeoutSeconds", timeout, why))
    return found


def _external_ips(addresses: Iterable[str], known: Iterable[str]) -> list[FieldError]:
    found: list[FieldError] = []
    for index, address in enumerate(addresses):
        path = f"spec.externalIPs[{index}]"
        texts = [] if address in known else rules.legacy_ip(address)
        found += _texts(path, address, texts or rules.non_special_ip(address))
    return found


def _source_ranges(obj: Object, spec: Object, before: Object) -> list[FieldError]:
    """From the field, or else from the annotation that was there before it; both may be padded with spaces."""
    ranges: list[str] = spec.get("loadBalancerSourceRanges") or []
    is_balancer = spec.get("type") == "LoadBalancer"
    if ranges:
        path = "spec.LoadBalancerSourceRanges"
        found = [] if is_balancer else [forbidden(path, BALANCER_ONLY)]
        known = before.get("loadBalancerSourceRanges") or ()
        for index, value in enumerate(ranges):
            if value not in known:
                found += _texts(f"{path}[{index}]", value.strip(), rules.legacy_cidr(value.strip()))
        return found
    annotation = (obj["metadata"].get("annotations") or {}).get(SOURCE_RANGES)
    if annotation is None:
        return []
    path = f"metadata.annotations[{SOURCE_RANGES}]"
    found = [] if is_balancer else [forbidden(path, BALANCER_ONLY)]
    for value in annotation.strip().split(",") if annotation.strip() else ():
        found += _texts(path, value.strip(), rules.legacy_cidr(value.strip()))
    return found


def _balancer(spec: Object) -> list[FieldError]:
    found: list[FieldError] = []
    if spec.get("allocateLoadBalancerNodePorts") is not None and spec.get("type") != "LoadBalancer":
        found.append(forbidden("spec.allocateLoadBalancerNodePorts", BALANCER_ONLY))
    return found + _class(spec)


def _class(spec: Object) -> list[FieldError]:
    name, path = spec.get("loadBalancerClass"), "spec.loadBalancerClass"
    if name is None:
        return []
    if spec.get("type") != "LoadBalancer":
        return [forbidden(path, BALANCER_ONLY)]
    return _texts(path, name, rules.qualified_name(name))


def _external_policy(spec: Object) -> list[FieldError]:
    found: list[FieldError] = []
    path, policy = "spec.externalTrafficPolicy", spec.get("externalTrafficPolicy", "")
    if externally_accessible(spec):
        found += _choice(path, policy, POLICIES)
    elif policy:
        found.append(invalid(path, policy, "may only be set for externally-accessible services"))
    path, check = "spec.healthCheckNodePort", spec.get("healthCheckNodePort", 0)
    if check and needs_health_check(spec):
        found += _texts(path, check, rules.port_number(check))
    elif check:
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        found.append(invalid(path, check, why))
    return found


def _internal_policy(spec: Object) -> list[FieldError]:
    policy, path = spec.get("internalTrafficPolicy"), "spec.internalTrafficPolicy"
    if policy is None:
        return [required(path)] if spec.get("type") in WITH_ADDRESS else []
    return [] if policy in POLICIES else [not_supported(path, policy, POLICIES)]


def validate_status(obj: Object, old: Object | None) -> list[FieldError]:
    """status.loadBalancer (ValidateLoadBalancerStatus)."""
    ingress = _ingress(obj)
    path = "status.loadBalancer.ingress"
    if ingress and obj["spec"].get("type") != "LoadBalancer":
        return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    known = {item.get("ip") for item in _ingress(old or {})}
    found: list[FieldError] = []
    for index, item in enumerate(ingress):
        found += _ingress_point(item, f"{path}[{index}]", known)
    return found


def _ingress(obj: Object) -> list[Object]:
    found: list[Object] = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return found


def _ingress_point(item: Object, path: str, known: set[str | None]) -> list[FieldError]:
    found: list[FieldError] = []
    address, mode = item.get("ip", ""), item.get("ipMode")
    if address and address not in known:
        found += _texts(f"{path}.ip", address, rules.legacy_ip(address))
    if address and mode is None:
        found.append(required(f"{path}.ipMode", "must be specified when `ip` is set"))
    elif not address and mode is not None:
        found.append(forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
    elif mode is not None and mode not in ("VIP", "Proxy"):
        found.append(not_supported(f"{path}.ipMode", mode, ("Proxy", "VIP")))
    return found + hostname(item.get("hostname", ""), f"{path}.hostname")


def hostname(value: str, path: str) -> list[FieldError]:
    """A host name of a load balancer: a DNS name, no address."""
    if not value:
        return []
    found = _texts(path, value, rules.dns1123_subdomain(value))
    if rules.parse_ip(value) is not None:
        found.append(invalid(path, value, "must be a DNS name, not an IP address"))
    return found
