"""networking.k8s.io/v1: Ingress, IngressClass, NetworkPolicy, IPAddress, ServiceCIDR."""

from __future__ import annotations

import ipaddress
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, immutable, invalid, not_supported, required
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.workload_columns import at, format_selector
from apiserver.table import AGE

GROUP = "networking.k8s.io"
FAMILY_LABEL, MANAGED_LABEL = "ipaddress.kubernetes.io/ip-family", "ipaddress.kubernetes.io/managed-by"


class Counted(Strategy):
    """A generation, no status."""

    has_generation = True

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Everything is the client's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Everything is the client's."""


class IngressStrategy(Strategy):
    """Ingress."""

    has_generation = True

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"loadBalancer": {}}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, found = obj.get("spec") or {}, []
        if not spec.get("rules") and not spec.get("defaultBackend"):
            found.append(invalid("spec", None, "either `defaultBackend` or `rules` must be specified"))
        if spec.get("defaultBackend"):
            found += _backend(spec["defaultBackend"], "spec.defaultBackend")
        for index, rule in enumerate(spec.get("rules") or ()):
            found += _ingress_rule(rule, f"spec.rules[{index}]")
        return found


def _ingress_rule(rule: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    host = rule.get("host", "")
    if host:
        try:
            ipaddress.ip_address(host)
            found.append(invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
        except ValueError:
            name = host[2:] if host.startswith("*.") else host
            found += [invalid(f"{path}.host", host, text) for text in rules.dns1123_subdomain(name)]
    http = rule.get("http")
    if http is None:
        return found
    if not http.get("paths"):
        return [*found, required(f"{path}.http.paths")]
    for index, item in enumerate(http["paths"]):
        found += _path(item, f"{path}.http.paths[{index}]")
    return found


PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def _path(item: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    kind, value = item.get("pathType"), item.get("path", "")
    if kind is None:
        found.append(required(f"{path}.pathType", "pathType must be specified"))
    elif kind in ("Exact", "Prefix"):
        if not value.startswith("/"):
            found.append(invalid(f"{path}.path", value, "must be an absolute path"))
    elif kind == "ImplementationSpecific":
        if value and not value.startswith("/"):
            found.append(invalid(f"{path}.path", value, "must be an absolute path"))
    else:
        found.append(not_supported(f"{path}.pathType", kind, PATH_TYPES))
    return found + _backend(item.get("backend") or {}, f"{path}.backend")


def _backend(backend: Object, path: str) -> list[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return []
    if service is None:
        return [required(path, "resource or service backend is required")]
    found: list[FieldError] = []
    name, port = service.get("name", ""), service.get("port") or {}
    if not name:
        found.append(required(f"{path}.service.name"))
    else:
        found += [invalid(f"{path}.service.name", name, text) for text in rules.dns1035_label(name)]
    if port.get("name") and port.get("number"):
        found.append(invalid(path, "", "cannot set both port name & port number"))
    elif port.get("name"):
        found += [invalid(f"{path}.service.port.name", port["name"], text) for text in rules.port_name(port["name"])]
    elif port.get("number"):
        found += [invalid(f"{path}.service.port.number", port["number"], text) for text in rules.port_number(port["number"])]
    else:
        found.append(required(path, "port name or number is required"))
    return found


class PolicyStrategy(Counted):
    """NetworkPolicy."""

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        for side in ("ingress", "egress"):
            for rule in spec.get(side) or ():
                for port in rule.get("ports") or ():
                    port.setdefault("protocol", "TCP")
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress"] + (["Egress"] if spec.get("egress") else [])


class AddressStrategy(Counted):
    """IPAddress: the claim of one address."""

    has_generation = False

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return rules.ip_address(name)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        reference = (obj.get("spec") or {}).get("parentRef")
        if reference is None:
            return [required("spec.parentRef")]
        return [required(f"spec.parentRef.{name}") for name in ("resource", "name") if not reference.get(name)]

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        new = (obj.get("spec") or {}).get("parentRef")
        return [immutable("spec.parentRef", new)] if new != (old.get("spec") or {}).get("parentRef") else []


class RangeStrategy(Strategy):
    """ServiceCIDR."""

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        cidrs = (obj.get("spec") or {}).get("cidrs") or []
        if not cidrs:
            return [required("spec.cidrs", "at least one CIDR required")]
        found: list[FieldError] = []
        for index, cidr in enumerate(cidrs):
            found += [invalid(f"spec.cidrs[{index}]", cidr, text) for text in rules.cidr(cidr)]
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        new, before = (obj.get("spec") or {}).get("cidrs") or [], (old.get("spec") or {}).get("cidrs") or []
        for index, cidr in enumerate(new):
            if index < len(before) and cidr != before[index]:
                return [immutable(f"spec.cidrs[{index}]", cidr)]
        return [] if len(new) == len(before) else [invalid("spec.cidrs", new, "field is immutable")]


def default_service_cidr(cidr: str) -> Object:
    """The ServiceCIDR `kubernetes` of the server's own range."""
    message = "Kubernetes Service CIDR is ready"
    condition = {"type": "Ready", "status": "True", "reason": "", "message": message, "lastTransitionTime": None}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes", "finalizers": ["networking.k8s.io/service-cidr-finalizer"]},
        "spec": {"cidrs": [cidr]},
        "status": {"conditions": [condition]},
    }


