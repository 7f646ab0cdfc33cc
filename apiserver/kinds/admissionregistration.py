"""admissionregistration.k8s.io/v1: webhook configurations, admission policies and their bindings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, invalid, not_supported, required
from apiserver.kinds.admissionpolicies import BindingStrategy, PolicyStrategy
from apiserver.kinds.admissionrules import (
    FAILURE_POLICIES,
    MATCH_POLICIES,
    REINVOCATION,
    condition_faults,
    default_scopes,
    one_of,
    rule_faults,
)
from apiserver.kinds.clientconfig import (
    REVIEW_VERSIONS,
    client_config_faults,
    default_client_config,
    review_version_faults,
)
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.strategies import STATUS_ONLY, Counted
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE

GROUP = "admissionregistration.k8s.io"
SIDE_EFFECTS = ("None", "NoneOnDryRun")


class WebhookStrategy(Counted):
    """Mutating- and ValidatingWebhookConfiguration."""

    unconditional_update = False

    def __init__(self, mutating: bool) -> None:
        self.mutating = mutating

    def default(self, obj: Object) -> None:
        for hook in obj.get("webhooks") or ():
            hook["failurePolicy"] = hook.get("failurePolicy") or "Fail"
            hook["matchPolicy"] = hook.get("matchPolicy") or "Equivalent"
            for name in ("namespaceSelector", "objectSelector"):
                if hook.get(name) is None:
                    hook[name] = {}
            if hook.get("timeoutSeconds") is None:
                hook["timeoutSeconds"] = 10
            if self.mutating:
                hook["reinvocationPolicy"] = hook.get("reinvocationPolicy") or "Never"
            default_scopes(hook.get("rules"))
            default_client_config(hook.get("clientConfig"))

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        names: set[str] = set()
        for index, hook in enumerate(obj.get("webhooks") or ()):
            path = f"webhooks[{index}]"
            found += self._hook_faults(hook, path)
            versions = hook.get("admissionReviewVersions") or []
            hint = f"must specify one of {', '.join(REVIEW_VERSIONS)}"
            found += review_version_faults(versions, f"{path}.admissionReviewVersions", hint)
            name = hook.get("name", "")
            if name in names:
                found.append(duplicate(f"{path}.name", name))
            names |= {name} - {""}
        return found

    def _hook_faults(self, hook: Object, path: str) -> list[FieldError]:
        found = _fully_qualified(hook.get("name", ""), f"{path}.name")
        for index, rule in enumerate(hook.get("rules") or ()):
            found += rule_faults(rule, f"{path}.rules[{index}]")
        found += one_of(hook, "failurePolicy", FAILURE_POLICIES, path)
        found += one_of(hook, "matchPolicy", MATCH_POLICIES, path)
        found += _side_effect_faults(hook.get("sideEffects"), f"{path}.sideEffects")
        seconds = hook.get("timeoutSeconds")
        if seconds is not None and not 1 <= seconds <= 30:
            why = "the timeout value must be between 1 and 30 seconds"
            found.append(invalid(f"{path}.timeoutSeconds", seconds, why))
        for name in ("namespaceSelector", "objectSelector"):
            found += rules.label_selector(hook.get(name), f"{path}.{name}")
        if self.mutating:
            found += one_of(hook, "reinvocationPolicy", REINVOCATION, path)
        found += client_config_faults(hook.get("clientConfig") or {}, f"{path}.clientConfig")
        return found + condition_faults(hook.get("matchConditions") or [], f"{path}.matchConditions")


def _fully_qualified(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    texts = rules.dns1123_subdomain(name)
    if texts:
        return [invalid(path, name, ",".join(texts))]
    if name.count(".") < 2:
        return [invalid(path, name, "should be a domain with at least three segments separated by dots")]
    return []


def _side_effect_faults(value: str | None, path: str) -> list[FieldError]:
    if value is None:
        return [required(path, f"must specify one of {', '.join(SIDE_EFFECTS)}")]
    return [] if value in SIDE_EFFECTS else [not_supported(path, value, SIDE_EFFECTS)]


def _param_kind(obj: Object) -> str:
    kind = (obj.get("spec") or {}).get("paramKind")
    return f"{kind.get('apiVersion')}/{kind.get('kind')}" if kind else "<unset>"


def _param_ref(obj: Object) -> str:
    reference = (obj.get("spec") or {}).get("paramRef")
    if not reference:
        return "<unset>"
    if reference.get("name"):
        return f"{reference.get('namespace') or '*'}/{reference['name']}"
    return _go_text(reference["selector"]) if reference.get("selector") is not None else "<unset>"


def _go_text(selector: Object) -> str:
    """A LabelSelector as Go prints it (its generated `String`)."""
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    rules = "".join(
        f"LabelSelectorRequirement{{Key:{one.get('key', '')},Operator:{one.get('operator', '')},"
        f"Values:[{' '.join(one.get('values') or ())}],}},"
        for one in selector.get("matchExpressions") or ()
    )
    matches = f"MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{rules}}},"
    return f"&LabelSelector{{{matches}}}"


def _length(*path: str) -> Callable[[Object], Any]:
    return lambda obj: len(at(*path, default=[])(obj) or ())


def _kind(name: str, plural: str, strategy: Strategy, columns: tuple[Column, ...], **more: Any) -> Kind:
    return Kind(
        GROUP, "v1", name, plural, False, strategy, categories=("api-extensions",), columns=(*columns, AGE), **more
    )


WEBHOOKS = (Column("Webhooks", _length("webhooks"), type="integer"),)
VALIDATIONS = (Column("Validations", _length("spec", "validations"), type="integer"), Column("ParamKind", _param_kind))
MUTATIONS = (Column("Mutations", _length("spec", "mutations"), type="integer"), Column("ParamKind", _param_kind))
BINDING = (Column("PolicyName", at("spec", "policyName", default="")), Column("ParamRef", _param_ref))


KINDS: tuple[Kind, ...] = (
    _kind("MutatingAdmissionPolicy", "mutatingadmissionpolicies", PolicyStrategy(True), MUTATIONS, since=36),
    _kind(
        "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", BindingStrategy(True), BINDING, since=36
    ),
    _kind("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", WebhookStrategy(True), WEBHOOKS),
    _kind(
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        PolicyStrategy(False),
        VALIDATIONS,
        since=30,
        subresources=STATUS_ONLY,
    ),
    _kind(
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        BindingStrategy(False),
        BINDING,
        since=30,
    ),
    _kind("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", WebhookStrategy(False), WEBHOOKS),
)
