"""Admission: what is checked and filled in between the strategy's defaulting and storage, as an ordered list.

Order is behaviour: it is kube-apiserver's recommended plugin order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from apiserver import errors
from apiserver.kinds.kind import Context, Kind, Object

if TYPE_CHECKING:
    from apiserver.request import Request
    from apiserver.server import App

OFF_BY_DEFAULT = frozenset({"ServiceAccount", "ExtendedResourceToleration"})
"""Plugins that must be asked for: ServiceAccount admission needs a controller that makes the accounts, the other one is
off in kube-apiserver too."""

IMMORTAL_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})


class Plugin:
    """One admission plugin. Each method may raise StatusError; `mutate` may change `obj`."""

    name = ""
    resources: frozenset[str] | None = None
    """Of which resources it mutates and validates objects; None: of all."""
    sees_status = True
    """Whether it has anything to say of writes of a status: not where it looks at what is wanted."""
    idle = False
    """Whether it has nothing to say of anything yet."""
    looks_at: tuple[str, ...] | None = None
    """The resources whose objects, with the new object itself, decide what it makes of a create: all objects of those
    that have no namespace, else those in the new object's. None: other things do as well (chance, other requests, the
    world outside), so that nothing is recalled of what it acts on."""

    def follow(self, app: App, wake: Callable[[], None]) -> None:
        """Before the first request; `wake` is to be called when it is no longer idle."""

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        """Before the strategy prepares the object (`old` None: a create)."""

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        """After validation, before storage."""

    async def delete(self, request: Request, kind: Kind, old: Object, context: Context) -> None:
        """Before a deletion."""

    async def call(self, request: Request, kind: Kind, obj: Object, context: Context) -> None:
        """Before a call (binding, eviction, token); `kind` and `obj` are the call's own. `obj` may be changed."""


class NamespaceLifecycle(Plugin):
    """Objects are created in namespaces that exist and stay; three namespaces cannot be deleted."""

    name = "NamespaceLifecycle"
    sees_status = False
    looks_at = ("namespaces",)

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if old is not None or not kind.namespaced:
            return
        check_namespace(kind, obj["metadata"].get("name", ""), context)

    async def call(self, request: Request, kind: Kind, obj: Object, context: Context) -> None:
        check_namespace(request.kind, request.info.name, context)

    async def delete(self, request: Request, kind: Kind, old: Object, context: Context) -> None:
        name = old["metadata"]["name"]
        if kind.resource == "namespaces" and name in IMMORTAL_NAMESPACES:
            raise errors.forbidden_object(kind, name, "this namespace may not be deleted")


def check_namespace(kind: Kind, name: str, context: Context) -> None:
    """Raises 404 for a missing namespace, 403 for one that is being deleted."""
    namespace = context.cluster.get("namespaces", "", context.namespace)
    if namespace is None:
        details = {"name": context.namespace, "kind": "namespaces"}
        raise errors.StatusError(404, "NotFound", f'namespaces "{context.namespace}" not found', details=details)
    if namespace["metadata"].get("deletionTimestamp"):
        why = f"unable to create new content in namespace {context.namespace} because it is being terminated"
        error = errors.forbidden_object(kind, name, why)
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {context.namespace} is being terminated",
            "field": "metadata.namespace",
        }
        error.details = {**(error.details or {}), "causes": [cause]}
        raise error


