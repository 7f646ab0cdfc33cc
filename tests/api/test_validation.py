"""The rules of names, labels, addresses and metadata: expected texts are apimachinery's, written out."""

from __future__ import annotations

import pytest

from apiserver import objectmeta
from apiserver import validation as rules

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
NAME_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
NO_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NO_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("web", []),
        ("1web", []),
        ("Web", [LABEL]),
        ("web-", [LABEL]),
        ("a.b", ["must not contain dots"]),
        ("", [LABEL]),
        ("web\n", [LABEL]),
        ("a" * 63, []),
        ("a" * 64, ["must be no more than 63 characters"]),
    ],
)
def test_labels_of_rfc_1123(value: str, expected: list[str]) -> None:
    assert rules.dns1123_label(value) == expected


def test_a_prefix_may_end_with_a_hyphen() -> None:
    assert rules.dns1123_label("web-", prefix=True) == []
    assert rules.dns1123_subdomain("a.b-", prefix=True) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("app", []),
        ("example.com/app", []),
        ("bad key", [NAME_PART]),
        ("", ["name part must be non-empty", NAME_PART]),
        ("/app", ["prefix part must be non-empty"]),
        ("x" * 64, ["name part must be no more than 63 bytes"]),
    ],
)
def test_qualified_names(value: str, expected: list[str]) -> None:
    assert rules.qualified_name(value) == expected


def test_label_values_are_measured_in_bytes() -> None:
    assert rules.label_value("a" * 63) == []
    assert rules.label_value("a" * 64) == ["must be no more than 63 bytes"]
    assert rules.label_value("") == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http", []),
        ("80", ["must contain at least one letter (a-z)"]),
        ("a--b", ["must not contain consecutive hyphens"]),
        ("-a", ["must not begin or end with a hyphen"]),
        ("Http", ["must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"]),
        ("a-very-long-name-for-port", ["must be no more than 15 characters"]),
    ],
)
def test_port_names(value: str, expected: list[str]) -> None:
    assert rules.port_name(value) == expected


@pytest.mark.parametrize(
    ("value", "legacy", "strict"),
    [
        ("10.9.8.7", [], []),
        ("2001:db8::ffff", [], []),
        ("2001:DB8:0::FFFF", [], ['must be in canonical form ("2001:db8::ffff")']),
        ("010.9.8.7", ["must not have leading 0s"], ["must not have leading 0s"]),
        (
            "::ffff:10.9.8.7",
            ["must not be an IPv4-mapped IPv6 address"],
            ["must not be an IPv4-mapped IPv6 address"],
        ),
        ("fe80::1%eth0", [NO_IP], [NO_IP]),
        (" 10.9.8.7", [NO_IP], [NO_IP]),
        ("10.9.8", [NO_IP], [NO_IP]),
        ("10.9.8.256", [NO_IP], [NO_IP]),
        ("", [NO_IP], [NO_IP]),
        ("١.2.3.4", [NO_IP], [NO_IP]),
    ],
)
def test_addresses(value: str, legacy: list[str], strict: list[str]) -> None:
    assert rules.legacy_ip(value) == legacy
    assert rules.ip_address(value) == strict


@pytest.mark.parametrize(
    ("value", "legacy", "strict"),
    [
        ("10.9.8.0/24", [], []),
        ("10.9.8.7", [NO_CIDR], [NO_CIDR]),
        ("10.9.8.0/33", [NO_CIDR], [NO_CIDR]),
        ("10.9.8.0/255.255.255.0", [NO_CIDR], [NO_CIDR]),
        ("10.9.8.7/24", ["must not have bits set beyond the prefix length"], None),
        ("10.9.8.0/024", ["must not have leading 0s in IP or prefix length"], None),
        ("2001:DB8::/64", [], ['must be in canonical form ("2001:db8::/64")']),
    ],
)
def test_networks(value: str, legacy: list[str], strict: list[str] | None) -> None:
    assert rules.legacy_cidr(value) == legacy
    assert rules.cidr(value) == (legacy if strict is None else strict)


