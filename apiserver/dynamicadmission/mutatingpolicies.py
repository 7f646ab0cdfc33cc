"""MutatingAdmissionPolicy: expressions that say how to change a request's object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from apiserver.admission import Plugin
from apiserver.dynamicadmission import attributes as admission_attributes
from apiserver.dynamicadmission.attributes import EXEMPT, Attributes, converted
from apiserver.dynamicadmission.expressions import EvaluationFailed
from apiserver.dynamicadmission.literals import as_maps
from apiserver.dynamicadmission.mutation import adopt
from apiserver.dynamicadmission.policies import Evaluation, Invocation, Policy, combined, invocations, refusal
from apiserver.dynamicadmission.registered import Registered
from apiserver.dynamicadmission.reinvocation import reinvocation
from apiserver.dynamicadmission.webhooks import is_call
from apiserver.kinds.kind import Context, Kind, Object
from apiserver.patch.json_patch import apply_json
from apiserver.patch.overlay import atomics, overlaid
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.request import Request

GROUP = "admissionregistration.k8s.io"
POLICIES, BINDINGS = f"mutatingadmissionpolicies.{GROUP}", f"mutatingadmissionpolicybindings.{GROUP}"


class MutationFailed(Exception):
    """A mutation that does not fit the object; the text says why."""


class MutatingAdmissionPolicy(Plugin):
    """One after the other, before webhooks; those with reinvocationPolicy IfNeeded once more after a later change."""

    name = "MutatingAdmissionPolicy"

    def __init__(self) -> None:
        self.registered: Registered[list[Policy]] = Registered(
            {POLICIES: list, BINDINGS: list}, lambda found: combined(found[POLICIES], found[BINDINGS])
        )

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        policies = self._policies(request, kind)
        if policies and not is_call(request):
            self._dispatch(policies, admission_attributes.of(request, kind, obj, old, context), obj)

    async def call(self, request: Request, kind: Kind, obj: Object, context: Context) -> None:
        policies = self._policies(request, request.kind)
        if policies:
            self._dispatch(policies, admission_attributes.of_call(request, kind, obj, context), obj)

    def _policies(self, request: Request, kind: Kind) -> list[Policy]:
        found = self.registered.get(request.server)
        return found if found and kind.resource not in EXEMPT else []

    def _dispatch(self, policies: list[Policy], attributes: Attributes, obj: Object) -> None:
        state = reinvocation(attributes.context)
        again = state.begin(self.name, obj)
        denied: list[str] = []
        for found in list(invocations(policies, attributes)):
            if isinstance(found, tuple):
                policy, binding, why = found
                denied += [_denied(policy.name, binding.name, why)] if policy.fails_closed else []
                continue
            if again is not None and found.uid not in again:
                continue
            changed = False
            try:
                changed = _mutate(found, attributes, obj)
            except (EvaluationFailed, MutationFailed) as error:
                if found.policy.fails_closed:
                    denied.append(_denied(found.policy.name, found.binding.name, str(error)))
            reinvocable = found.policy.spec.get("reinvocationPolicy") == "IfNeeded"
            state.called(self.name, found.uid, changed, reinvocable)
        state.end(self.name, obj)
        if denied:
            answer = refusal(attributes, denied[0], "Invalid", denied)
            answer.message, answer.code = denied[0], 403
            raise answer


def _denied(policy: str, binding: str, why: str) -> str:
    return f"policy '{policy}' with binding '{binding}' denied request: {why}"


def _mutate(invocation: Invocation, attributes: Attributes, obj: Object) -> bool:
    """Apply the mutations in order; whether the object changed. Raises EvaluationFailed and MutationFailed."""
    changed = False
    for index, mutation in enumerate(invocation.policy.spec.get("mutations") or ()):
        evaluation = Evaluation(invocation, attributes)
        if index == 0 and not evaluation.conditions_hold(invocation.policy.spec.get("matchConditions") or []):
            return False
        before = converted(attributes, invocation.kind, attributes.object)
        if before is None:
            return changed
        if mutation["patchType"] == "JSONPatch":
            new = _patched(before, evaluation.value(as_maps(mutation["jsonPatch"]["expression"])))
        else:
            new = _overlaid(attributes, invocation.kind, before, mutation, evaluation)
        changed = adopt(attributes, invocation.kind, obj, new) or changed
        attributes.look_at(obj)
    return changed


def _patched(before: Object, operations: Any) -> Any:
    if not isinstance(operations, list):
        raise MutationFailed("type mismatch: JSONPatchType.expression should evaluate to array")
    try:
        return apply_json(before, orjson.dumps(operations))
    except StatusError as error:
        raise MutationFailed(f"JSON Patch: {error.message}") from None
    except TypeError as error:
        raise MutationFailed(f"JSON Patch: {error}") from None


def _overlaid(attributes: Attributes, kind: Kind, before: Object, mutation: Object, evaluation: Evaluation) -> Any:
    """Server-side apply's merge, without ownership."""
    value = evaluation.value(as_maps(mutation["applyConfiguration"]["expression"]))
    if not isinstance(value, dict):
        raise MutationFailed("must evaluate to Object but got another type")
    schema = attributes.request.server.registry.type_of(attributes.call or kind)
    if schema is None:
        raise MutationFailed(f"Resource kind {kind.kind} not found")
    found = atomics(value, schema)
    if found:
        why = f"may not mutate atomic arrays, maps or structs: {', '.join(found)}"
        raise MutationFailed(f"error applying patch: invalid ApplyConfiguration: {why}")
    try:
        return overlaid(before, value, schema)
    except ValueError as error:
        raise MutationFailed(f"error applying patch: {error}") from None
