"""What the server writes into a pod's spec when the pod is created."""

from __future__ import annotations

from apiserver.kinds.kind import Object

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
