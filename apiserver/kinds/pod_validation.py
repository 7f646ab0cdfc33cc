"""Pod templates for the kinds that hold one; the rules themselves are in `apiserver.kinds.pods`."""

from __future__ import annotations

from apiserver.field import FieldError
from apiserver.kinds.kind import Context, Object
from apiserver.kinds.pods import spec as pod_rules
from apiserver.kinds.pods.warnings import template_warnings

__all__ = ["template_warnings", "validate_pod_spec", "validate_pod_template"]


def validate_pod_template(template: Object, path: str, context: Context) -> list[FieldError]:
    """A PodTemplateSpec: its labels, annotations and spec, causes in the real server's order."""
    return pod_rules.pod_template(template, path)


def validate_pod_spec(spec: Object, path: str, context: Context) -> list[FieldError]:
    """The spec of a pod template."""
    return pod_rules.pod_spec(spec, path, is_pod=False)
