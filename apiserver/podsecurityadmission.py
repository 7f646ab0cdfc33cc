"""The PodSecurity plugin: pods are held to their namespace's level, what makes pods is warned of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.kinds.kind import Context, Kind, Object
from apiserver.podsecurity import Policy, policy

if TYPE_CHECKING:
    from apiserver.request import Request

TEMPLATES = {
    "podtemplates": ("template",),
    "replicationcontrollers": ("spec", "template"),
    "replicasets.apps": ("spec", "template"),
    "deployments.apps": ("spec", "template"),
    "daemonsets.apps": ("spec", "template"),
    "statefulsets.apps": ("spec", "template"),
    "jobs.batch": ("spec", "template"),
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template"),
}
SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"
MOST_PODS = 3000
"""Pods that a change of a namespace's level is tried on."""


class PodSecurity(Plugin):
    """Pod Security Standards by namespace label (KEP-2579)."""

    name = "PodSecurity"
    sees_status = False
    resources = frozenset({"pods", "namespaces", *TEMPLATES})
    looks_at = ("namespaces",)

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource == "pods" and context.subresource in ("", "ephemeralcontainers", "resize"):
            if old is None or _significant(obj, old):
                _judge(request, kind, obj, _labels(context), enforce=True)
        elif kind.resource in TEMPLATES and not context.subresource:
            template: Object | None = obj
            for key in TEMPLATES[kind.resource]:
                template = (template or {}).get(key)
            if template is not None:
                _judge(request, kind, template, _labels(context), enforce=False)
        elif kind.resource == "namespaces" and old is not None and not context.subresource:
            request.warnings.extend(_warn_of_pods(obj, old, context))


def _labels(context: Context) -> Object:
    namespace = context.cluster.get("namespaces", "", context.namespace) or {}
    labels: Object = (namespace.get("metadata") or {}).get("labels") or {}
    return labels


def _judge(request: Request, kind: Kind, pod: Object, labels: Object, *, enforce: bool) -> None:
    """Raises 403 for a pod beyond the enforced level; else warns."""
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    if enforce:
        enforced = policy(labels, "enforce")
        text = _text(enforced, metadata, spec)
        if text:
            raise errors.forbidden_object(kind, metadata.get("name", ""), f"violates {text}")
    text = _text(policy(labels, "warn"), metadata, spec)
    if text:
        request.warnings.append(f"would violate {text}")


def _text(wanted: Policy, metadata: Object, spec: Object) -> str:
    if wanted.level == "privileged":
        return ""
    found = wanted.findings(metadata, spec)
    return f'PodSecurity "{wanted}": {", ".join(map(str, found))}' if found else ""


def _significant(new: Object, old: Object) -> bool:
    """Whether a changed pod is judged again: for other images, and containers that come."""
    for group in ("containers", "initContainers", "ephemeralContainers"):
        before = {container["name"]: container for container in old["spec"].get(group) or ()}
        for container in new["spec"].get(group) or ():
            known = before.get(container["name"])
            if known is None or known.get("image") != container.get("image"):
                return True
            key = SECCOMP + container["name"]
            if _note(new, key) != _note(old, key):
                return True
    return False


def _note(pod: Object, key: str) -> str | None:
    found: str | None = (pod["metadata"].get("annotations") or {}).get(key)
    return found


def _warn_of_pods(new: Object, old: Object, context: Context) -> list[str]:
    """Of pods that a namespace's stricter level would not have let in."""
    wanted, before = (policy(obj["metadata"].get("labels") or {}, "enforce") for obj in (new, old))
    relaxed = wanted.version == before.version and not wanted.stricter_than(before)
    if wanted == before or wanted.level == "privileged" or relaxed:
        return []
    name = new["metadata"]["name"]
    pods = list(context.cluster.list("pods", name))
    found: list[str] = []
    if len(pods) > MOST_PODS:
        counts = f"first {MOST_PODS} of {len(pods)} existing pods"
        found.append(f"new PodSecurity enforce level only checked against the {counts}")
    violating = _by_reason(wanted, pods[:MOST_PODS])
    if violating:
        found.append(f'existing pods in namespace "{name}" violate the new PodSecurity enforce level "{wanted}"')
    return found + sorted(f"{_several(names)}: {reasons}" for reasons, names in violating.items())


def _by_reason(wanted: Policy, pods: Iterable[Object]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pod in pods:
        reasons = ", ".join(finding.reason for finding in wanted.findings(pod["metadata"], pod["spec"]))
        if reasons:
            found.setdefault(reasons, []).append(pod["metadata"]["name"])
    return found


def _several(names: list[str]) -> str:
    others = len(names) - 1
    more = f" (and {others} other pod{'' if others == 1 else 's'})" if others else ""
    return f"{min(names)}{more}"
