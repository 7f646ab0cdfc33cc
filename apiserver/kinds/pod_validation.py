"""Pod templates for the kinds that hold one; the rules themselves are in `apiserver.kinds.pods`."""

from __future__ import annotations

from apiserver.field import FieldError
from apiserver.kinds.kind import Context, Object
from apiserver.kinds.pods import spec as pod_rules
from apiserver.kinds.pods.warnings import template_warnings
from apiserver.validation import dns1123_label

__all__ = ["name_warnings", "template_warnings", "validate_pod_spec", "validate_pod_template"]


def name_warnings(obj: Object, old: Object | None) -> list[str]:
    """Of a new workload whose name cannot be a host name, as the names of its pods are made from it."""
    faults = dns1123_label(obj["metadata"].get("name", "")) if old is None else []
    if not faults:
        return []
    return [
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label "
        f"is recommended: [{' '.join(faults)}]"
    ]


def validate_pod_template(template: Object, path: str, context: Context) -> list[FieldError]:
    """A PodTemplateSpec: its labels, annotations and spec, causes in the real server's order."""
    return pod_rules.pod_template(template, path)


def validate_pod_spec(spec: Object, path: str, context: Context) -> list[FieldError]:
    """The spec of a pod template."""
    return pod_rules.pod_spec(spec, path, is_pod=False)
