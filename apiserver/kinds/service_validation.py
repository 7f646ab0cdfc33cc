"""Validation of Services (core validation's ValidateService), causes in the real server's order."""

from __future__ import annotations

import ipaddress
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, immutable, invalid, not_supported, required
from apiserver.kinds.kind import Context, Object

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")
MAX_AFFINITY = 86400
POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
EXTERNAL = ("NodePort", "LoadBalancer")


def headless(spec: Object) -> bool:
    """`clusterIP: None` on a type that has cluster IPs."""
    return spec.get("clusterIP") == "None" and spec.get("type") != "ExternalName"


def externally_accessible(spec: Object) -> bool:
    """Whether externalTrafficPolicy means anything."""
    kind = spec.get("type")
    return kind in EXTERNAL or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def validate(obj: Object, old: Object | None, context: Context) -> list[FieldError]:
    """Causes for a Service that is created (`old` None) or updated."""
    spec = obj.get("spec") or {}
    kind, found = spec.get("type", ""), []
    ports = spec.get("ports") or []
    if not ports and not headless(spec) and kind != "ExternalName":
        found.append(required("spec.ports"))
    if kind == "LoadBalancer":
        found += _metrics_port(ports)
    if kind == "ExternalName":
        found += _external_name(spec)
    found += _ports(ports, spec)
    found += rules.labels(spec.get("selector"), "spec.selector")
    found += _affinity(spec)
    found += _external_ips(spec.get("externalIPs") or ())
    if not kind:
        found.append(required("spec.type"))
    elif kind not in TYPES:
        found.append(not_supported("spec.type", kind, TYPES))
    if kind == "ClusterIP":
        why = "may not be used when `type` is 'ClusterIP'"
        found += [forbidden(f"spec.ports[{i}].nodePort", why) for i, port in enumerate(ports) if port.get("nodePort")]
    found += _same_node_port(ports)
    found += _source_ranges(obj, spec)
    found += _load_balancer_fields(spec, old)
    found += _external_policy(spec)
    found += _internal_policy(spec)
    found += _distribution(spec)
    found += families(obj, old)
    return found


def _metrics_port(ports: list[Any]) -> list[FieldError]:
    why = "may not expose port 10250 externally since it is used by kubelet"
    return [invalid(f"spec.ports[{i}]", p["port"], why) for i, p in enumerate(ports) if p.get("port") == 10250]


def _external_name(spec: Object) -> list[FieldError]:
    found: list[FieldError] = []
    if spec.get("clusterIPs") or spec.get("clusterIP"):
        found.append(forbidden("spec.clusterIPs", "may not be set for ExternalName services"))
    if spec.get("ipFamilies"):
        found.append(forbidden("spec.ipFamilies", "may not be set for ExternalName services"))
    if spec.get("ipFamilyPolicy") is not None:
        found.append(forbidden("spec.ipFamilyPolicy", "may not be set for ExternalName services"))
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        found += [invalid("spec.externalName", name, text) for text in rules.dns1123_subdomain(name)]
    else:
        found.append(required("spec.externalName"))
    return found


def _ports(ports: list[Any], spec: Object) -> list[FieldError]:
    found: list[FieldError] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        found += _port(port, f"spec.ports[{index}]", len(ports) > 1, headless(spec), names)
    return found + _same_port(ports)


def _port(port: Object, path: str, several: bool, is_headless: bool, names: set[str]) -> list[FieldError]:
    found: list[FieldError] = []
    name = port.get("name", "")
    if several and not name:
        found.append(required(f"{path}.name"))
    elif name:
        found += [invalid(f"{path}.name", name, text) for text in rules.dns1123_label(name)]
        if name in names:
            found.append(duplicate(f"{path}.name", name))
        names.add(name)
    found += [invalid(f"{path}.port", port.get("port", 0), text) for text in rules.port_number(port.get("port", 0))]
    found += _protocol(port.get("protocol", ""), f"{path}.protocol")
    found += _target(port.get("targetPort", 0), f"{path}.targetPort")
    if port.get("appProtocol") is not None:
        value = port["appProtocol"]
        found += [invalid(f"{path}.appProtocol", value, text) for text in rules.qualified_name(value)]
    return found


def _protocol(protocol: str, path: str) -> list[FieldError]:
    if not protocol:
        return [required(path)]
    return [] if protocol in PROTOCOLS else [not_supported(path, protocol, PROTOCOLS)]


def _target(value: Any, path: str) -> list[FieldError]:
    if isinstance(value, str):
        return [invalid(path, value, text) for text in rules.port_name(value)]
    return [invalid(path, value, text) for text in rules.port_number(value)]


def _same_port(ports: list[Any]) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol", ""), port.get("port", 0))
        if key in seen:
            found.append(FieldError("FieldValueDuplicate", f"spec.ports[{index}]", f"Duplicate value: {_go_port(key)}"))
        seen.add(key)
    return found


