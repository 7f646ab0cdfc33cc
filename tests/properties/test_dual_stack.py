"""Whatever is asked of Services of a dual-stack cluster, what is stored fits together."""

from __future__ import annotations

import ipaddress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.errors import StatusError
from apiserver.kinds.kind import Object
from tests.api.test_service_rules import SERVICE, FakeCluster, context, make_service

FAMILIES = st.lists(st.sampled_from(["IPv4", "IPv6"]), max_size=2, unique=True)
POLICIES = st.sampled_from([None, "SingleStack", "PreferDualStack", "RequireDualStack"])
ADDRESSES = st.lists(
    st.sampled_from(["None", "10.96.0.7", "10.96.0.8", "fd00::7", "fd00:0::8", "192.0.2.1"]), max_size=2, unique=True
)
SPECS = st.fixed_dictionaries(
    {"type": st.sampled_from(["ClusterIP", "NodePort", "ExternalName"])},
    optional={"ipFamilies": FAMILIES, "ipFamilyPolicy": POLICIES, "clusterIPs": ADDRESSES},
)
CLUSTERS = st.sampled_from(
    [("10.96.0.0/24",), ("fd00::/120",), ("10.96.0.0/24", "fd00::/120"), ("fd00::/120", "10.96.0.0/24")]
)


def asked(spec: dict[str, Any], old: Object | None) -> Object:
    """A client's object: without values that are None, clusterIP in step with clusterIPs."""
    found = {name: value for name, value in spec.items() if value}
    if found.get("clusterIPs"):
        found["clusterIP"] = found["clusterIPs"][0]
    if found["type"] == "ExternalName":
        found["externalName"] = "example.com"
    obj = make_service(selector={"a": "b"}, **found)
    if old is not None:
        obj["metadata"] = {**old["metadata"]}
    return obj


def write(cluster: FakeCluster, obj: Object, old: Object | None) -> Object:
    """A POST or PUT. Raises StatusError; the real order of a write."""
    request = context(cluster)
    SERVICE.default(obj)
    if old is None:
        SERVICE.prepare_for_create(obj, request)
        faults = SERVICE.validate(obj, request)
    else:
        SERVICE.prepare_for_update(obj, old, request)
        faults = SERVICE.validate_update(obj, old, request)
    if faults:
        raise StatusError(422, "Invalid", "; ".join(map(str, faults)))
    SERVICE.allocate(obj, old, request)
    return obj


def check(obj: Object, cluster: FakeCluster) -> None:
    spec = obj["spec"]
    addresses, families = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    if spec["type"] == "ExternalName":
        assert not addresses
        return
    assert addresses[0] == spec["clusterIP"]
    assert len(set(families)) == len(families) >= 1
    own = {f"IPv{ipaddress.ip_network(cidr).version}" for cidr in cluster.service_cidrs}
    assert set(families) <= own
    if spec["ipFamilyPolicy"] == "SingleStack":
        assert len(families) == 1
    if spec["ipFamilyPolicy"] == "RequireDualStack":
        assert len(families) == 2
    if addresses == ["None"]:
        return
    versions = [f"IPv{ipaddress.ip_address(address).version}" for address in addresses]
    assert versions == families
    networks = [ipaddress.ip_network(cidr) for cidr in cluster.service_cidrs]
    assert all(any(ipaddress.ip_address(one) in network for network in networks) for one in addresses)
    claimed = {claim.value for claim in SERVICE.claims(obj) if claim.space == "clusterip"}
    assert claimed == {str(ipaddress.ip_address(one)) for one in addresses}


@settings(max_examples=300, deadline=None)
@given(cidrs=CLUSTERS, steps=st.lists(SPECS, min_size=1, max_size=5))
def test_what_is_stored_fits_together(cidrs: tuple[str, ...], steps: list[dict[str, Any]]) -> None:
    cluster = FakeCluster()
    cluster.service_cidrs = cidrs
    live: Object | None = None
    for step in steps:
        try:
            live = write(cluster, asked(step, live), live)
        except StatusError as error:
            assert error.code in (422, 500), error
            assert error.code == 422 or "range is full" in error.message
            continue
        check(live, cluster)
