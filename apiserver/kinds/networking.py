"""networking.k8s.io/v1: IPAddress, ServiceCIDR, and the group's kinds (rules of the others: ingress, networkpolicy)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from apiserver import validation as rules
from apiserver.field import FieldError, immutable, invalid, required
from apiserver.kinds.ingress import IngressClassStrategy, IngressStrategy, segment_faults
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.networkpolicy import NetworkPolicyStrategy
from apiserver.kinds.workload_columns import at, format_selector
from apiserver.table import AGE

GROUP = "networking.k8s.io"
FAMILY_LABEL, MANAGED_LABEL = "ipaddress.kubernetes.io/ip-family", "ipaddress.kubernetes.io/managed-by"
PARENT_FIELDS = ("group", "resource", "namespace", "name")


class IPAddressStrategy(Strategy):
    """IPAddress: the claim of one address; its name is the address in canonical form."""

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Everything is the client's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Everything is the client's."""

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return rules.ip_address(name)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        reference, path = _reference(obj), "spec.parentRef"
        if reference is None:
            return [required(path)]
        group, namespace = reference.get("group", ""), reference.get("namespace", "")
        texts = rules.dns1123_subdomain(group) if group else []
        found = [invalid(f"{path}.group", group, text) for text in texts]
        found += segment_faults(reference.get("resource", ""), f"{path}.resource")
        found += segment_faults(reference.get("name", ""), f"{path}.name")
        return found + (segment_faults(namespace, f"{path}.namespace") if namespace else [])

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        new = _reference(obj)
        return [immutable("spec.parentRef", new)] if new != _reference(old) else []

    def field_values(self, obj: Object) -> Mapping[str, str]:
        reference = _reference(obj) or {}
        return {f"spec.parentRef.{name}": reference.get(name, "") for name in PARENT_FIELDS}


def _reference(obj: Object) -> Object | None:
    found: Object | None = (obj.get("spec") or {}).get("parentRef")
    return found


class ServiceCIDRStrategy(Strategy):
    """ServiceCIDR: ranges of cluster IPs; `service_ranges` draws from them."""

    status_resets_metadata = True

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        cidrs = _cidrs(obj)
        if not cidrs:
            return [required("spec.cidrs", "at least one CIDR required")]
        if len(cidrs) > 2:
            return [invalid("spec.cidrs", {"CIDRs": cidrs}, "may only hold up to 2 values")]
        found: list[FieldError] = []
        for index, value in enumerate(cidrs):
            found += [invalid(f"spec.cidrs[{index}]", value, text) for text in rules.cidr(value)]
        parsed = [rules.parse_cidr(value) for value in cidrs]
        versions = [network.version for network in parsed if network is not None]
        if len(versions) == 2 and versions[0] == versions[1]:
            why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
            found.append(invalid("spec.cidrs", cidrs, why))
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """A second family may be added; nothing else changes."""
        new, before = _cidrs(obj), _cidrs(old)
        changed = [
            immutable(f"spec.cidrs[{index}]", value)
            for index, (value, was) in enumerate(zip(new, before, strict=False))
            if value != was
        ]
        if len(new) == len(before):
            return changed
        if len(before) == 1 and len(new) == 2:
            return changed + self.validate(obj, context)
        return [immutable("spec.cidrs", new)]


def _cidrs(obj: Object) -> list[str]:
    found: list[str] = (obj.get("spec") or {}).get("cidrs") or []
    return found


def default_service_cidr(cidrs: Sequence[str]) -> Object:
    """The ServiceCIDR `kubernetes` of the server's own ranges."""
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "",
        "message": "Kubernetes Service CIDR is ready",
        "lastTransitionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes", "finalizers": ["networking.k8s.io/service-cidr-finalizer"]},
        "spec": {"cidrs": list(cidrs)},
        "status": {"conditions": [ready]},
    }


def address_object(address: str, namespace: str, service: str) -> Object:
    """The IPAddress that claims a ClusterIP for a Service."""
    family = "IPv6" if ":" in address else "IPv4"
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "IPAddress",
        "metadata": {
            "name": address,
            "labels": {FAMILY_LABEL: family, MANAGED_LABEL: "ipallocator.k8s.io"},
        },
        "spec": {"parentRef": {"resource": "services", "namespace": namespace, "name": service}},
    }


HOSTS_SHOWN = 3


def _hosts(obj: Object) -> str:
    ingress_rules = (obj.get("spec") or {}).get("rules") or ()
    hosts = [rule["host"] for rule in ingress_rules if rule.get("host")]
    shown = ",".join(hosts[:HOSTS_SHOWN]) or "*"
    more = len(ingress_rules) - HOSTS_SHOWN
    return f"{shown} + {more} more..." if len(hosts) >= HOSTS_SHOWN and more > 0 else shown


def _load_balancer(obj: Object) -> str:
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(sorted({item.get("ip") or item.get("hostname") or "" for item in ingress} - {""}))


def _parent(obj: Object) -> str:
    reference = _reference(obj)
    if reference is None:
        return "<none>"
    group = f".{reference['group']}" if reference.get("group") else ""
    parts = (f"{reference.get('resource', '')}{group}".lower(), reference.get("namespace"), reference.get("name"))
    return "/".join(part for part in parts if part)


def _parameters(obj: Object) -> str:
    found = (obj.get("spec") or {}).get("parameters")
    if not found:
        return "<none>"
    group = f".{found['apiGroup']}" if found.get("apiGroup") is not None else ""
    return f"{found.get('kind', '')}{group}/{found.get('name', '')}"


STATUS_ONLY = (Subresource("status", STATUS),)

KINDS: tuple[Kind, ...] = (
    Kind(
        GROUP,
        "v1",
        "IngressClass",
        "ingressclasses",
        False,
        IngressClassStrategy(),
        columns=(Column("Controller", at("spec", "controller", default="")), Column("Parameters", _parameters), AGE),
    ),
    Kind(
        GROUP,
        "v1",
        "Ingress",
        "ingresses",
        True,
        IngressStrategy(),
        short_names=("ing",),
        columns=(
            Column("Class", at("spec", "ingressClassName", default="<none>")),
            Column("Hosts", _hosts),
            Column("Address", _load_balancer),
            Column("Ports", lambda obj: "80, 443" if (obj.get("spec") or {}).get("tls") else "80"),
            AGE,
        ),
        subresources=STATUS_ONLY,
    ),
    Kind(
        GROUP,
        "v1",
        "IPAddress",
        "ipaddresses",
        False,
        IPAddressStrategy(),
        short_names=("ip",),
        columns=(Column("ParentRef", _parent), replace(AGE, named=False)),
        selectable_fields=tuple(f"spec.parentRef.{name}" for name in PARENT_FIELDS),
        since=33,
    ),
    Kind(
        GROUP,
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        True,
        NetworkPolicyStrategy(),
        short_names=("netpol",),
        columns=(Column("Pod-Selector", lambda obj: format_selector((obj.get("spec") or {}).get("podSelector"))), AGE),
    ),
    Kind(
        GROUP,
        "v1",
        "ServiceCIDR",
        "servicecidrs",
        False,
        ServiceCIDRStrategy(),
        columns=(Column("CIDRs", lambda obj: ",".join(_cidrs(obj))), AGE),
        subresources=STATUS_ONLY,
        since=33,
    ),
)
