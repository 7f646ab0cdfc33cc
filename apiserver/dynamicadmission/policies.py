"""Admission policies (KEP-3488, KEP-3962) as far as both kinds are alike: matching, bindings, parameters, variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.cel.values import OUT_OF_BUDGET
from apiserver.dynamicadmission import matching
from apiserver.dynamicadmission.attributes import Attributes, converted, request_document
from apiserver.dynamicadmission.authorizer import admitting, variable
from apiserver.dynamicadmission.expressions import EvaluationFailed, composed
from apiserver.kinds.kind import Kind, Object
from miniplane.apimachinery.selectors import from_object
from miniplane.apimachinery.status import StatusError


class ConfigurationError(Exception):
    """A policy or binding that cannot be used for this request."""


@dataclass(slots=True)
class MatchResources(matching.Selecting):
    """matchConstraints of a policy or matchResources of a binding."""

    def matched(self, attributes: Attributes) -> Kind | None:
        """The version in which the request is meant; no rules mean every request."""
        policy = self.spec.get("matchPolicy") or "Equivalent"
        if matching.matching_kind(self.spec.get("excludeResourceRules") or (), policy, attributes) is not None:
            return None
        stated = self.spec.get("resourceRules") or ()
        kind = matching.matching_kind(stated, policy, attributes) if stated else attributes.served
        if kind is None or not matching.in_namespace(self.in_namespace, attributes):
            return None
        return kind if matching.has_labels(self.has_labels, attributes) else None


@dataclass(slots=True)
class Binding:
    obj: Object
    matches: MatchResources

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])


@dataclass(slots=True)
class Policy:
    """A policy with its bindings."""

    obj: Object
    matches: MatchResources
    bindings: list[Binding]

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def spec(self) -> Object:
        found: Object = self.obj["spec"]
        return found

    @property
    def fails_closed(self) -> bool:
        return self.spec.get("failurePolicy") != "Ignore"


def combined(policies: list[Object], bindings: list[Object]) -> list[Policy]:
    """Policies that have bindings, both by name."""
    by_policy: dict[str, list[Binding]] = {}
    for one in sorted(bindings, key=_name):
        bound = Binding(one, MatchResources(one["spec"].get("matchResources") or {}))
        by_policy.setdefault(one["spec"].get("policyName", ""), []).append(bound)
    return [
        Policy(one, MatchResources(one["spec"].get("matchConstraints") or {}), by_policy[_name(one)])
        for one in sorted(policies, key=_name)
        if _name(one) in by_policy
    ]


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


@dataclass(slots=True)
class Invocation:
    """A policy under one binding with one parameter object, for one request."""

    policy: Policy
    binding: Binding
    kind: Kind
    params: Object | None

    @property
    def uid(self) -> str:
        metadata = (self.params or {}).get("metadata") or {}
        return "/".join((self.policy.name, self.binding.name, metadata.get("namespace", ""), metadata.get("name", "")))


def invocations(policies: list[Policy], attributes: Attributes) -> Iterator[Invocation | tuple[Policy, Binding, str]]:
    """What is to be evaluated; in the place of what cannot be, why."""
    for policy in policies:
        kind = policy.matches.matched(attributes)
        if kind is None:
            continue
        for binding in policy.bindings:
            if binding.matches.matched(attributes) is None:
                continue
            try:
                found = _parameters(policy, binding, attributes)
            except ConfigurationError as error:
                yield policy, binding, f"failed to configure binding: {error}"
                continue
            for params in found:
                yield Invocation(policy, binding, kind, params)


def _parameters(policy: Policy, binding: Binding, attributes: Attributes) -> list[Object | None]:
    """The parameter objects of a binding; one None where the policy or the binding names none."""
    stated, reference = policy.spec.get("paramKind"), binding.obj["spec"].get("paramRef")
    if stated is None or reference is None:
        return [None]
    found: list[Object | None] = list(_referenced(stated, reference, attributes))
    if not found and reference.get("parameterNotFoundAction") == "Deny":
        raise ConfigurationError("no params found for policy binding with `Deny` parameterNotFoundAction")
    return found


def _referenced(stated: Object, reference: Object, attributes: Attributes) -> list[Object]:
    group, _, version = stated["apiVersion"].rpartition("/")
    registry, cluster = attributes.request.server.registry, attributes.context.cluster
    kind = registry.by_kind(group, version, stated["kind"])
    if kind is None:
        raise ConfigurationError(f"paramKind kind `{stated['apiVersion']}, Kind={stated['kind']}` not known")
    namespace = reference.get("namespace") or ""
    if namespace and not kind.namespaced:
        raise ConfigurationError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    if kind.namespaced:
        namespace = namespace or (attributes.namespace if attributes.served.namespaced else "")
        if not namespace:
            why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            raise ConfigurationError(why)
    if reference.get("name"):
        obj = cluster.get(kind.resource, namespace, reference["name"])
        return [obj] if obj is not None else []
    selector = from_object(reference.get("selector"))
    found = cluster.list(kind.resource, namespace)
    return [obj for obj in found if selector.matches(obj["metadata"].get("labels") or {})]


class Evaluation:
    """The variables of one invocation, and expressions evaluated with them."""

    def __init__(self, invocation: Invocation, attributes: Attributes) -> None:
        self._attributes = attributes
        self._broken: dict[str, str] = {}
        self._variables: dict[str, Any] = {}
        self.data = _data(invocation, attributes)
        self.data["variables"] = self._variables
        for stated in invocation.policy.spec.get("variables") or ():
            try:
                self._variables[stated["name"]] = _bounded(self.value(stated["expression"]))
            except EvaluationFailed as error:
                self._broken[stated["name"]] = str(error)

    def value(self, text: str) -> Any:
        """The expression's value. Raises EvaluationFailed, worded for clients."""
        try:
            with admitting(self._attributes):
                return composed(text).evaluate(self.data)
        except EvaluationFailed as error:
            why = str(error)
        name = why.removeprefix("no such key: ")
        if name in self._broken:
            why = f'composited variable "{name}" fails to evaluate: {self._broken[name]}'
        raise EvaluationFailed(f"expression '{text.strip()}' resulted in error: {why}")

    def conditions_hold(self, conditions: list[Object]) -> bool:
        """matchConditions. Raises EvaluationFailed where none is false and one cannot be evaluated."""
        failures: list[EvaluationFailed] = []
        for condition in conditions:
            try:
                if self.value(condition["expression"].strip()) is not True:
                    return False
            except EvaluationFailed as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return True


