"""Whether a webhook or policy is meant: rules, selectors and match conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiserver import errors
from apiserver.dynamicadmission.attributes import Attributes, equivalents
from apiserver.kinds.kind import Kind, Object
from miniplane.apimachinery.selectors import LabelSelector, from_object
from miniplane.apimachinery.status import StatusError


@dataclass(slots=True)
class Selecting:
    """What says by selectors which namespaces and objects it is about: `spec` is a webhook, matchConstraints of a
    policy or matchResources of a binding."""

    spec: Object
    in_namespace: LabelSelector = field(init=False)
    has_labels: LabelSelector = field(init=False)

    def __post_init__(self) -> None:
        self.in_namespace = from_object(self.spec.get("namespaceSelector") or {})
        self.has_labels = from_object(self.spec.get("objectSelector") or {})


def matching_kind(rules: Iterable[Object], policy: str, attributes: Attributes) -> Kind | None:
    """The version in which the rules match the request: its own, or under matchPolicy Equivalent another served one."""
    rules = list(rules)
    if any(_rule_matches(rule, attributes, attributes.served) for rule in rules):
        return attributes.served
    if policy == "Exact" or not rules:
        return None
    for kind in equivalents(attributes):
        if any(_rule_matches(rule, attributes, kind) for rule in rules):
            return kind
    return None


def _rule_matches(rule: Object, attributes: Attributes, kind: Kind) -> bool:
    return (
        _any(rule.get("operations"), attributes.operation)
        and _any(rule.get("apiGroups"), kind.group)
        and _any(rule.get("apiVersions"), kind.version)
        and any(_resource_matches(item, kind.plural, attributes.subresource) for item in rule.get("resources") or ())
        and _scope_matches(rule.get("scope") or "*", attributes)
        and (not rule.get("resourceNames") or attributes.name in rule["resourceNames"])
    )


def _any(stated: Iterable[str] | None, value: str) -> bool:
    return any(item in ("*", value) for item in stated or ())


def _resource_matches(stated: str, resource: str, subresource: str) -> bool:
    """`pods`, `pods/status`, `pods/*`, `*` (no subresources), `*/*`."""
    outer, _, inner = stated.partition("/")
    return outer in ("*", resource) and inner in (("*", subresource) if inner else (subresource,))


def _scope_matches(scope: str, attributes: Attributes) -> bool:
    if scope == "*":
        return True
    inside = bool(attributes.namespace) and attributes.served.resource != "namespaces"
    return inside == (scope == "Namespaced")


def namespace_labels(attributes: Attributes) -> Mapping[str, str] | None:
    """Labels for namespaceSelector: of the object's namespace, or of the Namespace itself; None for what has none.

    Raises 404 where the namespace does not exist."""
    if attributes.served.resource == "namespaces" and attributes.operation in ("CREATE", "UPDATE"):
        return (attributes.object or {}).get("metadata", {}).get("labels") or {}
    if not attributes.namespace:
        return None
    namespace = attributes.context.cluster.get("namespaces", "", attributes.namespace)
    if namespace is None:
        text = f'namespaces "{attributes.namespace}" not found'
        raise StatusError(404, "NotFound", text, details={"name": attributes.namespace, "kind": "namespaces"})
    return namespace["metadata"].get("labels") or {}


def in_namespace(selector: LabelSelector, attributes: Attributes) -> bool:
    if selector.empty:
        return True
    labels = namespace_labels(attributes)
    return labels is None or selector.matches(labels)


def has_labels(selector: LabelSelector, attributes: Attributes) -> bool:
    """objectSelector: the new or the old object matches."""
    if selector.empty:
        return True
    objects = [one for one in (attributes.object, attributes.old) if one is not None]
    return any(selector.matches((one.get("metadata") or {}).get("labels") or {}) for one in objects)


def conditions_hold(conditions: list[Object], failure_policy: str, data: Mapping[str, Any], where: Attributes) -> bool:
    """matchConditions: all true. Raises 403 where one cannot be evaluated and the failure policy is Fail."""
    from apiserver.dynamicadmission.authorizer import admitting
    from apiserver.dynamicadmission.expressions import EvaluationFailed, expression

    failures: list[str] = []
    for condition in conditions:
        text = condition["expression"].strip()
        try:
            with admitting(where):
                if expression(text, tuple(data)).evaluate(data) is not True:
                    return False
        except EvaluationFailed as error:
            failures.append(f"expression '{text}' resulted in error: {error}")
    if failures and failure_policy != "Ignore":
        text = failures[0] if len(failures) == 1 else f"[{', '.join(failures)}]"
        raise errors.forbidden_object(where.served, where.name, text)
    return not failures
