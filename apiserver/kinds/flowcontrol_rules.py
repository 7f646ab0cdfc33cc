"""Defaults and rules of flowcontrol.apiserver.k8s.io/v1, causes in the real server's order."""

from __future__ import annotations

import math
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from apiserver.kinds.flowcontrol_objects import MANDATORY, level_spec, schema_spec
from apiserver.kinds.kind import KEPT_METADATA, Context, Object
from apiserver.kinds.pods.checks import each
from apiserver.kinds.strategies import WithStatus

PRECEDENCE, MOST_PRECEDENCE = 1000, 10000
SHARES, QUEUES, HAND, LENGTH = 30, 64, 8, 50
MOST_QUEUES, HASH_BITS = 10_000_000, 60
METHODS = ("ByNamespace", "ByUser")
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
SUBJECTS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}


def _conditions(obj: Object) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, item in enumerate((obj.get("status") or {}).get("conditions") or ()):
        kind, path = item.get("type", ""), f"status.conditions[{index}].type"
        if kind in seen:
            found.append(duplicate(path, kind))
        seen.add(kind)
        if not kind:
            found.append(required(path, "must not be empty"))
    return found


class _FlowStrategy(WithStatus):
    status_resets_metadata = True
    status_keeps = KEPT_METADATA

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return _conditions(obj)

    def fixed(self, obj: Object, spec: Object | None) -> list[FieldError]:
        """The mandatory objects are as they are."""
        name = obj["metadata"].get("name", "")
        if name not in MANDATORY or obj.get("spec") == spec:
            return []
        return [invalid("spec", obj.get("spec"), f"spec of '{name}' must equal the fixed value")]


class FlowSchemaStrategy(_FlowStrategy):
    """FlowSchema."""

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["matchingPrecedence"] = spec.get("matchingPrecedence") or PRECEDENCE

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, name = obj["spec"], obj["metadata"].get("name", "")
        found = _precedence(spec["matchingPrecedence"], name)
        method = spec.get("distinguisherMethod")
        if method is not None and method.get("type") not in METHODS:
            found.append(not_supported("spec.distinguisherMethod.type", {"Type": method.get("type", "")}, METHODS))
        found += _level_name((spec.get("priorityLevelConfiguration") or {}).get("name", ""))
        for index, rule in enumerate(spec.get("rules") or ()):
            found += _policy_rule(rule, f"spec.rules[{index}]")
        return found + self.fixed(obj, schema_spec(name)) + _conditions(obj)


def _level_name(name: str) -> list[FieldError]:
    path = "spec.priorityLevelConfiguration.name"
    if not name:
        return [required(path, "must reference a priority level")]
    return each(path, name, rules.dns1123_subdomain(name))


def _precedence(value: int, name: str) -> list[FieldError]:
    path, found = "spec.matchingPrecedence", []
    if value <= 0:
        found.append(invalid(path, value, "must be a positive value"))
    if value > MOST_PRECEDENCE:
        found.append(invalid(path, value, f"must not be greater than {MOST_PRECEDENCE}"))
    if value == 1 and name != "exempt":
        found.append(invalid(path, value, "only the schema named 'exempt' may have matchingPrecedence 1"))
    return found


