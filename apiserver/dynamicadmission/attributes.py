"""A request as webhooks and policies see it (the real server's `admission.Attributes`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from apiserver.kinds.kind import Context, Kind, Object

if TYPE_CHECKING:
    from apiserver.request import Request

EXEMPT = frozenset(
    f"{name}.admissionregistration.k8s.io"
    for name in (
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    )
)
"""What registers admission is not itself subject to it: a bad registration can be taken back."""


class GroupVersionResource(NamedTuple):
    group: str
    version: str
    resource: str


class GroupVersionKind(NamedTuple):
    group: str
    version: str
    kind: str


@dataclass(slots=True)
class Attributes:
    """One operation on one object. `object` is None for a DELETE, `old` for a CREATE. `served` is the kind of the URL;
    for views and calls (scale, binding) `kind` is another one; `call` is the kind of a call's object."""

    request: Request
    context: Context
    served: Kind
    operation: str
    kind: GroupVersionKind
    name: str
    namespace: str
    object: Object | None
    old: Object | None
    options: Object | None
    call: Kind | None = None

    def look_at(self, obj: Object | None) -> None:
        """Show an object that has changed."""
        part = self.request.subresource
        view = part.projection if part is not None else None
        self.object = view.read(obj) if view is not None and obj is not None else obj

    @property
    def resource(self) -> GroupVersionResource:
        return GroupVersionResource(self.served.group, self.served.version, self.served.plural)

    @property
    def subresource(self) -> str:
        return self.request.info.subresource


def of(request: Request, kind: Kind, obj: Object | None, old: Object | None, context: Context) -> Attributes:
    """The attributes of a create (`old` None), update or deletion (`obj` None); views (scale) are shown as such."""
    operation = "DELETE" if obj is None else "CREATE" if old is None else "UPDATE"
    gvk = GroupVersionKind(kind.group, kind.version, kind.kind)
    part = request.subresource
    if part is not None and part.projection is not None:
        gvk = GroupVersionKind(*(part.gvk or gvk))
        obj, old = (part.projection.read(one) if one is not None else None for one in (obj, old))
    metadata = (obj or old or {}).get("metadata") or {}
    name = request.info.name or metadata.get("name") or ""
    namespace = name if kind.resource == "namespaces" else context.namespace
    options = _options(request, operation)
    return Attributes(request, context, kind, operation, gvk, name, namespace, obj, old, options)


def of_call(request: Request, kind: Kind, obj: Object, context: Context) -> Attributes:
    """A call's own object (Binding, Eviction) under the resource of the URL."""
    found = of(request, request.kind, obj, None, context)
    found.kind, found.call = GroupVersionKind(kind.group, kind.version, kind.kind), kind
    return found


_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


def _options(request: Request, operation: str) -> Object | None:
    """The options of the request, as its query states them."""
    name = "PatchOptions" if operation == "UPDATE" and request.info.verb == "patch" else _OPTIONS.get(operation)
    if name is None:
        return None
    query = request.info.query
    found: Object = {"kind": name, "apiVersion": "meta.k8s.io/v1"}
    for key in ("fieldManager", "fieldValidation", "propagationPolicy"):
        if query.get(key):
            found[key] = request.info.param(key)
    if query.get("dryRun"):
        found["dryRun"] = list(query["dryRun"])
    return found


def equivalents(attributes: Attributes) -> Iterable[Kind]:
    """Other served versions of the same objects; none where a webhook would have to convert them."""
    if attributes.served.conversion is not None:
        return ()
    kinds = attributes.request.server.registry.kinds()
    return [kind for kind in kinds if kind.resource == attributes.served.resource and kind is not attributes.served]


def converted(attributes: Attributes, kind: Kind, obj: Object | None) -> Object | None:
    """An object of the request in another served version."""
    if obj is None or kind is attributes.served or kind.convert is None:
        return obj
    return kind.convert(obj, kind.api_version)


def request_document(attributes: Attributes, shown: Kind, uid: str) -> dict[str, Any]:
    """`AdmissionRequest` without the objects; `shown` is the version that the rules matched."""
    user, served = attributes.context.user, attributes.served
    gvk = attributes.kind if shown is served else GroupVersionKind(shown.group, shown.version, shown.kind)
    if attributes.kind.kind != served.kind:
        gvk = attributes.kind
    return {
        "uid": uid,
        "kind": gvk._asdict(),
        "resource": {"group": shown.group, "version": shown.version, "resource": shown.plural},
        "requestKind": attributes.kind._asdict(),
        "requestResource": attributes.resource._asdict(),
        **({"subResource": attributes.subresource} if attributes.subresource else {}),
        **({"requestSubResource": attributes.subresource} if attributes.subresource else {}),
        **({"name": attributes.name} if attributes.name else {}),
        **({"namespace": attributes.namespace} if attributes.namespace else {}),
        "operation": attributes.operation,
        "userInfo": _user_info(user.name, user.uid, user.groups, user.extra),
        "dryRun": attributes.context.dry_run,
        "options": attributes.options,
    }


def _user_info(name: str, uid: str, groups: Iterable[str], extra: Any) -> Object:
    found: Object = {"username": name, "groups": list(groups)}
    if uid:
        found["uid"] = uid
    if extra:
        found["extra"] = {key: list(values) for key, values in extra.items()}
    return found
