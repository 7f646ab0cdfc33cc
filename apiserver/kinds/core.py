"""The core group: every kind but Service, Endpoints and Event, put together, and the kinds that hold pod templates."""

from __future__ import annotations

from typing import Any

from apiserver.field import FieldError, invalid, not_supported, required
from apiserver.kinds import configuration, features, limits, namespaces, nodes, persistentvolumes
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pod_defaults import default_pod_spec
from apiserver.kinds.pod_validation import name_warnings, template_warnings, validate_pod_template
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.scale import scale_subresource, set_string
from apiserver.kinds.strategies import Free
from apiserver.kinds.workload_columns import REPLICAS, format_labels


class PodTemplateStrategy(Free):
    """PodTemplate."""

    disabled_fields = features.of_pods("template.spec")
    delete_answers_object = True
    has_generation = True

    def default(self, obj: Object) -> None:
        template = obj.setdefault("template", {})
        template.setdefault("metadata", {})
        default_pod_spec(template.setdefault("spec", {}))

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return validate_pod_template(obj["template"], "template", context)

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        return template_warnings(obj["template"], "template")


class ControllerStrategy(Strategy):
    """ReplicationController."""

    disabled_fields = features.of_pods("spec.template.spec")
    metadata_again = 1
    has_generation = True
    orphan_dependents_by_default = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        template = spec.get("template")
        if template is None:
            return
        template.setdefault("metadata", {})
        default_pod_spec(template.setdefault("spec", {}))
        labels = template["metadata"].get("labels")
        if labels:
            spec["selector"] = spec.get("selector") or dict(labels)
            obj["metadata"]["labels"] = obj["metadata"].get("labels") or dict(labels)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        found = not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        selector, template = spec.get("selector") or {}, spec.get("template")
        if not selector:
            found.append(required("spec.selector"))
        found += not_negative("spec.replicas", spec.get("replicas"))
        return found + ([required("spec.template")] if template is None else _template(template, selector, context))

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """The real server judges the spec twice, and tells its causes as often."""
        return self.validate(obj, context) * 2

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        status = obj.get("status") or {}
        found: list[FieldError] = []
        names = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
        for name in names:
            found += not_negative(f"status.{name}", status.get(name))
        for name in names[1:4]:
            if status.get(name, 0) > status.get("replicas", 0):
                found.append(invalid(f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas"))
        if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
            why = "cannot be greater than readyReplicas"
            found.append(invalid("status.availableReplicas", status.get("availableReplicas", 0), why))
        return found

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        if old is not None and (old.get("spec") or {}).get("template") == obj["spec"].get("template"):
            return []
        return name_warnings(obj, old) + template_warnings(obj["spec"].get("template") or {}, "spec.template")

    def field_values(self, obj: Object) -> dict[str, str]:
        return {"status.replicas": str((obj.get("status") or {}).get("replicas", 0))}


def _template(template: Object, selector: Object, context: Context) -> list[FieldError]:
    found: list[FieldError] = []
    labels = (template.get("metadata") or {}).get("labels") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        why = "`selector` does not match template `labels`"
        found.append(invalid("spec.template.metadata.labels", labels or None, why))
    found += validate_pod_template(template, "spec.template", context)
    policy = (template.get("spec") or {}).get("restartPolicy", "")
    if policy != "Always":
        found.append(not_supported("spec.template.spec.restartPolicy", policy, ("Always",)))
    if (template.get("spec") or {}).get("activeDeadlineSeconds") is not None:
        from apiserver.field import forbidden

        why = "activeDeadlineSeconds in ReplicationController is not Supported"
        found.append(forbidden("spec.template.spec.activeDeadlineSeconds", why))
    return found


def _containers(name: str) -> Any:
    def value(obj: Object) -> str:
        containers = ((obj.get("template") or {}).get("spec") or {}).get("containers") or ()
        return ",".join(container.get(name, "") for container in containers)

    return value


def _pod_labels(obj: Object) -> str:
    return format_labels(((obj.get("template") or {}).get("metadata") or {}).get("labels"))


def _component(name: str) -> Any:
    """What a component's check has come to."""

    def value(obj: Object) -> str:
        healthy: Object = next((c for c in obj.get("conditions") or () if c.get("type") == "Healthy"), {})
        if name == "status":
            return "Unknown" if not healthy else "Healthy" if healthy.get("status") == "True" else "Unhealthy"
        return str(healthy.get(name, ""))

    return value


KINDS: tuple[Kind, ...] = (
    Kind("", "v1", "Binding", "bindings", True, verbs=("create",), handler="binding"),
    Kind(
        "",
        "v1",
        "ComponentStatus",
        "componentstatuses",
        False,
        short_names=("cs",),
        verbs=("get", "list"),
        singular="componentstatus",
        handler="components",
        columns=(
            Column("Status", _component("status")),
            Column("Message", _component("message")),
            Column("Error", _component("error")),
        ),
        warning="v1 ComponentStatus is deprecated in v1.19+",
    ),
    *configuration.KINDS,
    *limits.KINDS,
    *namespaces.KINDS,
    *nodes.KINDS,
    *persistentvolumes.KINDS,
    Kind(
        "",
        "v1",
        "PodTemplate",
        "podtemplates",
        True,
        PodTemplateStrategy(),
        columns=(
            Column("Containers", _containers("name")),
            Column("Images", _containers("image")),
            Column("Pod Labels", _pod_labels),
        ),
    ),
    Kind(
        "",
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        True,
        ControllerStrategy(),
        short_names=("rc",),
        categories=("all",),
        columns=(
            *REPLICAS,
            Column("Selector", lambda obj: format_labels((obj.get("spec") or {}).get("selector")), priority=1),
        ),
        selectable_fields=("status.replicas",),
        subresources=(scale_subresource(set_string), Subresource("status", STATUS)),
    ),
)
