"""v1 Service: defaults, type transitions, allocation. Validation is in `service_validation`."""

from __future__ import annotations

from collections.abc import Mapping

from apiserver import errors
from apiserver.allocator import free_address, free_port, usable
from apiserver.field import FieldError, invalid
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.networking import address_object
from apiserver.kinds.service_validation import (
    EXTERNAL,
    externally_accessible,
    headless,
    needs_health_check,
    validate,
    validate_status,
    validate_update,
)
from apiserver.kinds.workload_columns import at, format_labels
from apiserver.storage.types import Claim
from apiserver.table import AGE
from apiserver.validation import dns1123_label

AFFINITY_TIMEOUT = 10800
"""Seconds; the default of sessionAffinityConfig.clientIP.timeoutSeconds."""
PORT_SPACE = "nodeport/"
NO_IPV6 = "IPv6 is not configured on this cluster"


class ServiceStrategy(Strategy):
    """Services."""

    create_on_update = True
    delete_answers_object = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
        if spec["sessionAffinity"] == "None":
            spec.pop("sessionAffinityConfig", None)
        elif spec["sessionAffinity"] == "ClientIP":
            client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
            if client.get("timeoutSeconds") is None:
                spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_TIMEOUT}}
        spec["type"] = spec.get("type") or "ClusterIP"
        for port in spec.get("ports") or ():
            _default_port(port)
        if externally_accessible(spec):
            spec["externalTrafficPolicy"] = spec.get("externalTrafficPolicy") or "Cluster"
        if spec["type"] in ("NodePort", "LoadBalancer", "ClusterIP"):
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if spec["type"] == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)
            for item in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
                if item.get("ip"):
                    item.setdefault("ipMode", "VIP")

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"loadBalancer": {}}
        spec = obj["spec"]
        _normalize_addresses(spec, None)
        _default_families(spec, None)
        if spec["type"] == "ExternalName":
            spec.pop("internalTrafficPolicy", None)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return validate(obj, None, context)

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return dns1123_label(name, prefix=prefix)

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        obj["status"] = old.get("status") or {"loadBalancer": {}}
        new, before = obj["spec"], old["spec"]
        _normalize_addresses(new, before)
        _carry_allocations(new, before)
        _drop_by_type(new, before)
        _default_families(new, before)
        if new["type"] != "LoadBalancer":
            obj["status"] = {**obj["status"], "loadBalancer": {}}
        if new["type"] == "ExternalName":
            new.pop("internalTrafficPolicy", None)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return validate_update(obj, old, context)

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return validate_status(obj)

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        return _warnings(obj["spec"], ((old or {}).get("spec") or {}))

    def allocate(self, obj: Object, old: Object | None, context: Context) -> None:
        spec = obj["spec"]
        before = (old or {}).get("spec") or {}
        if context.subresource == "status":
            return
        faults = _allocate_address(obj, spec, before, context)
        if not faults:
            faults = _allocate_ports(spec, before, obj, context)
        if faults:
            raise errors.invalid("", "Service", obj["metadata"]["name"], faults)
        _allocate_health_check(spec, before, obj, context)

    def claims(self, obj: Object) -> tuple[Claim, ...]:
        spec = obj["spec"]
        if spec.get("type") == "ExternalName":
            return ()
        found = {
            Claim(PORT_SPACE + port.get("protocol", "TCP"), str(port["nodePort"]))
            for port in spec.get("ports") or ()
            if port.get("nodePort")
        }
        if spec.get("healthCheckNodePort"):
            found.add(Claim(PORT_SPACE + "TCP", str(spec["healthCheckNodePort"])))
        return tuple(sorted(found))

    def companions(self, obj: Object | None, old: Object | None, context: Context) -> list[tuple[str, Object]]:
        now, before = addresses_of(obj), addresses_of(old)
        some = obj or old or {}
        name, namespace = some["metadata"]["name"], some["metadata"].get("namespace", "")
        gone = [("delete", address_object(a, namespace, name)) for a in before if a not in now]
        return gone + [("create", address_object(a, namespace, name)) for a in now if a not in before]

    def field_values(self, obj: Object) -> Mapping[str, str]:
        spec = obj.get("spec") or {}
        return {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}


