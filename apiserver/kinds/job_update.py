"""What of a Job may not change (batch validation's ValidateJobSpecUpdate), causes in the real server's order."""

from __future__ import annotations

from apiserver.field import FieldError, immutable, invalid
from apiserver.kinds.job_shown import shown
from apiserver.kinds.job_validation import indexed, template_of
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.internal import internal_spec

FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


def job_update(obj: Object, old: Object) -> list[FieldError]:
    """What of a Job may not change."""
    new, before = obj["spec"], old["spec"]
    found = _completions(new, before)
    if new.get("selector") != before.get("selector"):
        found.append(immutable("spec.selector", new.get("selector")))
    found += _template_update(template_of(new), template_of(before), old)
    return found + [immutable(f"spec.{n}", shown(n, new.get(n))) for n in FIXED if new.get(n) != before.get(n)]


def _template_update(new: Object, before: Object, old: Object) -> list[FieldError]:
    """The template stays as it was but for what a Job that waits may change."""
    if not _waits(old):
        if new == before:
            return []
        whole = {**(new.get("metadata") or {}), "Spec": internal_spec(new.get("spec") or {})}
        return [immutable("spec.template", whole)]
    pod = new.get("spec") or {}
    allowed = _with_resources(_with_directives(before, new).get("spec") or {}, pod)
    return [] if pod == allowed else [immutable("spec.template.spec", internal_spec(pod))]


def _waits(old: Object) -> bool:
    """Whether a Job is suspended and has no pods yet or any more (KEP-2926, KEP-5440)."""
    status = old.get("status") or {}
    if not old["spec"].get("suspend") or status.get("active"):
        return False
    conditions = status.get("conditions") or ()
    return status.get("startTime") is None or any(
        condition.get("type") == "Suspended" and condition.get("status") == "True" for condition in conditions
    )


def _with_resources(pod: Object, new: Object) -> Object:
    """The pod with the resources that the new one asks for, where it has the same containers."""
    found = dict(pod)
    for name in ("containers", "initContainers"):
        before, after = pod.get(name) or [], new.get(name) or []
        if before and len(before) == len(after):
            found[name] = [_like(one, other) for one, other in zip(before, after, strict=True)]
    return found


def _like(container: Object, new: Object) -> Object:
    if container.get("name") != new.get("name"):
        return container
    found = dict(container)
    _copy(found, new, ("resources",))
    return found


def _completions(new: Object, before: Object) -> list[FieldError]:
    """An Indexed Job may be made smaller or larger as a whole (KEP-3715)."""
    wanted, path = new.get("completions"), "spec.completions"
    if wanted == before.get("completions"):
        return []
    if not indexed(new):
        return [immutable(path, wanted)]
    if wanted is None or wanted == new.get("parallelism"):
        return []
    return [invalid(path, wanted, "can only be modified in tandem with spec.parallelism")]


def _with_directives(template: Object, wanted: Object) -> Object:
    """The old template with what of the new one says where pods may run (KEP-2926)."""
    pod, new = dict(template.get("spec") or {}), wanted.get("spec") or {}
    metadata, meta = dict(template.get("metadata") or {}), wanted.get("metadata") or {}
    affinity = dict(pod.get("affinity") or {})
    _copy(affinity, new.get("affinity") or {}, ("nodeAffinity",))
    if affinity or new.get("affinity") is not None:
        pod["affinity"] = affinity
    else:
        pod.pop("affinity", None)
    _copy(pod, new, ("nodeSelector", "tolerations", "schedulingGates"))
    _copy(metadata, meta, ("annotations", "labels"))
    return {**template, "spec": pod, "metadata": metadata}


def _copy(into: Object, source: Object, names: tuple[str, ...]) -> None:
    for name in names:
        if source.get(name) is not None:
            into[name] = source[name]
        else:
            into.pop(name, None)