def test_discouraged_spellings_are_warned_of() -> None:
    assert rules.ip_warnings("spec.x", "2001:DB8::1") == [
        'spec.x: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")'
    ]
    assert rules.ip_warnings("spec.x", "10.9.8.7") == []
    assert rules.cidr_warnings("spec.x", "10.9.8.7/24") == [
        'spec.x: CIDR value "10.9.8.7/24" is ambiguous in this context (should be "10.9.8.0/24" or "10.9.8.7/32"?)'
    ]


def test_metadata_lists_faults_in_order() -> None:
    meta = {
        "name": "Bad",
        "labels": {"bad key": "x", "ok": "bad value!"},
        "finalizers": ["plain"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a"}],
    }
    fields = [fault.field for fault in objectmeta.object_meta(meta, True, rules.dns1123_label)]
    assert fields == [
        "metadata.name",
        "metadata.namespace",
        "metadata.labels",
        "metadata.labels",
        "metadata.ownerReferences.uid",
        "metadata.finalizers[0]",
    ]


def test_what_never_changes_is_told_twice() -> None:
    found = objectmeta.changed_meta(
        {"name": "a", "uid": "2"}, {"name": "a", "uid": "1"}, False, rules.dns1123_subdomain, 0
    )
    assert [str(fault) for fault in found] == ['metadata.uid: Invalid value: "2": field is immutable'] * 2


def test_metadata_is_judged_for_every_kind_and_again_by_some() -> None:
    def found(again: int, *, built_in: bool = True) -> list[str]:
        new, rule = {"name": "a", "labels": {"-": "x"}, "finalizers": ["plain"]}, rules.dns1123_subdomain
        faults = objectmeta.changed_meta(new, {"name": "a"}, False, rule, again, built_in=built_in)
        return [fault.field for fault in faults]

    assert found(0) == ["metadata.labels", "metadata.labels", "metadata.labels", "metadata.finalizers[0]"]
    assert found(1) == [*found(0), "metadata.labels", "metadata.finalizers[0]"]
    assert found(0, built_in=False) == ["metadata.labels"] * 3


def test_owners_are_judged_without_saying_which() -> None:
    owners = [
        {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1", "controller": True},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "b", "uid": "2", "controller": True},
        {"apiVersion": "v1", "kind": "Event", "name": "c", "uid": "3"},
        {"apiVersion": "a/b/c", "kind": "X", "name": "d", "uid": "4"},
    ]
    shown = (
        '[{"apiVersion":"v1","kind":"Pod","name":"a","uid":"1","controller":true},'
        '{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"b","uid":"2","controller":true},'
        '{"apiVersion":"v1","kind":"Event","name":"c","uid":"3"},{"apiVersion":"a/b/c","kind":"X","name":"d","uid":"4"}]'
    )
    assert [str(fault) for fault in objectmeta.owner_references(owners, "p")] == [
        f"p: Invalid value: {shown}: Only one reference can have Controller set to true. "
        'Found "true" in references for Pod/a and ReplicaSet/b',
        'p: Invalid value: {"apiVersion":"v1","kind":"Event","name":"c","uid":"3"}: '
        "/v1, Kind=Event is disallowed from being an owner",
        'p.apiVersion: Invalid value: "a/b/c": version must not be empty',
    ]
    assert [str(fault) for fault in objectmeta.owner_references([{"kind": "Event", "apiVersion": "v1"}], "p")] == [
        'p.name: Invalid value: "": must not be empty',
        'p.uid: Invalid value: "": must not be empty',
        'p: Invalid value: {"apiVersion":"v1","kind":"Event","name":"","uid":""}: '
        "/v1, Kind=Event is disallowed from being an owner",
    ]


def test_selectors() -> None:
    selector = {"matchExpressions": [{"key": "a", "operator": "In"}, {"key": "b", "operator": "Near", "values": ["x"]}]}
    assert [str(fault) for fault in rules.label_selector(selector, "s")] == [
        "s.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        's.matchExpressions[1].operator: Invalid value: "Near": not a valid selector operator',
    ]


def test_domain_prefixed_paths() -> None:
    assert rules.domain_prefixed_path("acme.io/foo", "p") == []
    assert [fault.text for fault in rules.domain_prefixed_path("plain", "p")] == [
        'Invalid value: "plain": must be a domain-prefixed path (such as "acme.io/foo")'
    ]
    assert [fault.text for fault in rules.domain_prefixed_path("acme.io/a b", "p")] == [
        "Invalid value: \"a b\": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"
    ]
