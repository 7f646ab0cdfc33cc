"""v1 Service: defaults and the order of a write. What follows from the type, addresses, ports and validation have files
of their own (service_types, service_addresses, service_allocation, service_validation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.networking import address_object
from apiserver.kinds.service_allocation import addresses_of, allocate, claims_of, rehearse, settle_families
from apiserver.kinds.service_ranges import family_of
from apiserver.kinds.service_types import (
    WITH_ADDRESS,
    carry_allocations,
    drop_dependents,
    externally_accessible,
    match_addresses,
)
from apiserver.kinds.service_validation import HINTS, MODE, validate, validate_status, validate_update
from apiserver.kinds.workload_columns import at, format_labels
from apiserver.storage.types import Claim
from apiserver.table import AGE
from apiserver.validation import dns1123_label

AFFINITY_TIMEOUT = 10800
"""Seconds; the default of sessionAffinityConfig.clientIP.timeoutSeconds."""
EXTERNAL_IPS_DEPRECATED, PREFER_CLOSE_DEPRECATED = 36, 34
"""The minors that began to warn."""


class ServiceStrategy(Strategy):
    """Services. As in the real server, allocation is decided before the object is validated."""

    create_on_update = True
    metadata_again = 1
    delete_answers_object = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["type"] = spec.get("type") or "ClusterIP"
        _default_affinity(spec)
        for port in spec.get("ports") or ():
            port["protocol"] = port.get("protocol") or "TCP"
            if port.get("targetPort") in (0, "", None):
                port["targetPort"] = port.get("port", 0)
        if externally_accessible(spec):
            spec["externalTrafficPolicy"] = spec.get("externalTrafficPolicy") or "Cluster"
        if spec["type"] in WITH_ADDRESS and spec.get("internalTrafficPolicy") is None:
            spec["internalTrafficPolicy"] = "Cluster"
        if spec["type"] == "LoadBalancer":
            if spec.get("allocateLoadBalancerNodePorts") is None:
                spec["allocateLoadBalancerNodePorts"] = True
            _default_ingress(obj)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"loadBalancer": {}}
        match_addresses(obj["spec"], None)
        settle_families(obj, None, context)
        rehearse(obj, None, context)
        _hide_internal_policy(obj["spec"])

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return validate(obj, None)

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return dns1123_label(name, prefix=prefix)

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        new, before = obj["spec"], old["spec"]
        carry_allocations(new, before)
        match_addresses(new, before)
        settle_families(obj, old, context)
        rehearse(obj, old, context)
        obj["status"] = old.get("status") or {"loadBalancer": {}}
        drop_dependents(new, before)
        if new["type"] != "LoadBalancer":
            obj["status"] = {**obj["status"], "loadBalancer": {}}
        _hide_internal_policy(new)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return validate_update(obj, old)

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return validate_status(obj, old)

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        return [] if context.subresource == "status" else _warnings(obj, context.cluster.minor)

    def allocate(self, obj: Object, old: Object | None, context: Context) -> None:
        if context.subresource != "status":
            allocate(obj, old, context)

    def claims(self, obj: Object) -> tuple[Claim, ...]:
        return claims_of(obj)

    def companions(self, obj: Object | None, old: Object | None, context: Context) -> list[tuple[str, Object]]:
        now, before = addresses_of(obj), addresses_of(old)
        some = obj or old or {}
        name, namespace = some["metadata"]["name"], some["metadata"].get("namespace", "")
        changes = [("delete", address_object(a, namespace, name)) for a in before if a not in now]
        if obj is None:  # a Service that comes after this one must not find its Endpoints
            metadata = {"name": name, "namespace": namespace}
            changes.append(("delete", {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}))
        return changes + [("create", address_object(a, namespace, name)) for a in now if a not in before]

    def field_values(self, obj: Object) -> Mapping[str, str]:
        spec = obj.get("spec") or {}
        return {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}


def _default_affinity(spec: Object) -> None:
    spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_TIMEOUT}}


def _default_ingress(obj: Object) -> None:
    for item in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
        if item.get("ip") and item.get("ipMode") is None:
            item["ipMode"] = "VIP"


def _hide_internal_policy(spec: Object) -> None:
    """An ExternalName has no internal traffic; what a client sends is never shown."""
    if spec["type"] == "ExternalName":
        spec.pop("internalTrafficPolicy", None)


def _warnings(obj: Object, minor: int) -> list[str]:
    spec, annotations = obj["spec"], obj["metadata"].get("annotations") or {}
    kind, external = spec.get("type"), spec.get("externalIPs") or []
    headless = kind == "ClusterIP" and spec.get("clusterIP") == "None"
    found: list[str] = []
    if HINTS in annotations:
        found.append(f"annotation {HINTS} is deprecated, please use {MODE} instead")
    for index, address in enumerate(() if headless else spec.get("clusterIPs") or ()):
        found += rules.ip_warnings(f"spec.clusterIPs[{index}]", address)
    if headless:
        found += _headless_warnings(spec)
    for index, address in enumerate(external):
        found += rules.ip_warnings(f"spec.externalIPs[{index}]", address)
    if external and not headless and kind != "ExternalName" and minor >= EXTERNAL_IPS_DEPRECATED:
        found.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if spec.get("loadBalancerIP"):
        found += rules.ip_warnings("spec.loadBalancerIP", spec["loadBalancerIP"])
    for index, value in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        found += rules.cidr_warnings(f"spec.loadBalancerSourceRanges[{index}]", value)
    if kind == "ExternalName" and external:
        found.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if kind != "ExternalName" and spec.get("externalName"):
        found.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose" and minor >= PREFER_CLOSE_DEPRECATED:
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found


_IGNORED_HEADLESS = (
    ("loadBalancerIP", "spec.loadBalancerIP is ignored for headless services"),
    ("externalIPs", "spec.externalIPs is ignored for headless services"),
)


def _headless_warnings(spec: Object) -> list[str]:
    found = [text for name, text in _IGNORED_HEADLESS if spec.get(name)]
    if spec.get("sessionAffinity") != "None":
        found.append("spec.SessionAffinity is ignored for headless services")
    return found


def kubernetes_service(address: str, port: int) -> tuple[Object, Object]:
    """(the Service `kubernetes`, the IPAddress that holds its address)."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": [family_of(address)],
            "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }
    return service, address_object(address, "default", "kubernetes")