VARIABLE_LIMIT = 10_000_000


def _bounded(value: Any) -> Any:
    """A variable's value, unless it is so large that a chain of variables could use up the memory."""
    if _weight(value, VARIABLE_LIMIT) > VARIABLE_LIMIT:
        raise EvaluationFailed(OUT_OF_BUDGET)
    return value


def _weight(value: Any, limit: int) -> int:
    """Characters and items; no more is counted than `limit` and one step."""
    if isinstance(value, str | bytes):
        return len(value)
    found = 1
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        found += _weight(item, limit - found)
        if found > limit:
            break
    return found


def _data(invocation: Invocation, attributes: Attributes) -> dict[str, Any]:
    shown = invocation.kind
    namespace = None
    if attributes.namespace and attributes.served.namespaced:
        namespace = attributes.context.cluster.get("namespaces", "", attributes.namespace)
    return {
        "object": converted(attributes, shown, attributes.object),
        "oldObject": converted(attributes, shown, attributes.old),
        "request": request_document(attributes, shown, ""),
        "params": invocation.params,
        "namespaceObject": namespace,
        "authorizer": variable(attributes),
    }


CODES: Mapping[str, int] = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}


def refusal(attributes: Attributes, message: str, reason: str, causes: list[str]) -> StatusError:
    """The answer to a denied request: worded as a 403, with the code of the reason."""
    from apiserver import errors

    metadata = (attributes.object or attributes.old or {}).get("metadata") or {}
    name = attributes.name or metadata.get("generateName") or ""
    error = errors.forbidden_object(attributes.served, name, message)
    error.code, error.reason = CODES.get(reason, 422), reason
    error.details = {**(error.details or {}), "causes": [{"message": text} for text in causes]}
    return error