def address_object(address: str, namespace: str, service: str) -> Object:
    """The IPAddress that claims a ClusterIP for a Service."""
    family = "IPv6" if ":" in address else "IPv4"
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "IPAddress",
        "metadata": {"name": address, "labels": {FAMILY_LABEL: family, MANAGED_LABEL: "ipallocator"}},
        "spec": {"parentRef": {"group": "", "resource": "services", "namespace": namespace, "name": service}},
    }


def _hosts(obj: Object) -> str:
    hosts = [rule.get("host") or "*" for rule in (obj.get("spec") or {}).get("rules") or ()]
    shown = ",".join(hosts[:3])
    return (f"{shown} + {len(hosts) - 3} more..." if len(hosts) > 3 else shown) or "*"


def _load_balancer(obj: Object) -> str:
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(item.get("ip") or item.get("hostname") or "" for item in ingress)


def _parent(obj: Object) -> str:
    reference = (obj.get("spec") or {}).get("parentRef") or {}
    group = f".{reference['group']}" if reference.get("group") else ""
    return f"{reference.get('resource', '')}{group}/{reference.get('namespace', '')}/{reference.get('name', '')}"


def _parameters(obj: Object) -> str:
    found = (obj.get("spec") or {}).get("parameters")
    if not found:
        return "<none>"
    group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
    return f"{found.get('kind')}{group}/{found.get('name')}"


STATUS_SUB = (Subresource("status", STATUS),)


def _kind(name: str, plural: str, namespaced: bool, strategy: Strategy, *columns: Column, **more: Any) -> Kind:
    return Kind(GROUP, "v1", name, plural, namespaced, strategy, columns=columns, **more)


KINDS: tuple[Kind, ...] = (
    _kind("IngressClass", "ingressclasses", False, Counted(), Column("Controller", at("spec", "controller", default="")),
          Column("Parameters", _parameters), AGE),
    _kind("Ingress", "ingresses", True, IngressStrategy(),
          Column("Class", at("spec", "ingressClassName", default="<none>")), Column("Hosts", _hosts),
          Column("Address", _load_balancer),
          Column("Ports", lambda obj: "80, 443" if (obj.get("spec") or {}).get("tls") else "80"), AGE,
          short_names=("ing",), subresources=STATUS_SUB),
    _kind("IPAddress", "ipaddresses", False, AddressStrategy(), Column("ParentRef", _parent), AGE, short_names=("ip",),
          since=33, selectable_fields=("spec.parentRef.group",)),
    _kind("NetworkPolicy", "networkpolicies", True, PolicyStrategy(),
          Column("Pod-Selector", lambda obj: format_selector((obj.get("spec") or {}).get("podSelector"))), AGE,
          short_names=("netpol",)),
    _kind("ServiceCIDR", "servicecidrs", False, RangeStrategy(),
          Column("CIDRs", lambda obj: ",".join((obj.get("spec") or {}).get("cidrs") or ())), AGE, since=33,
          subresources=STATUS_SUB),
)