def _go_port(key: tuple[str, int]) -> str:
    from apiserver.field import show

    return show({"Name": "", "Protocol": key[0], "AppProtocol": None, "Port": key[1], "TargetPort": 0, "NodePort": 0})


def _same_node_port(ports: list[Any]) -> list[FieldError]:
    from apiserver.field import show

    found: list[FieldError] = []
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        number = port.get("nodePort", 0)
        if not number:
            continue
        key = (port.get("protocol", ""), number)
        if key in seen:
            value = {"Name": "", "Protocol": key[0], "AppProtocol": None, "Port": 0, "TargetPort": 0, "NodePort": number}
            where = f"spec.ports[{index}].nodePort"
            found.append(FieldError("FieldValueDuplicate", where, f"Duplicate value: {show(value)}"))
        seen.add(key)
    return found


def _affinity(spec: Object) -> list[FieldError]:
    value = spec.get("sessionAffinity", "")
    config = spec.get("sessionAffinityConfig")
    if not value:
        return [required("spec.sessionAffinity")]
    if value not in AFFINITIES:
        return [not_supported("spec.sessionAffinity", value, AFFINITIES)]
    if value == "None":
        return [] if config is None else [forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None")]
    path = "spec.sessionAffinityConfig"
    if config is None:
        return [required(path, "when session affinity type is ClientIP")]
    client = config.get("clientIP")
    if client is None:
        return [required(f"{path}.clientIP", "when session affinity type is ClientIP")]
    timeout = client.get("timeoutSeconds")
    if timeout is None:
        return [required(f"{path}.clientIP.timeoutSeconds", "when session affinity type is ClientIP")]
    if not 0 < timeout <= MAX_AFFINITY:
        why = f"must be greater than 0 and less than {MAX_AFFINITY}"
        return [invalid(f"{path}.clientIP.timeoutSeconds", timeout, why)]
    return []


def _external_ips(addresses: Any) -> list[FieldError]:
    from apiserver.kinds.endpoints import special_ip

    found: list[FieldError] = []
    for index, address in enumerate(addresses):
        path = f"spec.externalIPs[{index}]"
        texts = rules.ip_address(address)
        found += [invalid(path, address, text) for text in texts] or special_ip(address, path)
    return found


def _source_ranges(obj: Object, spec: Object) -> list[FieldError]:
    ranges = spec.get("loadBalancerSourceRanges") or []
    if not ranges:
        return []
    path = "spec.loadBalancerSourceRanges"
    if spec.get("type") != "LoadBalancer":
        return [forbidden(path, "may only be used when `type` is 'LoadBalancer'")]
    found: list[FieldError] = []
    for index, value in enumerate(ranges):
        found += [invalid(f"{path}[{index}]", value, text) for text in rules.cidr(value.strip())]
    return found


def _load_balancer_fields(spec: Object, old: Object | None) -> list[FieldError]:
    found: list[FieldError] = []
    is_balancer = spec.get("type") == "LoadBalancer"
    only = "may only be used when `type` is 'LoadBalancer'"
    name = spec.get("loadBalancerClass")
    if name is not None:
        if not is_balancer:
            found.append(forbidden("spec.loadBalancerClass", only))
        else:
            found += [invalid("spec.loadBalancerClass", name, text) for text in rules.qualified_name(name)]
    before = (old or {}).get("spec") or {}
    if old is not None and is_balancer and before.get("type") == "LoadBalancer" and name != before.get("loadBalancerClass"):
        found.append(invalid("spec.loadBalancerClass", name, "may not change once set"))
    allocate = spec.get("allocateLoadBalancerNodePorts")
    if is_balancer and allocate is None:
        found.append(required("spec.allocateLoadBalancerNodePorts"))
    elif not is_balancer and allocate is not None:
        found.append(forbidden("spec.allocateLoadBalancerNodePorts", only))
    return found


def _external_policy(spec: Object) -> list[FieldError]:
    found: list[FieldError] = []
    policy, check = spec.get("externalTrafficPolicy", ""), spec.get("healthCheckNodePort", 0)
    if not externally_accessible(spec):
        if policy:
            why = "may only be set for externally-accessible services"
            found.append(invalid("spec.externalTrafficPolicy", policy, why))
    elif not policy:
        found.append(required("spec.externalTrafficPolicy"))
    elif policy not in POLICIES:
        found.append(not_supported("spec.externalTrafficPolicy", policy, POLICIES))
    if check != 0 and not needs_health_check(spec):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        found.append(invalid("spec.healthCheckNodePort", check, why))
    return found


def needs_health_check(spec: Object) -> bool:
    """Only load balancers that keep traffic on the node ask nodes whether they have endpoints."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _internal_policy(spec: Object) -> list[FieldError]:
    policy = spec.get("internalTrafficPolicy")
    if policy is None:
        if spec.get("type") in ("NodePort", "LoadBalancer", "ClusterIP"):
            return [required("spec.internalTrafficPolicy")]
        return []
    return [] if policy in POLICIES else [not_supported("spec.internalTrafficPolicy", policy, POLICIES)]


def _distribution(spec: Object) -> list[FieldError]:
    value = spec.get("trafficDistribution")
    if value is None or value in DISTRIBUTIONS:
        return []
    return [not_supported("spec.trafficDistribution", value, DISTRIBUTIONS)]


def families(obj: Object, old: Object | None) -> list[FieldError]:
    """clusterIPs, ipFamilies and ipFamilyPolicy (ValidateServiceClusterIPsRelatedFields)."""
    spec = obj.get("spec") or {}
    kind = spec.get("type")
    if kind == "ExternalName":
        return []
    found: list[FieldError] = []
    addresses, wanted = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in ("SingleStack", "PreferDualStack", "RequireDualStack"):
        supported = ("PreferDualStack", "RequireDualStack", "SingleStack")
        found.append(not_supported("spec.ipFamilyPolicy", policy, supported))
    seen: set[str] = set()
    for index, family in enumerate(wanted):
        if family not in ("IPv4", "IPv6"):
            found.append(not_supported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6")))
        if family in seen:
            found.append(duplicate(f"spec.ipFamilies[{index}]", family))
        seen.add(family)
    if addresses == ["None"] and kind in EXTERNAL:
        found.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    elif addresses and addresses[0] != spec.get("clusterIP", ""):
        found.append(invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`"))
    if addresses and addresses[0] != "None":
        found += _addresses(addresses)
    return found


def _addresses(addresses: list[str]) -> list[FieldError]:
    found: list[FieldError] = []
    for index, address in enumerate(addresses):
        path = f"spec.clusterIPs[{index}]"
        parts = address.split(".")
        if len(parts) == 4 and all(p.isdigit() and int(p) < 256 for p in parts) and any(len(p) > 1 and p[0] == "0" for p in parts):
            found.append(invalid(path, address, "must not have leading 0s"))
            continue
        found += [invalid(path, address, text) for text in rules.ip_address(address)]
    if len(addresses) > 2:
        found.append(invalid("spec.clusterIPs", addresses, "may only hold up to 2 values"))
    return found


def validate_update(obj: Object, old: Object, context: Context) -> list[FieldError]:
    """ValidateServiceUpdate: what may not change, then the whole Service."""
    new, before = obj.get("spec") or {}, old.get("spec") or {}
    found: list[FieldError] = []
    if before.get("type") != "ExternalName" and new.get("type") != "ExternalName":
        found += _unchanged_addresses(new, before)
    if needs_health_check(new) and needs_health_check(before):
        port = new.get("healthCheckNodePort", 0)
        if before.get("healthCheckNodePort") and port != before["healthCheckNodePort"]:
            found.append(immutable("spec.healthCheckNodePort", port))
    return found + validate(obj, old, context)


def _unchanged_addresses(new: Object, before: Object) -> list[FieldError]:
    old, now = before.get("clusterIPs") or [], new.get("clusterIPs") or []
    found: list[FieldError] = []
    if old and now and old[0] != now[0]:
        found.append(invalid("spec.clusterIPs[0]", now, "may not change once set"))
    old_families, families_now = before.get("ipFamilies") or [], new.get("ipFamilies") or []
    if old_families and families_now and old_families[0] != families_now[0]:
        found.append(invalid("spec.ipFamilies[0]", families_now, "may not change once set"))
    return found


def validate_status(obj: Object) -> list[FieldError]:
    """status.loadBalancer."""
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    path = "status.loadBalancer.ingress"
    if ingress and (obj.get("spec") or {}).get("type") != "LoadBalancer":
        return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    found: list[FieldError] = []
    for index, item in enumerate(ingress):
        at = f"{path}[{index}]"
        if item.get("ip"):
            found += [invalid(f"{at}.ip", item["ip"], text) for text in rules.ip_address(item["ip"])]
            mode = item.get("ipMode")
            if mode is None:
                found.append(required(f"{at}.ipMode", "must be specified when `ip` is set"))
            elif mode not in ("VIP", "Proxy"):
                found.append(not_supported(f"{at}.ipMode", mode, ("Proxy", "VIP")))
        elif item.get("ipMode") is not None:
            found.append(forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set"))
        if item.get("hostname"):
            found += [invalid(f"{at}.hostname", item["hostname"], text) for text in rules.dns1123_subdomain(item["hostname"])]
            if _is_ip(item["hostname"]):
                found.append(invalid(f"{at}.hostname", item["hostname"], "must be a DNS name, not an IP address"))
    return found


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
