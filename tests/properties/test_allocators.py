"""The allocators: every value is free, in range, and drawn from the upper band while that has any."""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.allocator import address_band, free_address, free_port, network_address, port_band, usable

CIDRS = st.sampled_from(["10.96.0.0/28", "10.96.0.0/27", "10.0.0.128/25", "192.168.4.0/22", "fd00::/122"])
RANGES = st.tuples(st.integers(1, 60000), st.integers(1, 200)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(cidr=CIDRS)
@settings(max_examples=10, deadline=None)
def test_every_address_is_given_once_and_then_none(cidr: str) -> None:
    taken: set[str] = set()
    while (found := free_address(cidr, taken.__contains__)) is not None:
        assert found not in taken
        assert usable(found, cidr)
        taken.add(found)
    network = ipaddress.ip_network(cidr)
    assert len(taken) == network.num_addresses - (2 if network.version == 4 else 1)
    assert network_address(cidr) not in taken


@given(limits=RANGES)
@settings(max_examples=20, deadline=None)
def test_every_port_is_given_once_and_then_none(limits: tuple[int, int]) -> None:
    low, high = limits
    taken: set[int] = set()
    while (found := free_port(low, high, taken.__contains__)) is not None:
        assert low <= found <= high
        assert found not in taken
        taken.add(found)
    assert taken == set(range(low, high + 1))


@given(taken=st.sets(st.integers(30000, 32767), max_size=400))
@settings(max_examples=50, deadline=None)
def test_the_lower_band_of_ports_is_left_alone(taken: set[int]) -> None:
    found = free_port(30000, 32767, taken.__contains__)
    assert found is not None and found >= 30086 and found not in taken


@given(taken=st.sets(st.integers(1, 254), max_size=238))
@settings(max_examples=50, deadline=None)
def test_the_lower_band_of_addresses_is_left_alone(taken: set[int]) -> None:
    """A /24 keeps .1 to .16 for explicit requests, until the others are gone."""
    upper_left = set(range(17, 255)) - taken
    found = free_address("10.96.0.0/24", lambda address: int(address.rpartition(".")[2]) in taken)
    if upper_left:
        assert found is not None and int(found.rpartition(".")[2]) in upper_left


def test_bands() -> None:
    """The arithmetic of KEP-3070 and KEP-3682."""
    assert [address_band(size) for size in (8, 16, 64, 256, 1024, 4096, 1 << 20)] == [0, 0, 16, 16, 64, 256, 256]
    assert [port_band(size) for size in (16, 20, 512, 2768, 65536)] == [0, 16, 16, 86, 128]


def test_the_lower_band_serves_when_the_upper_one_is_full() -> None:
    assert free_port(30000, 32767, lambda port: port != 30007) == 30007
    assert free_address("10.96.0.0/24", lambda address: address != "10.96.0.3") == "10.96.0.3"


def test_explicit_addresses() -> None:
    for address in ("10.96.0.0", "10.111.255.255", "10.95.1.1", "10.112.0.1", "fd00::1"):
        assert not usable(address, "10.96.0.0/12")
    for address in ("10.96.0.1", "10.111.255.254"):
        assert usable(address, "10.96.0.0/12")
