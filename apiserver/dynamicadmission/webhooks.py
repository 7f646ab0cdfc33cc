"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook: registered webhooks are asked about every write."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.dynamicadmission import attributes as admission_attributes
from apiserver.dynamicadmission import matching
from apiserver.dynamicadmission.attributes import EXEMPT, Attributes, converted, request_document
from apiserver.dynamicadmission.mutation import adopt
from apiserver.dynamicadmission.registered import Registered
from apiserver.dynamicadmission.reinvocation import reinvocation
from apiserver.dynamicadmission.review import checked_response, denial
from apiserver.kinds.kind import Context, Kind, Object
from apiserver.patch.json_patch import apply_json
from apiserver.webhookclient import CallFailed
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.request import Request


log = logging.getLogger("miniplane.apiserver")
GROUP = "admissionregistration.k8s.io"
MUTATION_ANNOTATION = "mutation.webhook.admission.k8s.io/"
CALLS = frozenset({"binding", "eviction", "token"})
VERSIONS = ("v1", "v1beta1")
"""Of AdmissionReview; a webhook gets the first of its list that is one of these."""


@dataclass(slots=True)
class Hook(matching.Selecting):
    """One webhook of a configuration, its selectors read. `uid` is the configuration's."""

    uid: str

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def ignores_failures(self) -> bool:
        return self.spec.get("failurePolicy") == "Ignore"

    def matched(self, attributes: Attributes) -> Kind | None:
        """The version in which the webhook wants the request; None where it does not. Raises StatusError."""
        policy = self.spec.get("matchPolicy") or "Equivalent"
        kind = matching.matching_kind(self.spec.get("rules") or (), policy, attributes)
        if kind is None or not matching.in_namespace(self.in_namespace, attributes):
            return None
        if not matching.has_labels(self.has_labels, attributes):
            return None
        conditions = self.spec.get("matchConditions")
        if conditions:
            data = cel_data(attributes, kind)
            if not matching.conditions_hold(conditions, self.spec.get("failurePolicy") or "Fail", data, attributes):
                return None
        return kind


def cel_data(attributes: Attributes, kind: Kind) -> dict[str, Any]:
    """What match conditions see."""
    from apiserver.dynamicadmission.authorizer import variable

    return {
        "object": converted(attributes, kind, attributes.object),
        "oldObject": converted(attributes, kind, attributes.old),
        "request": request_document(attributes, kind, ""),
        "authorizer": variable(attributes),
    }


def hooks_of(configurations: list[Object]) -> list[Hook]:
    """Webhooks in the order in which they are called: configurations by name."""
    ordered = sorted(configurations, key=lambda one: str(one["metadata"]["name"]))
    return [
        Hook(spec, f"{one['metadata']['name']}/{spec['name']}/{index}")
        for one in ordered
        for index, spec in enumerate(one.get("webhooks") or ())
    ]


