"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook: registered webhooks are asked about every write."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.dynamicadmission import attributes as admission_attributes
from apiserver.dynamicadmission import matching
from apiserver.dynamicadmission.attributes import EXEMPT, Attributes, converted, request_document
from apiserver.dynamicadmission.mutation import adopt
from apiserver.dynamicadmission.registered import Registered
from apiserver.kinds.kind import Context, Kind, Object
from apiserver.patch.json_patch import apply_json
from apiserver.webhookclient import CallFailed
from miniplane.apimachinery.selectors import LabelSelector, from_object
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.request import Request


log = logging.getLogger("miniplane.apiserver")
GROUP = "admissionregistration.k8s.io"
CALLS = frozenset({"binding", "eviction", "token"})
VERSIONS = ("v1", "v1beta1")
"""Of AdmissionReview; a webhook gets the first of its list that is one of these."""


@dataclass(slots=True)
class Hook:
    """One webhook of a configuration, its selectors read."""

    uid: str
    spec: Object
    in_namespace: LabelSelector = field(init=False)
    has_labels: LabelSelector = field(init=False)

    def __post_init__(self) -> None:
        self.in_namespace = from_object(self.spec.get("namespaceSelector") or {})
        self.has_labels = from_object(self.spec.get("objectSelector") or {})

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
        Hook(f"{one['metadata']['name']}/{spec['name']}/{index}", spec)
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
        for hook in hooks:
            matched = hook.matched(attributes)
            if matched is None or (again is not None and hook.uid not in again):
                continue
            changed = False
            try:
                response = await self._answer(hook, matched, attributes, True)
                changed = self._apply(hook, response, matched, attributes, obj)
            except CallFailed as error:
                self._failed(hook, error)
            attributes.look_at(obj)
            state.called(self.name, hook.uid, changed, hook.spec.get("reinvocationPolicy") == "IfNeeded")
        state.end(self.name, obj)

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


@dataclass(slots=True)
class Reinvocation:
    """What one request remembers between the two rounds of mutating admission."""

    round: int = 0
    wanted: bool = False
    previous: dict[str, set[str]] = field(default_factory=dict)
    again: dict[str, set[str]] = field(default_factory=dict)
    output: dict[str, bytes] = field(default_factory=dict)

    def begin(self, plugin: str, obj: Object | None) -> set[str] | None:
        """The webhooks to ask in this round; None for all."""
        if self.round == 0:
            return None
        if self.output.get(plugin) != orjson.dumps(obj):  # a built-in plugin changed the object meanwhile
            self._repeat(plugin)
        return self.again.setdefault(plugin, set())

    def called(self, plugin: str, uid: str, changed: bool, reinvocable: bool) -> None:
        if changed:
            self._repeat(plugin)
            self.wanted = True
        if reinvocable:
            self.previous.setdefault(plugin, set()).add(uid)

    def next_round(self) -> bool:
        """Begin the second round where something changed in the first one."""
        due = self.wanted and self.round == 0
        self.round += due
        return due

    def _repeat(self, plugin: str) -> None:
        self.again.setdefault(plugin, set()).update(self.previous.pop(plugin, ()))

    def end(self, plugin: str, obj: Object | None) -> None:
        self.output[plugin] = orjson.dumps(obj)


def reinvocation(context: Context) -> Reinvocation:
    """The request's memory of its rounds."""
    found = context.options.get("reinvocation")
    if not isinstance(found, Reinvocation):
        found = Reinvocation()
        context.options = {**context.options, "reinvocation": found}
    return found


def checked_response(answer: Any, version: str, uid: str, mutating: bool) -> Object:
    """The response of an AdmissionReview. Raises ValueError with the real server's words."""
    if not isinstance(answer, dict):
        raise ValueError("expected webhook response to be an AdmissionReview")
    want = f"admission.k8s.io/{version}, Kind=AdmissionReview"
    got = f"{answer.get('apiVersion', '')}, Kind={answer.get('kind', '')}"
    if version == "v1" and got != want:
        raise ValueError(f"expected webhook response of {want}, got {got}")
    response = answer.get("response")
    if not isinstance(response, dict):
        raise ValueError("webhook response was absent")
    if version == "v1" and response.get("uid") != uid:
        raise ValueError(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    patch, patch_type = response.get("patch"), response.get("patchType")
    if not mutating:
        for name, value in (("patch", patch), ("patchType", patch_type)):
            if value and version == "v1":
                raise ValueError(f"validating webhook may not return response.{name}")
    elif patch and not patch_type and version == "v1":
        raise ValueError("webhook returned response.patch but not response.patchType")
    elif patch_type and not patch:
        raise ValueError("webhook returned response.patchType but not response.patch")
    elif patch_type and patch_type != "JSONPatch":
        raise ValueError(f'invalid webhook response: unsupported patchType "{patch_type}"')
    return response


def denial(name: str, status: Any) -> StatusError:
    """What the client is told: the webhook's status; its message says who denied."""
    found = status if isinstance(status, dict) else {}
    denied = f'admission webhook "{name}" denied the request'
    code = found.get("code")
    code = code if isinstance(code, int) and 400 <= code <= 599 else 400
    why = found.get("message") or found.get("reason")
    message = f"{denied}: {why}" if why else f"{denied} without explanation"
    details = found.get("details") if isinstance(found.get("details"), dict) else None
    return StatusError(code, str(found.get("reason") or ""), message, details=details)