def _default_port(port: Object) -> None:
    port["protocol"] = port.get("protocol") or "TCP"
    if port.get("targetPort") in (0, "", None):
        port["targetPort"] = port.get("port", 0)


def addresses_of(obj: Object | None) -> list[str]:
    """The addresses a Service holds: none when headless or ExternalName."""
    spec = (obj or {}).get("spec") or {}
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") in ("None", "", None):
        return []
    return list(spec.get("clusterIPs") or [spec["clusterIP"]])


def _normalize_addresses(new: Object, before: Object | None) -> None:
    """Keep clusterIP and clusterIPs in step for clients that know only one of them (NormalizeClusterIPs)."""
    single, several = new.get("clusterIP", ""), new.get("clusterIPs") or []
    if before is None:
        if single and not several:
            new["clusterIPs"] = [single]
        return
    old_single, old_several = before.get("clusterIP", ""), before.get("clusterIPs") or []
    if single != old_single:
        if not single and several == old_several:
            new.pop("clusterIPs", None)
        elif single and several == old_several:
            new["clusterIPs"] = [single]
    elif several != old_several and several and len(several) > 0 and not single:
        new["clusterIP"] = several[0]


def _carry_allocations(new: Object, before: Object) -> None:
    """Allocated values that the client left out stay (patchAllocatedValues)."""
    if new["type"] != "ExternalName" and before["type"] != "ExternalName" and not new.get("clusterIP"):
        if before.get("clusterIP"):
            new["clusterIP"] = before["clusterIP"]
        if not new.get("clusterIPs") and before.get("clusterIPs"):
            new["clusterIPs"] = list(before["clusterIPs"])
    if _has_node_ports(before) and _has_node_ports(new):
        used = {(p.get("protocol"), p["nodePort"]) for p in new.get("ports") or () if p.get("nodePort")}
        by_name = {port.get("name", ""): port for port in before.get("ports") or ()}
        for port in new.get("ports") or ():
            same = by_name.get(port.get("name", ""))
            number = (same or {}).get("nodePort")
            if not port.get("nodePort") and number and (port.get("protocol"), number) not in used:
                port["nodePort"] = number
                used.add((port.get("protocol"), number))
    if needs_health_check(before) and needs_health_check(new) and not new.get("healthCheckNodePort"):
        if before.get("healthCheckNodePort"):
            new["healthCheckNodePort"] = before["healthCheckNodePort"]


def _has_node_ports(spec: Object) -> bool:
    return spec.get("type") in EXTERNAL


def _drop_by_type(new: Object, before: Object) -> None:
    """Fields that the new type does not have vanish where the client left them as they were (dropTypeDependentFields)."""
    kind, was = new["type"], before["type"]
    if was != "ExternalName" and kind == "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if name in new and new[name] == before.get(name):
                del new[name]
    if _has_node_ports(before) and not _has_node_ports(new):
        _drop_node_ports(new, before)
    if needs_health_check(before) and not needs_health_check(new):
        if new.get("healthCheckNodePort") == before.get("healthCheckNodePort"):
            new.pop("healthCheckNodePort", None)
    if was == "LoadBalancer" and kind != "LoadBalancer":
        for name in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if new.get(name) == before.get(name):
                new.pop(name, None)
    if externally_accessible(before) and not externally_accessible(new):
        if new.get("externalTrafficPolicy") == before.get("externalTrafficPolicy"):
            new.pop("externalTrafficPolicy", None)


def _drop_node_ports(new: Object, before: Object) -> None:
    old_ports = [port.get("nodePort") for port in before.get("ports") or ()]
    new_ports = [port.get("nodePort") for port in new.get("ports") or ()]
    if any(number and number not in old_ports for number in new_ports):
        return
    for port in new.get("ports") or ():
        port.pop("nodePort", None)