class Acting:
    """The plugins that have something to say in a phase, by resource and by whether a status is written."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        every = list(plugins)
        named = {None, *(resource for plugin in every for resource in plugin.resources or ())}
        self._acting = {
            (resource, status): [
                plugin
                for plugin in every
                if (plugin.resources is None or resource in plugin.resources) and (plugin.sees_status or not status)
            ]
            for resource in named
            for status in (False, True)
        }

    def on(self, resource: str, subresource: str = "") -> list[Plugin]:
        """Those that act on writes of a resource, in order."""
        status = subresource == "status"
        found = self._acting.get((resource, status))
        return found if found is not None else self._acting[None, status]


class Admission:
    """The enabled plugins, called in order; a plugin that has nothing to say in a phase, or of a resource, is not
    called in it."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = plugins
        self._sort()

    def _sort(self) -> None:
        """Who is called when."""
        plugins = [plugin for plugin in self.plugins if not plugin.idle]
        self._mutating = Acting(plugin for plugin in plugins if type(plugin).mutate is not Plugin.mutate)
        self._validating = Acting(plugin for plugin in plugins if type(plugin).validate is not Plugin.validate)
        self._deleting = [plugin for plugin in plugins if type(plugin).delete is not Plugin.delete]
        self._calling = [plugin for plugin in plugins if type(plugin).call is not Plugin.call]

    def follow(self, app: App) -> None:
        """Let the plugins see what they wait for."""
        for plugin in self.plugins:
            plugin.follow(app, self._sort)

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        """Once, and once more where a webhook or policy changed the object (reinvocation)."""
        acting = self._mutating.on(kind.resource, context.subresource)
        for plugin in acting:
            await plugin.mutate(request, kind, obj, old, context)
        if again(context):
            for plugin in acting:
                await plugin.mutate(request, kind, obj, old, context)

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        for plugin in self._validating.on(kind.resource, context.subresource):
            await plugin.validate(request, kind, obj, old, context)

    def looked_at(self) -> frozenset[str]:
        """Every resource whose objects decide what some plugin makes of a create."""
        return frozenset(resource for plugin in self.plugins for resource in plugin.looks_at or ())

    def looks_beyond(self, resource: str) -> bool:
        """Whether more than objects of the cluster decides what the plugins make of a new object of `resource`."""
        acting = (*self._mutating.on(resource), *self._validating.on(resource))
        return any(plugin.looks_at is None for plugin in acting)

    async def delete(self, request: Request, kind: Kind, old: Object, context: Context) -> None:
        for plugin in self._deleting:
            await plugin.delete(request, kind, old, context)

    async def call(self, request: Request, kind: Kind, obj: Object, context: Context) -> None:
        for plugin in self._calling:
            await plugin.call(request, kind, obj, context)


def again(context: Context) -> bool:
    """Whether a second round of mutating admission is due, which then begins."""
    state = context.options.get("reinvocation")
    return state is not None and state.next_round()


def plugins() -> list[Plugin]:
    """Every plugin in kube-apiserver's order."""
    from apiserver.auth.escalation import PrivilegeEscalation
    from apiserver.certificateadmission import CertificateApproval, CertificateSigning, CertificateSubjectRestriction
    from apiserver.classadmission import (
        DefaultIngressClass,
        ExtendedResourceToleration,
        PodTopologyLabels,
        RuntimeClass,
    )
    from apiserver.dynamicadmission.ondemand import MutatesOnDemand, ValidatesOnDemand
    from apiserver.podadmission import (
        DefaultTolerationSeconds,
        Priority,
        ServiceAccount,
        TaintNodesByCondition,
    )
    from apiserver.podsecurityadmission import PodSecurity
    from apiserver.quotaadmission import LimitRanger, ResourceQuota
    from apiserver.resizeadmission import NodeDeclaredFeatureValidator, PodResizeValidator
    from apiserver.storageadmission import (
        DefaultStorageClass,
        PersistentVolumeClaimResize,
        StorageObjectInUseProtection,
    )

    return [
        NamespaceLifecycle(),
        LimitRanger(),
        ServiceAccount(),
        TaintNodesByCondition(),
        PodSecurity(),
        Priority(),
        DefaultTolerationSeconds(),
        ExtendedResourceToleration(),
        DefaultStorageClass(),
        StorageObjectInUseProtection(),
        PersistentVolumeClaimResize(),
        RuntimeClass(),
        CertificateApproval(),
        CertificateSigning(),
        CertificateSubjectRestriction(),
        DefaultIngressClass(),
        PodTopologyLabels(),
        NodeDeclaredFeatureValidator(),
        PodResizeValidator(),
        PrivilegeEscalation(),
        MutatesOnDemand("MutatingAdmissionPolicy", "mutatingpolicies", "mutatingadmissionpolicies"),
        MutatesOnDemand("MutatingAdmissionWebhook", "webhooks", "mutatingwebhookconfigurations"),
        ValidatesOnDemand("ValidatingAdmissionPolicy", "validatingpolicies", "validatingadmissionpolicies"),
        ValidatesOnDemand("ValidatingAdmissionWebhook", "webhooks", "validatingwebhookconfigurations"),
        ResourceQuota(),
    ]