def _policy_rule(rule: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, subject in enumerate(rule.get("subjects") or ()):
        found += _subject(subject, f"{path}.subjects[{index}]")
    if not rule.get("subjects"):
        found.append(required(f"{path}.subjects", "subjects must contain at least one value"))
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        why = "at least one of resourceRules and nonResourceRules has to be non-empty"
        found.append(required(path, why))
    for index, item in enumerate(rule.get("resourceRules") or ()):
        found += _resource_rule(item, f"{path}.resourceRules[{index}]")
    for index, item in enumerate(rule.get("nonResourceRules") or ()):
        found += _path_rule(item, f"{path}.nonResourceRules[{index}]")
    return found


def _subject(subject: Object, path: str) -> list[FieldError]:
    kind = subject.get("kind", "")
    if kind not in SUBJECTS:
        return [not_supported(f"{path}.kind", kind, tuple(sorted(SUBJECTS)))]
    field = SUBJECTS[kind]
    value, at = subject.get(field), f"{path}.{field}"
    found = [required(at, f"{field} is required when subject kind is '{kind}'")] if value is None else []
    if value is not None:
        found += _subject_name(kind, value, at)
    for other, name in (("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")):
        if name != field and subject.get(name) is not None:
            found.append(forbidden(f"{path}.{name}", f"{name} is forbidden when subject kind is not '{other}'"))
    return found


def _subject_name(kind: str, value: Object, path: str) -> list[FieldError]:
    name, space = value.get("name", ""), value.get("namespace", "")
    found = [] if name else [required(f"{path}.name")]
    if kind != "ServiceAccount":
        return found
    if name and name != "*":
        found += each(f"{path}.name", name, rules.dns1123_subdomain(name))
    if not space:
        return [*found, required(f"{path}.namespace", "must specify namespace for service account")]
    return found + each(f"{path}.namespace", space, rules.dns1123_label(space))


def _verbs(verbs: list[str], path: str) -> list[FieldError]:
    if not verbs:
        return [required(path, "verbs must contain at least one value")]
    if "*" in verbs:
        return _alone(verbs, path, "verbs")
    return [] if set(verbs) <= set(VERBS) else [not_supported(path, verbs, VERBS)]


def _alone(values: list[str], path: str, what: str) -> list[FieldError]:
    if len(values) < 2 or "*" not in values:
        return []
    return [invalid(path, values, f"if '*' is present, must not specify other {what}")]


def _resource_rule(rule: Object, path: str) -> list[FieldError]:
    found = _verbs(rule.get("verbs") or [], f"{path}.verbs")
    for field, one, several in (("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")):
        values: list[str] = rule.get(field) or []
        if not values:
            found.append(required(f"{path}.{field}", f"resource rules must supply at least one {one}"))
        found += _alone(values, f"{path}.{field}", several)
    spaces, at = rule.get("namespaces") or [], f"{path}.namespaces"
    if not spaces and not rule.get("clusterScope"):
        why = "resource rules that are not cluster scoped must supply at least one namespace"
        return [*found, required(at, why)]
    if "*" in spaces:
        return found + _alone(spaces, at, "namespaces")
    why = "each member of this list must be '*' or a DNS-1123 label; "
    for index, space in enumerate(spaces):
        found += [invalid(f"{at}[{index}]", space, why + text) for text in rules.dns1123_label(space)]
    return found


def _path_rule(rule: Object, path: str) -> list[FieldError]:
    found, at = _verbs(rule.get("verbs") or [], f"{path}.verbs"), f"{path}.nonResourceURLs"
    urls: list[str] = rule.get("nonResourceURLs") or []
    if not urls:
        return [*found, required(at, "nonResourceURLs must contain at least one value")]
    if "*" in urls:
        return found + _alone(urls, at, "non-resource URLs")
    return found + [invalid(f"{at}[{n}]", url, _url_fault(url)) for n, url in enumerate(urls) if _url_fault(url)]


def _url_fault(url: str) -> str:
    stars = url.count("*")
    faults = (
        (not url, "must not be empty"),
        (url == "/", ""),
        (not url.startswith("/"), "must start with slash"),
        (" " in url, "must not contain white-space"),
        ("//" in url, "must not contain double slash"),
        (stars > 1 or (stars == 1 and not url.endswith("/*")), "wildcard can only do suffix matching"),
    )
    return next((text for wrong, text in faults if wrong), "")


class PriorityLevelStrategy(_FlowStrategy):
    """PriorityLevelConfiguration."""

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        exempt, limited = spec.get("exempt"), spec.get("limited")
        if exempt is not None:
            _fill(exempt, nominalConcurrencyShares=0, lendablePercent=0)
        if limited is not None:
            _fill(limited, nominalConcurrencyShares=SHARES, lendablePercent=0)
            queuing = (limited.get("limitResponse") or {}).get("queuing")
            if queuing is not None:
                for name, value in (("handSize", HAND), ("queues", QUEUES), ("queueLengthLimit", LENGTH)):
                    queuing[name] = queuing.get(name) or value

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, name = obj["spec"], obj["metadata"].get("name", "")
        return _level(spec, name) + self._unlike_default(obj, name) + _conditions(obj)

    def _unlike_default(self, obj: Object, name: str) -> list[FieldError]:
        """Of the exempt level the shares may be set (KEP-1040)."""
        wanted = level_spec(name)
        if name == "exempt" and wanted is not None and obj["spec"].get("exempt") is not None:
            wanted = {**wanted, "exempt": obj["spec"]["exempt"]}
        return self.fixed(obj, wanted)


def _fill(value: Object, **defaults: int) -> None:
    for name, default in defaults.items():
        if value.get(name) is None:
            value[name] = default


def _level(spec: Object, name: str) -> list[FieldError]:
    kind, found = spec.get("type", ""), []
    exempt, limited = spec.get("exempt"), spec.get("limited")
    if (name == "exempt") != (kind == "Exempt"):
        found.append(invalid("spec.type", kind, "type must be 'Exempt' if and only if name is 'exempt'"))
    if kind == "Exempt":
        if limited is not None:
            found.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
        if exempt is None:
            return [*found, required("spec.exempt", "must not be empty when type is Exempt")]
        return found + _shares(exempt, "spec.exempt")
    if kind == "Limited":
        if exempt is not None:
            found.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
        if limited is None:
            return [*found, required("spec.limited", "must not be empty when type is Limited")]
        return found + _limited(limited, "spec.limited")
    return [*found, not_supported("spec.type", kind, ("Exempt", "Limited"))]


def _shares(level: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    shares, lendable = level.get("nominalConcurrencyShares", 0), level.get("lendablePercent", 0)
    if shares < 0:
        found.append(invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    if not 0 <= lendable <= 100:
        found.append(invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive"))
    return found


def _limited(limited: Object, path: str) -> list[FieldError]:
    found = _shares(limited, path)[:1] if limited.get("nominalConcurrencyShares", 0) < 0 else []
    found += _response(limited.get("limitResponse") or {}, f"{path}.limitResponse")
    lendable, borrowing = limited.get("lendablePercent", 0), limited.get("borrowingLimitPercent")
    if not 0 <= lendable <= 100:
        found.append(invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive"))
    if borrowing is not None and borrowing < 0:
        why = "if specified, must be a non-negative integer"
        found.append(invalid(f"{path}.borrowingLimitPercent", borrowing, why))
    return found


def _response(response: Object, path: str) -> list[FieldError]:
    kind, queuing, at = response.get("type", ""), response.get("queuing"), f"{path}.queuing"
    if kind == "Reject":
        why = "must be nil if limited.limitResponse.type is not Limited"
        return [forbidden(at, why)] if queuing is not None else []
    if kind == "Queue":
        why = "must not be empty if limited.limitResponse.type is Limited"
        return _queuing(queuing, at) if queuing is not None else [required(at, why)]
    return [not_supported(f"{path}.type", kind, ("Queue", "Reject"))]


def _queuing(queuing: Any, path: str) -> list[FieldError]:
    queues, hand, length = (queuing.get(name, 0) for name in ("queues", "handSize", "queueLengthLimit"))
    found = [] if length > 0 else [invalid(f"{path}.queueLengthLimit", length, "must be positive")]
    if queues <= 0:
        found.append(invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > MOST_QUEUES:
        found.append(invalid(f"{path}.queues", queues, f"must not be greater than {MOST_QUEUES}"))
    if hand <= 0:
        found.append(invalid(f"{path}.handSize", hand, "must be positive"))
    elif hand > queues:
        found.append(invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})"))
    elif math.ceil(sum(math.log2(queues - n) for n in range(hand))) > HASH_BITS:
        why = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
        found.append(invalid(f"{path}.handSize", hand, why))
    return found
