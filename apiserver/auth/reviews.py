"""authorization.k8s.io and authentication.k8s.io: questions that are answered and not stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from apiserver import errors, validation, writeoptions
from apiserver.auth.authorization import Attributes
from apiserver.body import read_object
from apiserver.field import FieldError, invalid, required
from apiserver.handlers.create import context_of, place
from apiserver.handlers.respond import value_response
from apiserver.kinds.kind import Object, User
from apiserver.managers import track

if TYPE_CHECKING:
    from apiserver.request import Request, Response


async def review(request: Request) -> Response:
    """POST of any review kind."""
    options = writeoptions.parse(request.info, "CreateOptions")
    obj = await read_object(request, request.kind, options.field_validation)
    obj["metadata"] = obj.get("metadata") or {}
    place(request.kind, obj["metadata"], request.info.namespace)
    track(request, None, obj, options, context_of(request, options))
    REVIEWS[request.kind.kind](request, obj)
    return value_response(request, obj, 201)


def _attributes(spec: Mapping[str, Any]) -> Attributes:
    asked = spec.get("resourceAttributes")
    if asked is not None:
        return Attributes(
            asked.get("verb", ""),
            asked.get("group", ""),
            asked.get("resource", ""),
            asked.get("subresource", ""),
            asked.get("namespace", ""),
            asked.get("name", ""),
        )
    other = spec.get("nonResourceAttributes") or {}
    return Attributes(other.get("verb", ""), path=other.get("path", ""))


def _spec_faults(spec: Mapping[str, Any]) -> list[FieldError]:
    both = "resourceAttributes" in spec and "nonResourceAttributes" in spec
    if both:
        why = "cannot be specified in combination with resourceAttributes"
        return [invalid("spec.nonResourceAttributes", _internal(spec["nonResourceAttributes"]), why)]
    if "resourceAttributes" not in spec and "nonResourceAttributes" not in spec:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [invalid("spec.resourceAttributes", spec.get("nonResourceAttributes"), why)]
    return []


def _internal(attributes: Mapping[str, Any]) -> Object:
    """NonResourceAttributes as the real server's internal type is shown in errors."""
    return {"Path": attributes.get("path", ""), "Verb": attributes.get("verb", "")}


def _metadata_faults(obj: Object, namespaced: bool) -> list[FieldError]:
    allowed = {"managedFields", "namespace"} if namespaced else {"managedFields"}
    if not set(obj["metadata"]) - allowed:
        return []
    why = "must be empty except for namespace" if namespaced else "must be empty"
    return [invalid("metadata", obj["metadata"], why)]


def _selector_faults(spec: Mapping[str, Any]) -> list[FieldError]:
    """The selectors that a list or watch would have (KEP-4601). Operators of newer clients are let through."""
    asked, path = spec.get("resourceAttributes") or {}, "spec.resourceAttributes"
    rules = (("fieldSelector", _field_requirement), ("labelSelector", validation.label_requirement))
    found: list[FieldError] = []
    for name, rule in rules:
        if asked.get(name) is not None:
            found += _one_form(asked[name], f"{path}.{name}")
            for index, item in enumerate(asked[name].get("requirements") or ()):
                found += rule(item, f"{path}.{name}.requirements[{index}]", unknown_operators=True)
    return found


