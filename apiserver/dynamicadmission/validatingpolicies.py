"""ValidatingAdmissionPolicy: expressions that a request has to fulfil."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from apiserver.admission import Plugin
from apiserver.dynamicadmission import attributes as admission_attributes
from apiserver.dynamicadmission.attributes import EXEMPT, Attributes
from apiserver.dynamicadmission.expressions import EvaluationFailed
from apiserver.dynamicadmission.policies import Binding, Evaluation, Invocation, Policy, combined, invocations, refusal
from apiserver.dynamicadmission.registered import Registered
from apiserver.dynamicadmission.webhooks import is_call
from apiserver.kinds.kind import Context, Kind, Object

if TYPE_CHECKING:
    from apiserver.request import Request

GROUP = "admissionregistration.k8s.io"
POLICIES, BINDINGS = f"validatingadmissionpolicies.{GROUP}", f"validatingadmissionpolicybindings.{GROUP}"
MESSAGE_LIMIT = 5 * 1024
"""Longer results of a messageExpression are not used."""
AUDITED = "validation.policy.admission.k8s.io/validation_failure"
AUDIT_VALUE_LIMIT = 10 * 1024
Denial = tuple[int, str, str]
"""(index of the validation, message, reason)."""


class ValidatingAdmissionPolicy(Plugin):
    """Every policy is evaluated; the first denial is the answer."""

    name = "ValidatingAdmissionPolicy"

    def __init__(self) -> None:
        self.registered: Registered[list[Policy]] = Registered(
            {POLICIES: list, BINDINGS: list}, lambda found: combined(found[POLICIES], found[BINDINGS])
        )

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        policies = self._policies(request, kind)
        if policies and not is_call(request):
            _dispatch(policies, admission_attributes.of(request, kind, obj, old, context))

    async def delete(self, request: Request, kind: Kind, old: Object, context: Context) -> None:
        policies = self._policies(request, kind)
        if policies and not is_call(request):
            _dispatch(policies, admission_attributes.of(request, kind, None, old, context))

    async def call(self, request: Request, kind: Kind, obj: Object, context: Context) -> None:
        policies = self._policies(request, request.kind)
        if policies:
            _dispatch(policies, admission_attributes.of_call(request, kind, obj, context))

    def _policies(self, request: Request, kind: Kind) -> list[Policy]:
        found = self.registered.get(request.server)
        return found if found and kind.resource not in EXEMPT else []


def _dispatch(policies: list[Policy], attributes: Attributes) -> None:
    """Raises StatusError where a policy denies."""
    denied: list[tuple[str, str]] = []
    for found in invocations(policies, attributes):
        if isinstance(found, tuple):
            policy, binding, why = found
            if policy.fails_closed:
                denied.append((_denied(policy, binding, why), "Invalid"))
            continue
        for index, message, reason in decisions(found, attributes):
            actions = found.binding.obj["spec"].get("validationActions") or ()
            if "Audit" in actions:
                _audit(found, index, message, attributes)
            if "Deny" in actions:
                denied.append((_denied(found.policy, found.binding, message), reason))
            if "Warn" in actions:
                attributes.request.warnings.append(
                    f"Validation failed for ValidatingAdmissionPolicy '{found.policy.name}' "
                    f"with binding '{found.binding.name}': {message}"
                )
    if denied:
        message, reason = denied[0]
        raise refusal(attributes, message, reason, [message])


def _denied(policy: Policy, binding: Binding, why: str) -> str:
    return f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}' denied request: {why}"


def _audit(found: Invocation, index: int, message: str, attributes: Attributes) -> None:
    told = {
        "message": message,
        "policy": found.policy.name,
        "binding": found.binding.name,
        "expressionIndex": index,
        "validationActions": found.binding.obj["spec"]["validationActions"],
    }
    attributes.request.annotate(AUDITED, orjson.dumps([told]).decode())


def decisions(invocation: Invocation, attributes: Attributes) -> list[Denial]:
    """What the policy denies, for each validation that does not hold. What cannot be evaluated is denied unless the
    failure policy is Ignore."""
    spec, found = invocation.policy.spec, []
    evaluation = Evaluation(invocation, attributes)
    try:
        if not evaluation.conditions_hold(spec.get("matchConditions") or []):
            return []
    except EvaluationFailed as error:
        return [(0, str(error), "Invalid")] if invocation.policy.fails_closed else []
    for index, validation in enumerate(spec.get("validations") or ()):
        try:
            if evaluation.value(validation["expression"]) is not True:
                found.append((index, _message(validation, evaluation), validation.get("reason") or "Invalid"))
        except EvaluationFailed as error:
            if invocation.policy.fails_closed:
                found.append((index, str(error), "Invalid"))
    return found + _audit_annotations(invocation, evaluation, attributes)


def _audit_annotations(invocation: Invocation, evaluation: Evaluation, attributes: Attributes) -> list[Denial]:
    """Publish spec.auditAnnotations; what cannot be evaluated is denied under failure policy Fail."""
    found: list[Denial] = []
    for index, stated in enumerate(invocation.policy.spec.get("auditAnnotations") or ()):
        text = stated["valueExpression"]
        try:
            value = evaluation.value(text)
            if value is not None and not isinstance(value, str):
                why = "resulted in unsupported return type. Return type must be either string or null."
                raise EvaluationFailed(f"valueExpression '{text}' {why}")
        except EvaluationFailed as error:
            found += [(index, str(error), "Invalid")] if invocation.policy.fails_closed else []
            continue
        if value and value.strip():
            attributes.request.annotate(f"{invocation.policy.name}/{stated['key']}", value.strip()[:AUDIT_VALUE_LIMIT])
    return found


def _message(validation: Object, evaluation: Evaluation) -> str:
    """The messageExpression's text where it gives one line, else the message, else the expression."""
    stated = validation.get("messageExpression")
    if stated:
        try:
            text = evaluation.value(stated)
        except EvaluationFailed:
            text = ""
        text = text.strip() if isinstance(text, str) else ""
        if text and "\n" not in text and len(text.encode()) <= MESSAGE_LIMIT:
            return text
    fallback = f"failed expression: {validation['expression'].strip()}"
    return (validation.get("message") or "").strip() or fallback
