"""What the server writes into a pod's spec when the pod is created."""

from __future__ import annotations

from apiserver.kinds.kind import Object
from apiserver.kinds.pods.pod_annotations import APP_ARMOR, LOCALHOST
from apiserver.kinds.pods.security import app_armor, containers

_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


def merge_label_keys(pod: Object) -> None:
    """matchLabelKeys and mismatchLabelKeys become expressions over the pod's own labels (KEP-3633, KEP-3243)."""
    labels, spec = pod["metadata"].get("labels") or {}, pod["spec"]
    for name in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(name) or {}
        for term in affinity.get(_REQUIRED) or ():
            _merge(term, labels)
        for weighted in affinity.get(_PREFERRED) or ():
            if weighted.get("podAffinityTerm"):
                _merge(weighted["podAffinityTerm"], labels)
    for constraint in spec.get("topologySpreadConstraints") or ():
        _merge(constraint, labels)


def _merge(term: Object, labels: Object) -> None:
    selector = term.get("labelSelector")
    if selector is None:
        return
    for name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(name) or ():
            if key in labels:
                expression = {"key": key, "operator": operator, "values": [labels[key]]}
                selector.setdefault("matchExpressions", []).append(expression)


def adopt_app_armor(pod: Object) -> list[str]:
    """AppArmor annotations, which were before the field was, become the fields of containers that have none (KEP-24).
    Warnings of those that clients should write as fields."""
    notes, spec = pod["metadata"].get("annotations") or {}, pod["spec"]
    if (spec.get("os") or {}).get("name") == "windows" or not any(key.startswith(APP_ARMOR) for key in notes):
        return []
    shared = (spec.get("securityContext") or {}).get("appArmorProfile")
    found: list[str] = []
    for container, _ in containers(spec, "spec"):
        key, context = APP_ARMOR + container.get("name", ""), container.get("securityContext") or {}
        if key not in notes or context.get("appArmorProfile") is not None:
            continue
        profile = _app_armor_of(notes[key])
        if profile is not None and profile == shared:
            continue
        if profile is not None:
            container["securityContext"] = {**context, "appArmorProfile": profile}
        found.append(f'metadata.annotations[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead')
    return found


def _app_armor_of(note: str) -> Object | None:
    """The field that says what the annotation says, None where none does."""
    plain = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}.get(note)
    if plain is not None:
        return {"type": plain}
    if not note.startswith(LOCALHOST):
        return None
    profile = {"type": "Localhost", "localhostProfile": note.removeprefix(LOCALHOST)}
    return None if app_armor(profile, "") else profile