def _default_families(spec: Object, before: Object | None) -> None:
    """ipFamilies and ipFamilyPolicy on a single-stack IPv4 cluster (defaultServiceIPFamilies)."""
    if spec["type"] == "ExternalName":
        return
    if before is not None and before["type"] != "ExternalName":
        for name in ("ipFamilies", "ipFamilyPolicy"):
            if not spec.get(name) and before.get(name):
                spec[name] = before[name]
        return
    policy = spec.get("ipFamilyPolicy")
    if headless(spec) and not spec.get("selector"):
        if policy is None:
            spec["ipFamilyPolicy"] = "RequireDualStack" if len(spec.get("ipFamilies") or ()) != 1 else "SingleStack"
        if not spec.get("ipFamilies"):
            families = ["IPv4"] if spec["ipFamilyPolicy"] == "SingleStack" else ["IPv4", "IPv6"]
            spec["ipFamilies"] = ["IPv4"] if policy == "PreferDualStack" else families
        return
    if policy is None:
        spec["ipFamilyPolicy"] = "SingleStack"
    if not spec.get("ipFamilies"):
        first = (spec.get("clusterIPs") or [""])[0]
        spec["ipFamilies"] = ["IPv6"] if ":" in first else ["IPv4"]


def _allocate_address(obj: Object, spec: Object, before: Object, context: Context) -> list[FieldError]:
    """Claim the cluster IP: explicit ones must be in the range and free, others are drawn."""
    if spec["type"] == "ExternalName":
        return []
    faults = _stack_faults(spec)
    if faults or headless(spec):
        if headless(spec):
            spec["clusterIP"], spec["clusterIPs"] = "None", ["None"]
        return faults
    mine = addresses_of({"spec": before}) if before else []
    wanted = spec.get("clusterIP", "")
    if wanted and wanted in mine:
        return []
    if wanted:
        return _explicit_address(wanted, spec, context)
    proposed = free_address(context.cluster.service_cidr, lambda a: context.cluster.exists("ipaddresses.networking.k8s.io", "", a))
    if proposed is None:
        raise errors.internal("failed to allocate a serviceIP: range is full")
    spec["clusterIP"], spec["clusterIPs"] = proposed, [proposed]
    return []


