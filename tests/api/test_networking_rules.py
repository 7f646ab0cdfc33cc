"""Endpoints, EndpointSlices and networking.k8s.io without a server: faults, defaults, warnings, cells."""

from __future__ import annotations

from typing import Any, cast

import pytest

from apiserver.kinds.discovery import KINDS as SLICES
from apiserver.kinds.endpoints import KINDS as ENDPOINTS
from apiserver.kinds.kind import Cluster, Context, Kind, Object, User
from apiserver.kinds.networking import KINDS as NETWORKING
from apiserver.kinds.networking import address_object, default_service_cidr

KINDS = {kind.kind: kind for kind in (*ENDPOINTS, *SLICES, *NETWORKING)}
CONTEXT = Context(cast(Cluster, None), User("alice"), "ns", "2030-01-01T00:00:00Z")


def faults(name: str, old: Object | None = None, **fields: Any) -> list[str]:
    """What a create (or an update of `old`) with these fields is told."""
    strategy, obj = KINDS[name].strategy, {"metadata": {"name": "a"}, **fields}
    strategy.default(obj)
    if old is None:
        found = strategy.validate(obj, CONTEXT)
    else:
        found = strategy.validate_update(obj, {"metadata": {"name": "a"}, **old}, CONTEXT)
    return [str(fault) for fault in found]


def cells(kind: Kind, obj: Object) -> list[Any]:
    """The cells of a table row but name and age."""
    return [column.value(obj) for column in kind.columns if column.name != "Age"]


def backend(**port: Any) -> Object:
    return {"service": {"name": "web", "port": port}}


def ingress(path: str = "/", kind: str | None = "Prefix", host: str = "", **service_port: Any) -> Object:
    item = {"path": path, "backend": backend(**(service_port or {"number": 80}))}
    rule = {"host": host, "http": {"paths": [item if kind is None else {**item, "pathType": kind}]}}
    return {"rules": [rule]}


PATH = "spec.rules[0].http.paths[0]"
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (ingress(), []),
        (ingress(host="*.example.com"), []),
        ({}, ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]),
        (ingress("rel"), [f'{PATH}.path: Invalid value: "rel": must be an absolute path']),
        (ingress("/a//b"), [f"{PATH}.path: Invalid value: \"/a//b\": must not contain '//'"]),
        (ingress("/a/.."), [f"{PATH}.path: Invalid value: \"/a/..\": cannot end with '/..'"]),
        (ingress("", "ImplementationSpecific"), []),
        (ingress(kind=None), [f"{PATH}.pathType: Required value: pathType must be specified"]),
        (ingress(host="Bad"), [f'spec.rules[0].host: Invalid value: "Bad": {SUBDOMAIN}']),
        (ingress(host="10.0.0.1"), [
            'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
        ]),
        (ingress(name="http", number=80), [
            f'{PATH}.backend: Invalid value: "": cannot set both port name & port number',
        ]),
        ({"defaultBackend": backend()}, ["spec.defaultBackend: Required value: port name or number is required"]),
        ({"defaultBackend": {}}, [
            'spec.defaultBackend: Invalid value: "": resource or service backend is required',
        ]),
        ({"defaultBackend": {"resource": {"kind": "Bucket"}}}, ["spec.defaultBackend.resource.name: Required value"]),
    ],
)  # fmt: skip
def test_ingress(spec: Object, expected: list[str]) -> None:
    assert faults("Ingress", spec=spec) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"controller": "acme.io/foo"}, []),
        ({}, ["spec.controller: Required value"]),
        ({"controller": "plain"}, [
            'spec.controller: Invalid value: "plain": must be a domain-prefixed path (such as "acme.io/foo")',
        ]),
        ({"controller": "a.io/b", "parameters": {"kind": "P", "name": "p", "namespace": "x"}}, [
            "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
        ]),
        ({"controller": "a.io/b", "parameters": {"kind": "P", "name": "p", "scope": "Namespace"}}, [
            "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
        ]),
    ],
)  # fmt: skip
def test_ingress_class(spec: Object, expected: list[str]) -> None:
    assert faults("IngressClass", spec=spec) == expected


FROM = "spec.ingress[0].from[0]"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"from": [{"podSelector": {}}], "ports": [{"port": 80, "endPort": 90}]}, []),
        ({"from": [{}]}, [f"{FROM}: Required value: must specify a peer"]),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}, [
            f"{FROM}: Forbidden: may not specify both ipBlock and another peer",
        ]),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/9"]}}]}, [
            f'{FROM}.ipBlock.except[0]: Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`',
        ]),
        ({"ports": [{"port": 80, "endPort": 79}]}, [
            "spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`",
        ]),
        ({"ports": [{"endPort": 79}]}, [
            "spec.ingress[0].ports[0].endPort: Invalid value: 79: may not be specified when `port` is not specified",
        ]),
        ({"ports": [{"port": "http", "endPort": 79}]}, [
            "spec.ingress[0].ports[0].endPort: Invalid value: 79: may not be specified when `port` is non-numeric",
        ]),
        ({"ports": [{"protocol": "ICMP"}]}, [
            'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
        ]),
    ],
)  # fmt: skip
def test_network_policy(rule: Object, expected: list[str]) -> None:
    assert faults("NetworkPolicy", spec={"ingress": [rule]}) == expected