def _one_form(selector: Mapping[str, Any], path: str) -> list[FieldError]:
    raw, requirements = selector.get("rawSelector"), selector.get("requirements")
    if raw and requirements:
        return [invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements")]
    if not raw and not requirements:
        why = f"when {path} is specified, requirements or rawSelector is required"
        return [required(f"{path}.requirements", why)]
    return []


def _field_requirement(item: Mapping[str, Any], path: str, *, unknown_operators: bool) -> list[FieldError]:
    """metav1.FieldSelectorRequirement."""
    found = [] if item.get("key") else [required(f"{path}.key", "must be specified")]
    return found + validation.requirement_operator(item, path, unknown_operators=unknown_operators)


def _checked(request: Request, obj: Object, faults: list[FieldError]) -> None:
    if faults:
        raise errors.invalid(request.kind.group, "", "", faults)


def _decide(request: Request, user: User, spec: Mapping[str, Any]) -> Object:
    wanted = _attributes(spec)
    allowed = request.server.authorizer.allowed(user, wanted)
    status: Object = {"allowed": allowed}
    reason = request.server.authorizer.reason(user, wanted) if allowed else ""
    if reason:
        status["reason"] = reason
    return status


def self_subject_access(request: Request, obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _checked(request, obj, _spec_faults(spec) + _selector_faults(spec) + _metadata_faults(obj, False))
    obj["status"] = _decide(request, request.user, spec)


def subject_access(request: Request, obj: Object) -> None:
    """SubjectAccessReview and LocalSubjectAccessReview."""
    spec = obj.setdefault("spec", {})
    faults = _spec_faults(spec)
    if not spec.get("user") and not spec.get("groups"):
        faults.append(invalid("spec.user", "", "at least one of user or group must be specified"))
    faults += _selector_faults(spec) + _metadata_faults(obj, request.kind.namespaced)
    if request.kind.namespaced:
        faults += _local_faults(request, spec)
    _checked(request, obj, faults)
    extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
    user = User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra)
    obj["status"] = _decide(request, user, spec)


def _local_faults(request: Request, spec: Mapping[str, Any]) -> list[FieldError]:
    namespace = request.info.namespace
    faults: list[FieldError] = []
    asked = spec.get("resourceAttributes")
    if asked is not None and asked.get("namespace", "") != namespace:
        field = "spec.resourceAttributes.namespace"
        faults.append(invalid(field, asked.get("namespace", ""), "must match metadata.namespace"))
    if "nonResourceAttributes" in spec:
        field = "spec.nonResourceAttributes"
        faults.append(invalid(field, _internal(spec["nonResourceAttributes"]), "disallowed on this kind of request"))
    return faults


def self_subject_rules(request: Request, obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    namespace = spec.get("namespace", "")
    if not namespace:
        raise errors.bad_request("no namespace on request")
    resource_rules, other_rules = [], []
    for rule in request.server.authorizer.rules_of(request.user, namespace):
        verbs = list(rule.get("verbs") or ())
        if rule.get("nonResourceURLs"):
            other_rules.append({"verbs": verbs, "nonResourceURLs": list(rule["nonResourceURLs"])})
        else:
            entry = {
                "verbs": verbs,
                "apiGroups": list(rule.get("apiGroups") or ()),
                "resources": list(rule.get("resources") or ()),
            }
            if rule.get("resourceNames"):
                entry["resourceNames"] = list(rule["resourceNames"])
            resource_rules.append(entry)
    obj["status"] = {"resourceRules": resource_rules, "nonResourceRules": other_rules, "incomplete": False}


def user_info(user: User) -> Object:
    """authentication.k8s.io UserInfo."""
    info: Object = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


def self_subject(request: Request, obj: Object) -> None:
    obj["metadata"]["creationTimestamp"] = request.server.now()
    obj["status"] = {"userInfo": user_info(request.user)}


def token_review(request: Request, obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    token = spec.get("token", "")
    if not token:
        raise errors.bad_request("token is required for TokenReview in authentication")
    found = request.server.authenticator.reviewed(token, tuple(spec.get("audiences") or ()))
    if found is None:
        obj["status"] = {"user": {}, "error": "[invalid bearer token, token lookup failed]"}
        return
    user, audiences = found
    obj["status"] = {"authenticated": True, "user": user_info(user), "audiences": audiences}


REVIEWS: dict[str, Callable[[Any, Object], None]] = {
    "SelfSubjectAccessReview": self_subject_access,
    "SubjectAccessReview": subject_access,
    "LocalSubjectAccessReview": subject_access,
    "SelfSubjectRulesReview": self_subject_rules,
    "SelfSubjectReview": self_subject,
    "TokenReview": token_review,
}
