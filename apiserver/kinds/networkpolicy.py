"""networking.k8s.io/v1 NetworkPolicy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, forbidden, invalid, not_supported, required
from apiserver.kinds.kind import Context, Object, Strategy

SIDES = (("ingress", "from"), ("egress", "to"))
TYPES = ("Ingress", "Egress")
PROTOCOLS = ("TCP", "UDP", "SCTP")


class NetworkPolicyStrategy(Strategy):
    """NetworkPolicy."""

    metadata_again = 1
    has_generation = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        for side, _ in SIDES:
            for rule in spec.get(side) or ():
                for port in rule.get("ports") or ():
                    if port.get("protocol") is None:
                        port["protocol"] = "TCP"
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Everything is the client's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Everything is the client's."""

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return _validate(obj["spec"], frozenset())

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        known: set[str] = set()
        for block, _ in _blocks(old.get("spec") or {}):
            known |= {block.get("cidr", ""), *(block.get("except") or ())}
        return _validate(obj["spec"], known) * 2  # as the real server: it judges the spec twice

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        found: list[str] = []
        for block, path in _blocks(obj["spec"]):
            found += rules.cidr_warnings(f"{path}.cidr", block.get("cidr", ""))
            for index, value in enumerate(block.get("except") or ()):
                found += rules.cidr_warnings(f"{path}.except[{index}]", value)
        return found


def _blocks(spec: Object) -> Iterator[tuple[Object, str]]:
    """Every ipBlock and its path."""
    for side, peers in SIDES:
        for index, rule in enumerate(spec.get(side) or ()):
            for place, peer in enumerate(rule.get(peers) or ()):
                if peer.get("ipBlock") is not None:
                    yield peer["ipBlock"], f"spec.{side}[{index}].{peers}[{place}].ipBlock"


def _validate(spec: Object, known: frozenset[str] | set[str]) -> list[FieldError]:
    """`known` networks were stored before and are not looked at again."""
    found = rules.label_selector(spec.get("podSelector"), "spec.podSelector")
    for side, peers in SIDES:
        for index, rule in enumerate(spec.get(side) or ()):
            path = f"spec.{side}[{index}]"
            for place, port in enumerate(rule.get("ports") or ()):
                found += _port(port, f"{path}.ports[{place}]")
            for place, peer in enumerate(rule.get(peers) or ()):
                found += _peer(peer, f"{path}.{peers}[{place}]", known)
    types = spec.get("policyTypes") or []
    if len(types) > len(TYPES):
        return [*found, invalid("spec.policyTypes", types, "may not specify more than two policyTypes")]
    wrong = [(index, name) for index, name in enumerate(types) if name not in TYPES]
    return found + [not_supported(f"spec.policyTypes[{index}]", name, TYPES) for index, name in wrong]


def _port(port: Object, path: str) -> list[FieldError]:
    number, end, protocol = port.get("port"), port.get("endPort"), port.get("protocol")
    found: list[FieldError] = []
    if protocol is not None and protocol not in PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", protocol, PROTOCOLS))
    if isinstance(number, int):
        found += [invalid(f"{path}.port", number, text) for text in rules.port_number(number)]
        if end is not None and end < number:
            found.append(invalid(f"{path}.endPort", end, "must be greater than or equal to `port`"))
        if end is not None:
            found += [invalid(f"{path}.endPort", end, text) for text in rules.port_number(end)]
        return found
    if end is not None:
        what = "specified" if number is None else "numeric"
        why = f"may not be specified when `port` is {'not specified' if number is None else 'non-' + what}"
        found.append(invalid(f"{path}.endPort", end, why))
    return found if number is None else found + _texts(f"{path}.port", number, rules.port_name(number))


def _texts(path: str, value: Any, texts: list[str]) -> list[FieldError]:
    return [invalid(path, value, text) for text in texts]


def _peer(peer: Object, path: str, known: frozenset[str] | set[str]) -> list[FieldError]:
    found: list[FieldError] = []
    selectors = [name for name in ("podSelector", "namespaceSelector") if peer.get(name) is not None]
    for name in selectors:
        found += rules.label_selector(peer[name], f"{path}.{name}")
    block = peer.get("ipBlock")
    if block is not None:
        found += _block(block, f"{path}.ipBlock", known)
        if selectors:
            found.append(forbidden(path, "may not specify both ipBlock and another peer"))
    elif not selectors:
        found.append(required(path, "must specify a peer"))
    return found


def _block(block: Object, path: str, known: frozenset[str] | set[str]) -> list[FieldError]:
    value = block.get("cidr", "")
    if not value:
        return [required(f"{path}.cidr")]
    found = [] if value in known else _texts(f"{path}.cidr", value, rules.legacy_cidr(value))
    outer = rules.parse_cidr(value)
    if outer is None:
        return found
    for index, text in enumerate(block.get("except") or ()):
        where, inner = f"{path}.except[{index}]", rules.parse_cidr(text)
        found += [] if text in known else _texts(where, text, rules.legacy_cidr(text))
        if inner is None:
            continue
        inside = inner.version == outer.version and inner.ip in outer.network
        if not inside or outer.network.prefixlen >= inner.network.prefixlen:
            found.append(invalid(where, text, "must be a strict subset of `cidr`"))
    return found