class _WebhookPlugin(Plugin):
    """What both have in common: the registered webhooks, and one call."""

    resource = ""

    def __init__(self) -> None:
        self.registered: Registered[list[Hook]] = Registered({f"{self.resource}.{GROUP}": hooks_of}, _only)

    def hooks(self, request: Request, kind: Kind) -> list[Hook]:
        found = self.registered.get(request.server)
        return found if found and kind.resource not in EXEMPT else []

    async def _answer(self, hook: Hook, kind: Kind, attributes: Attributes, mutating: bool) -> Object:
        """The AdmissionResponse of a webhook that allows the request.

        Raises CallFailed where there is none, StatusError where it denies."""
        if attributes.context.dry_run and hook.spec.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise errors.bad_request(f'admission webhook "{hook.name}" does not support dry run')
        version = next((one for one in hook.spec.get("admissionReviewVersions") or () if one in VERSIONS), "v1")
        uid = str(uuid.uuid4())
        document = request_document(attributes, kind, uid)
        document["object"] = converted(attributes, kind, attributes.object)
        document["oldObject"] = converted(attributes, kind, attributes.old)
        review = {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": document}
        timeout = float(hook.spec.get("timeoutSeconds") or 10)
        try:
            answer = await attributes.request.server.webhook_client.post(hook.spec["clientConfig"], review, timeout)
        except CallFailed as error:
            raise CallFailed(f"failed to call webhook: {error}") from None
        try:
            response = checked_response(answer, version, uid, mutating)
        except ValueError as error:
            raise CallFailed(f"received invalid webhook response: {error}") from None
        attributes.request.warnings.extend(str(text) for text in response.get("warnings") or ())
        for key, value in (response.get("auditAnnotations") or {}).items():
            attributes.request.annotate(f"{hook.name}/{key}", str(value))
        if not response.get("allowed"):
            raise denial(hook.name, response.get("status"))
        return response

    def _failed(self, hook: Hook, error: CallFailed) -> None:
        """A webhook that cannot be called. Raises 500 unless its failure policy is Ignore."""
        if not hook.ignores_failures:
            raise errors.internal(f'failed calling webhook "{hook.name}": {error}') from None
        log.warning("failed calling webhook, failing open %s: %s", hook.name, error)


def _only(parts: Mapping[str, list[Hook]]) -> list[Hook]:
    return next(iter(parts.values()))


class MutatingAdmissionWebhook(_WebhookPlugin):
    """One after the other; each sees what those before it changed. Where one changes the object, those before it with
    reinvocationPolicy IfNeeded are asked once more."""

    name, resource = "MutatingAdmissionWebhook", "mutatingwebhookconfigurations"

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        hooks = self.hooks(request, kind)
        if hooks and not is_call(request):
            await self._dispatch(hooks, admission_attributes.of(request, kind, obj, old, context), obj)

    async def call(self, request: Request, kind: Kind, obj: Object, context: Context) -> None:
        hooks = self.hooks(request, request.kind)
        if hooks:
            await self._dispatch(hooks, admission_attributes.of_call(request, kind, obj, context), obj)

    async def delete(self, request: Request, kind: Kind, old: Object, context: Context) -> None:
        hooks = self.hooks(request, kind)
        if hooks and not is_call(request):
            await self._dispatch(hooks, admission_attributes.of(request, kind, None, old, context), None)

    async def _dispatch(self, hooks: list[Hook], attributes: Attributes, obj: Object | None) -> None:
        state = reinvocation(attributes.context)
        again = state.begin(self.name, obj)
        for index, hook in enumerate(hooks):
            matched = hook.matched(attributes)
            if matched is None or (again is not None and hook.uid not in again):
                continue
            changed = False
            try:
                response = await self._answer(hook, matched, attributes, True)
                changed = self._apply(hook, response, matched, attributes, obj)
            except CallFailed as error:
                self._failed(hook, error)
                place = f"round_{state.round}_index_{index}"
                attributes.request.annotate(f"failed-open.{MUTATION_ANNOTATION}{place}", hook.name)
            self._annotate(hook, changed, attributes, f"round_{state.round}_index_{index}")
            attributes.look_at(obj)
            state.called(self.name, hook.uid, changed, hook.spec.get("reinvocationPolicy") == "IfNeeded")
        state.end(self.name, obj)

    def _annotate(self, hook: Hook, changed: bool, attributes: Attributes, place: str) -> None:
        """The audit event tells whether a webhook changed the object."""
        configuration = hook.uid.partition("/")[0]
        told = {"configuration": configuration, "webhook": hook.name, "mutated": changed}
        attributes.request.annotate(MUTATION_ANNOTATION + place, orjson.dumps(told).decode())

    def _apply(self, hook: Hook, response: Object, shown: Kind, attributes: Attributes, obj: Object | None) -> bool:
        """Change the object as the webhook's patch says; whether it changed."""
        if not response.get("patch"):
            return False
        try:
            patch = base64.b64decode(response["patch"], validate=True)
            operations = orjson.loads(patch)
        except (ValueError, TypeError, binascii.Error) as error:
            raise CallFailed(f"received undecodable patch in webhook response: {error}") from None
        if not operations:
            return False
        if obj is None or attributes.object is None:
            why = f'admission webhook "{hook.name}" attempted to modify the object, '
            raise errors.internal(why + "which is not supported for this operation")
        before = converted(attributes, shown, attributes.object)
        assert before is not None
        try:
            new = apply_json(before, patch)
        except StatusError as error:
            raise errors.internal(error.message) from None
        return adopt(attributes, shown, obj, new)


class ValidatingAdmissionWebhook(_WebhookPlugin):
    """All at once; the first refusal is the answer."""

    name, resource = "ValidatingAdmissionWebhook", "validatingwebhookconfigurations"

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        hooks = self.hooks(request, kind)
        if hooks and not is_call(request):
            await self._dispatch(hooks, admission_attributes.of(request, kind, obj, old, context))

    async def call(self, request: Request, kind: Kind, obj: Object, context: Context) -> None:
        hooks = self.hooks(request, request.kind)
        if hooks:
            await self._dispatch(hooks, admission_attributes.of_call(request, kind, obj, context))

    async def delete(self, request: Request, kind: Kind, old: Object, context: Context) -> None:
        hooks = self.hooks(request, kind)
        if hooks and not is_call(request):
            await self._dispatch(hooks, admission_attributes.of(request, kind, None, old, context))

    async def _dispatch(self, hooks: list[Hook], attributes: Attributes) -> None:
        wanted = [(hook, kind) for hook in hooks if (kind := hook.matched(attributes)) is not None]
        results = await asyncio.gather(
            *(self._ask(hook, kind, attributes) for hook, kind in wanted), return_exceptions=True
        )
        for result in results:
            if result is not None:
                raise result

    async def _ask(self, hook: Hook, kind: Kind, attributes: Attributes) -> None:
        try:
            await self._answer(hook, kind, attributes, False)
        except CallFailed as error:
            self._failed(hook, error)


def is_call(request: Request) -> bool:
    """Whether the request is a call (binding, eviction): what is admitted is the call, not what it does to the pod."""
    parts = request.info.parts
    return parts[:1] == ("bindings",) or (len(parts) > 2 and parts[2] in CALLS)