def _external(obj: Object) -> str:
    spec = obj.get("spec") or {}
    external = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(external) or "<none>"
        case "LoadBalancer":
            return ",".join(_ingress_points(obj) + external) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName", ""))
    return "<unknown>"


def _ingress_points(obj: Object) -> list[str]:
    """The addresses of a load balancer, each once and sorted."""
    ingress: list[Any] = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return sorted({item.get("ip") or item["hostname"] for item in ingress if item.get("ip") or item.get("hostname")})


def _port_texts(obj: Object) -> str:
    texts = []
    for port in (obj.get("spec") or {}).get("ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port['port']}{node}/{port.get('protocol', '')}")
    return ",".join(texts) or "<none>"


def _cluster_ip(obj: Object) -> str:
    spec = obj.get("spec") or {}
    found = (spec.get("clusterIPs") or [spec.get("clusterIP")])[0]
    return found or "<none>"


COLUMNS: tuple[Column, ...] = (
    Column("Type", at("spec", "type", default="")),
    Column("Cluster-IP", _cluster_ip),
    Column("External-IP", _external),
    Column("Port(s)", _port_texts),
    AGE,
    Column("Selector", lambda obj: format_labels((obj.get("spec") or {}).get("selector")), priority=1),
)
PROXY = ("create", "delete", "get", "patch", "update")

KINDS: tuple[Kind, ...] = (
    Kind(
        "",
        "v1",
        "Service",
        "services",
        True,
        ServiceStrategy(),
        short_names=("svc",),
        categories=("all",),
        columns=COLUMNS,
        selectable_fields=("spec.clusterIP", "spec.type"),
        subresources=(
            Subresource("proxy", PROXY, gvk=("", "v1", "ServiceProxyOptions"), handler="connect"),
            Subresource("status", STATUS),
        ),
    ),
)
