"""Admission of pods: priority classes, default tolerations, service accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.kinds.kind import Context, Kind, Object
from apiserver.kinds.scheduling import SYSTEM

if TYPE_CHECKING:
    from apiserver.request import Request

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
TOLERATION_SECONDS = 300
CLASSES = "priorityclasses.scheduling.k8s.io"


def _is_pod(kind: Kind, context: Context) -> bool:
    return kind.resource == "pods" and context.subresource in ("", "ephemeralcontainers")


class Priority(Plugin):
    """spec.priorityClassName -> spec.priority and preemptionPolicy; one class at most is the default."""

    name = "Priority"
    sees_status = False
    resources = frozenset({"pods", CLASSES})
    looks_at = (CLASSES,)

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != CLASSES or not obj.get("globalDefault"):
            return
        known, name = _default_class(context), obj["metadata"]["name"]
        if known is not None and (old is None or known["metadata"]["name"] != name):
            why = f"PriorityClass {known['metadata']['name']} is already marked as default. Only one default can exist"
            raise errors.forbidden_object(kind, name, why)

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != "pods":
            return
        spec = obj["spec"]
        if old is not None:  # a PUT may leave out what this plugin has set
            for name in ("priority", "preemptionPolicy"):
                if spec.get(name) is None and old["spec"].get(name) is not None:
                    spec[name] = old["spec"][name]
            return
        wanted = spec.get("priorityClassName", "")
        value, policy = self._resolve(kind, obj, wanted, context)
        for field, what, found in (
            ("priority", "integer value of priority", value),
            ("preemptionPolicy", "string value of PreemptionPolicy", policy),
        ):
            stated = spec.get(field)
            if stated is not None and stated != found:
                why = (
                    f"the {what} ({stated}) must not be provided in pod spec; "
                    f"priority admission controller computed {found} from the given PriorityClass name"
                )
                raise errors.forbidden_object(kind, obj["metadata"].get("name", ""), why)
            spec[field] = found

    def _resolve(self, kind: Kind, obj: Object, wanted: str, context: Context) -> tuple[int, str]:
        if wanted in SYSTEM:
            return SYSTEM[wanted][0], "PreemptLowerPriority"
        found = context.cluster.get(CLASSES, "", wanted) if wanted else _default_class(context)
        if found is None and wanted:
            why = f"no PriorityClass with name {wanted} was found"
            raise errors.forbidden_object(kind, obj["metadata"].get("name", ""), why)
        if found is None:
            return 0, "PreemptLowerPriority"
        obj["spec"]["priorityClassName"] = found["metadata"]["name"]
        return int(found.get("value", 0)), str(found.get("preemptionPolicy") or "PreemptLowerPriority")


def _default_class(context: Context) -> Object | None:
    """Of several, which older servers let in, the one of the lowest priority."""
    found = [item for item in context.cluster.list(CLASSES) if item.get("globalDefault")]
    return min(found, key=lambda item: int(item.get("value", 0)), default=None)


class DefaultTolerationSeconds(Plugin):
    """Pods outlive a node's trouble for five minutes."""

    name = "DefaultTolerationSeconds"
    sees_status = False
    resources = frozenset({"pods"})
    looks_at = ()

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if not _is_pod(kind, context) or (old is not None and context.subresource):
            return
        tolerations = obj["spec"].get("tolerations") or []
        added = [_toleration(key) for key in (NOT_READY, UNREACHABLE) if not _tolerates(tolerations, key)]
        if added:
            obj["spec"]["tolerations"] = [*tolerations, *added]


def _tolerates(tolerations: list[Any], key: str) -> bool:
    return any(item.get("key", "") in (key, "") and item.get("effect", "") in ("NoExecute", "") for item in tolerations)


def _toleration(key: str) -> Object:
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS}


class TaintNodesByCondition(Plugin):
    """A new node takes no pods until it says that it is ready."""

    name = "TaintNodesByCondition"
    resources = frozenset({"nodes"})
    looks_at = ()

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != "nodes" or old is not None:
            return
        taints = obj.setdefault("spec", {}).get("taints") or []
        taint = {"key": NOT_READY, "effect": "NoSchedule"}
        if taint not in taints:
            obj["spec"]["taints"] = [*taints, taint]


TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607


class ServiceAccount(Plugin):
    """Pods run under an account that exists, with its token mounted. Off by default, as test control planes have it:
    it needs the controller that makes the accounts."""

    name = "ServiceAccount"
    sees_status = False
    resources = frozenset({"pods"})

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != "pods" or old is not None:
            return
        spec = obj["spec"]
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = context.cluster.get("serviceaccounts", context.namespace, name)
        if account is None:
            why = f'error looking up service account {context.namespace}/{name}: serviceaccount "{name}" not found'
            raise errors.forbidden_object(kind, obj["metadata"].get("name", ""), why)
        if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
            spec["imagePullSecrets"] = list(account["imagePullSecrets"])
        mounts = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
        if mounts:
            self._mount(spec)

    def _mount(self, spec: Object) -> None:
        from apiserver.handlers.create import generated

        containers = [*(spec.get("initContainers") or ()), *spec.get("containers", ())]
        unmounted = [
            c for c in containers if all(m.get("mountPath") != TOKEN_PATH for m in c.get("volumeMounts") or ())
        ]
        if not unmounted:
            return
        name = generated("kube-api-access-")
        for container in unmounted:
            mount = {"name": name, "mountPath": TOKEN_PATH, "readOnly": True}
            container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]
        spec["volumes"] = [*(spec.get("volumes") or ()), _token_volume(name)]


def _token_volume(name: str) -> Object:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}