def test_policy_types_follow_the_rules() -> None:
    for spec, expected in (({}, ["Ingress"]), ({"egress": [{}]}, ["Ingress", "Egress"])):
        obj = {"metadata": {}, "spec": dict(spec)}
        KINDS["NetworkPolicy"].strategy.default(obj)
        assert obj["spec"]["policyTypes"] == expected


def test_ip_address() -> None:
    strategy = KINDS["IPAddress"].strategy
    assert strategy.validate_name("10.0.0.1") == []
    assert strategy.validate_name("2001:DB8::1") == ['must be in canonical form ("2001:db8::1")']
    assert faults("IPAddress", spec={}) == ["spec.parentRef: Required value"]
    assert faults("IPAddress", spec={"parentRef": {"group": ""}}) == [
        "spec.parentRef.resource: Required value",
        "spec.parentRef.name: Required value",
    ]
    held = address_object("10.96.0.9", "ns", "web")
    assert faults("IPAddress", spec=held["spec"]) == []
    assert cells(KINDS["IPAddress"], held) == ["services/ns/web"]


def test_service_cidr() -> None:
    assert faults("ServiceCIDR", spec=default_service_cidr(["10.96.0.0/12"])["spec"]) == []
    assert faults("ServiceCIDR", spec={"cidrs": ["10.0.0.0/8", "11.0.0.0/8"]}) == [
        'spec.cidrs: Invalid value: ["10.0.0.0/8","11.0.0.0/8"]: may specify no more than one IP for each IP family, '
        "i.e 192.168.0.0/24 and 2001:db8::/64"
    ]
    old = {"spec": {"cidrs": ["10.0.0.0/8"]}}
    assert faults("ServiceCIDR", old, spec={"cidrs": ["10.0.0.0/8", "fd00::/64"]}) == []
    assert faults("ServiceCIDR", old, spec={"cidrs": ["11.0.0.0/8"]}) == [
        'spec.cidrs[0]: Invalid value: "11.0.0.0/8": field is immutable'
    ]
    assert faults("ServiceCIDR", old, spec={"cidrs": []}) == ["spec.cidrs: Invalid value: []: field is immutable"]


def test_endpoints_of_a_bad_address_are_told_twice() -> None:
    subsets = [{"addresses": [{"ip": "x"}], "ports": [{"port": 80}]}]
    assert faults("Endpoints", subsets=subsets) == [
        'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address',
    ]
    stored = [{**subsets[0], "ports": [{"port": 80, "protocol": "TCP"}]}]
    assert faults("Endpoints", {"subsets": stored}, subsets=subsets) == []


@pytest.mark.parametrize(
    ("kind", "address", "expected"),
    [
        ("IPv4", "10.0.0.1", []),
        ("IPv6", "fd00::1", []),
        ("FQDN", "db.example.com", []),
        ("IPv4", "fd00::1", ['endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address']),
        ("IPv6", "10.0.0.1", ['endpoints[0].addresses: Invalid value: "10.0.0.1": must be an IPv6 address']),
        ("IPv4", "127.0.0.1", [
            'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, '
            "::1/128)",
        ]),
        ("FQDN", "db", [
            'endpoints[0].addresses[0]: Invalid value: "db": should be a domain with at least two segments separated '
            "by dots",
        ]),
        ("Carrier", "pigeon", [
            'addressType: Unsupported value: "Carrier": supported values: "FQDN", "IPv4", "IPv6"',
        ]),
    ],
)  # fmt: skip
def test_slice_addresses(kind: str, address: str, expected: list[str]) -> None:
    assert faults("EndpointSlice", addressType=kind, endpoints=[{"addresses": [address]}]) == expected


def test_slice_limits() -> None:
    assert faults("EndpointSlice", addressType="IPv4", endpoints=[{"addresses": []}]) == [
        "endpoints[0].addresses: Required value: must contain at least 1 address"
    ]
    many = [{"addresses": ["10.0.0.1"]}] * 1001
    assert faults("EndpointSlice", addressType="IPv4", endpoints=many) == [
        "endpoints: Too many: 1001: must have at most 1000 items"
    ]
    ports = [{"name": "a", "port": 80}, {"name": "a", "port": 81}]
    assert faults("EndpointSlice", addressType="IPv4", endpoints=[], ports=ports) == [
        'ports[1].name: Duplicate value: "a"'
    ]


def test_cells() -> None:
    addresses = [{"ip": f"10.0.0.{last}"} for last in range(1, 6)]
    subsets = [{"addresses": addresses, "ports": [{"port": 80}]}]
    assert cells(KINDS["Endpoints"], {"subsets": subsets}) == ["10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more..."]
    assert cells(KINDS["Endpoints"], {}) == ["<none>"]
    assert cells(KINDS["Endpoints"], {"subsets": [{"notReadyAddresses": addresses, "ports": [{"port": 80}]}]}) == [""]
    assert cells(KINDS["EndpointSlice"], {"addressType": "IPv4"}) == ["IPv4", "<unset>", "<unset>"]
    hosts = [{"host": f"h{number}.example.com"} for number in range(5)]
    assert cells(KINDS["Ingress"], {"spec": {"rules": hosts, "tls": [{}]}}) == [
        "<none>",
        "h0.example.com,h1.example.com,h2.example.com + 2 more...",
        "",
        "80, 443",
    ]