def _stack_faults(spec: Object) -> list[FieldError]:
    """What a single-stack IPv4 cluster cannot give."""
    families, policy = spec.get("ipFamilies") or [], spec.get("ipFamilyPolicy")
    free = headless(spec) and not spec.get("selector")
    if len(families) > 1 and policy == "SingleStack":
        why = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"
        return [invalid("spec.ipFamilyPolicy", policy, why)]
    if free:
        return []
    for index, address in enumerate(spec.get("clusterIPs") or ()):
        if ":" in address:
            return [invalid(f"spec.clusterIPs[{index}]", spec["clusterIPs"], NO_IPV6)]
    for index, family in enumerate(families):
        if family == "IPv6":
            return [invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")]
    if policy == "RequireDualStack":
        why = "this cluster is not configured for dual-stack services"
        return [invalid("spec.ipFamilyPolicy", policy, why)]
    return []


def _explicit_address(wanted: str, spec: Object, context: Context) -> list[FieldError]:
    if not usable(wanted, context.cluster.service_cidr):
        why = f"failed to allocate IP {wanted}: the provided network does not match the current range"
        return [invalid("spec.clusterIPs", [wanted], why)]
    if context.cluster.exists("ipaddresses.networking.k8s.io", "", wanted) and not context.dry_run:
        why = f"failed to allocate IP {wanted}: provided IP is already allocated"
        return [invalid("spec.clusterIPs", [wanted], why)]
    spec["clusterIPs"] = spec.get("clusterIPs") or [wanted]
    return []


def _allocate_ports(spec: Object, before: Object, obj: Object, context: Context) -> list[FieldError]:
    """Claim node ports: explicit ones must be in the range and free, others are drawn."""
    if not _has_node_ports(spec):
        return []
    low, high = context.cluster.node_port_range
    mine = {(p.get("protocol"), p.get("nodePort")) for p in before.get("ports") or ()} if _has_node_ports(before) else set()
    for index, port in enumerate(spec.get("ports") or ()):
        number = port.get("nodePort", 0)
        path = f"spec.ports[{index}].nodePort"
        if number and (port["protocol"], number) not in mine:
            if not low <= number <= high:
                why = f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
                return [invalid(path, number, why)]
            if _held_by_another(number, obj, context):
                return [invalid(path, number, "provided port is already allocated")]
    if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        return []
    return _draw_ports(spec, context)


def _holder(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _held_by_another(number: int, obj: Object, context: Context) -> bool:
    """Node ports belong to one Service, whatever the protocol."""
    for protocol in ("TCP", "UDP", "SCTP"):
        key = context.cluster.claimed(PORT_SPACE + protocol, str(number))
        if key is not None and (key.namespace, key.name) != _holder(obj):
            return True
    return False


def _draw_ports(spec: Object, context: Context) -> list[FieldError]:
    low, high = context.cluster.node_port_range
    taken = {int(value) for protocol in ("TCP", "UDP", "SCTP") for value in context.cluster.claims(PORT_SPACE + protocol)}
    chosen: dict[int, tuple[int, set[str]]] = {}
    for port in spec.get("ports") or ():
        if port.get("nodePort"):
            taken.add(port["nodePort"])
            number, protocols = chosen.get(port["port"], (port["nodePort"], set()))
            chosen[port["port"]] = (number, protocols | {port["protocol"]})
    for index, port in enumerate(spec.get("ports") or ()):
        if port.get("nodePort"):
            continue
        number, protocols = chosen.get(port["port"], (0, set()))
        if not number or port["protocol"] in protocols:
            drawn = free_port(low, high, taken)
            if drawn is None:
                why = "failed to allocate a nodePort: range is full"
                return [invalid(f"spec.ports[{index}].nodePort", 0, why)]
            number, protocols = drawn, set()
            taken.add(drawn)
        port["nodePort"] = number
        chosen[port["port"]] = (number, protocols | {port["protocol"]})
    return []


def _allocate_health_check(spec: Object, before: Object, obj: Object, context: Context) -> None:
    """healthCheckNodePort of load balancers with externalTrafficPolicy Local. Raises 500, as the real server does."""
    if not needs_health_check(spec):
        return
    wanted = spec.get("healthCheckNodePort", 0)
    if wanted and wanted == before.get("healthCheckNodePort"):
        return
    low, high = context.cluster.node_port_range
    if not wanted:
        taken = {int(value) for p in ("TCP", "UDP", "SCTP") for value in context.cluster.claims(PORT_SPACE + p)}
        taken |= {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
        drawn = free_port(low, high, taken)
        if drawn is None:
            raise errors.internal("failed to allocate a HealthCheck NodePort : range is full")
        spec["healthCheckNodePort"] = drawn
        return
    head = f"failed to allocate requested HealthCheck NodePort {wanted}: "
    if not low <= wanted <= high:
        raise errors.internal(f"{head}provided port is not in the valid range. The range of valid ports is {low}-{high}")
    mine = {port.get("nodePort") for port in spec.get("ports") or () if port.get("protocol") == "TCP"}
    if _held_by_another(wanted, obj, context) or wanted in mine:
        raise errors.internal(f"{head}provided port is already allocated")


def _warnings(spec: Object, before: Object) -> list[str]:
    found: list[str] = []
    if spec.get("trafficDistribution") == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
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
            "ipFamilies": ["IPv4"],
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
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    external = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(external) or "<none>"
        case "LoadBalancer":
            found = [item.get("ip") or item.get("hostname") or "" for item in ingress] + external
            return ",".join(found) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName", ""))
    return "<unknown>"


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
