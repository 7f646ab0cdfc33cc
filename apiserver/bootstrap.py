"""What is there before the first request: namespaces, the `kubernetes` Service, the default ServiceCIDR, RBAC roles,
flow schemas and priority classes."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from apiserver.handlers.commit import key_of, write_of
from apiserver.kinds.kind import Kind, Object
from apiserver.storage.types import Exists, Write

if TYPE_CHECKING:
    from apiserver.server import App

NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "default")
BATCH = 200
FLOW_CONTROL_V1 = 29
"""The first minor with flow control in v1."""


async def bootstrap(app: App) -> None:
    """Create what is missing. Safe to run by several servers at once."""
    from apiserver.auth.roles import default_roles

    wanted: list[Object] = [_namespace(name) for name in NAMESPACES]
    wanted += _service_objects(app)
    wanted += default_roles()
    wanted += _policies(app)
    missing = []
    for obj in wanted:
        group, _, version = obj["apiVersion"].rpartition("/")
        kind = app.registry.companion(group, version, obj["kind"])
        key = key_of(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if app.store.get(key) is None:
            missing.append(_write(app, kind, obj))
    for start in range(0, len(missing), BATCH):
        await _create(app, missing[start : start + BATCH])
    app.store.mark_baseline()


async def _create(app: App, writes: list[Write]) -> None:
    try:
        await app.store.submit(writes)
    except Exists:
        for write in writes:  # another server was at it too
            try:
                await app.store.submit([write])
            except Exists:
                continue


def _write(app: App, kind: Kind, obj: Object) -> Write:
    app.complete_metadata(obj)
    schema = app.registry.type_of(kind)
    if schema is not None:
        from apiserver.schema.decode import decode

        obj = {**decode(obj, schema), "apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    return write_of(kind, obj, 0, kind.strategy.claims(obj))


def _policies(app: App) -> list[Object]:
    """System priority classes, and flow schemas where this minor serves them."""
    from apiserver.kinds.flowcontrol_objects import default_objects
    from apiserver.kinds.scheduling import system_classes

    flows = default_objects(app.now()) if app.options.kubernetes_minor >= FLOW_CONTROL_V1 else []
    return system_classes() + flows


def _namespace(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def advertised(app: App) -> str:
    """The address under which the server publishes itself; never a loopback one."""
    address = app.options.advertise_address or app.options.bind
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return "" if parsed.is_loopback or parsed.is_unspecified else address


def _service_objects(app: App) -> list[Object]:
    from apiserver.kinds.networking import default_service_cidr
    from apiserver.kinds.service import kubernetes_service

    first = str(ipaddress.ip_network(app.options.service_cidrs[0])[1])
    service, address = kubernetes_service(first, app.options.port)
    found = [default_service_cidr(app.options.service_cidrs), address, service]
    published = advertised(app)
    if published:
        found += _own_endpoints(published, app.options.port)
    return found


def _own_endpoints(address: str, port: int) -> list[Object]:
    skip = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    named = {"name": "https", "port": port, "protocol": "TCP"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": skip},
            "subsets": [{"addresses": [{"ip": address}], "ports": [named]}],
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": f"IPv{ipaddress.ip_address(address).version}",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [named],
        },
    ]
