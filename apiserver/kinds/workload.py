"""What the kinds with a pod template share: checks of counts, selectors and templates, and their strategy."""

from __future__ import annotations

from typing import Any

from apiserver.field import FieldError, forbidden, immutable, invalid, not_supported, required
from apiserver.gointegers import bounded
from apiserver.kinds import features
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pod import default_pod_spec, validate_pod_template
from apiserver.kinds.pod_validation import name_warnings, template_warnings
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.scale import scale_subresource
from apiserver.validation import label_selector, percent
from miniplane.apimachinery.selectors import from_object

NOT_MATCHING = "`selector` does not match template `labels`"
STATUS_SUBRESOURCE = Subresource("status", STATUS)


def int_or_percent(value: Any, path: str) -> list[FieldError]:
    """A count or a percentage, not negative."""
    if isinstance(value, str):
        return [invalid(path, value, text) for text in percent(value)]
    return not_negative(path, value)


def over_hundred(value: Any, path: str) -> list[FieldError]:
    """Percentages above 100 are refused."""
    if isinstance(value, str) and _percentage(value) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def _percentage(value: str) -> int:
    """The number of a percentage, 0 for what is none."""
    digits = value[:-1]
    return bounded(digits) if digits.isascii() and digits.isdigit() else 0


def scaled(value: Any) -> int:
    """The number of an int-or-percent as far as zero is concerned."""
    if isinstance(value, str):
        return _percentage(value)
    return value if isinstance(value, int) else 0


def rolling_shown(rolling: Object | None) -> Object | None:
    """A rolling update as the internal Go type is shown in errors: what is absent is zero."""
    if rolling is None:
        return None
    return {"MaxUnavailable": rolling.get("maxUnavailable", 0), "MaxSurge": rolling.get("maxSurge", 0)}


def template_labels(spec: Object) -> Any:
    return ((spec.get("template") or {}).get("metadata") or {}).get("labels")


def selector_faults(spec: Object, kind: str, path: str = "spec.selector") -> list[FieldError]:
    """A workload's selector: there, not empty, well formed."""
    selector = spec.get("selector")
    if selector is None:
        return [required(path)]
    found = label_selector(selector, path)
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        found.append(invalid(path, selector, f"empty selector is invalid for {kind}"))
    return found


def not_matching(spec: Object) -> list[FieldError]:
    """A selector that does not take the pods of the template; one that is absent takes none."""
    selector = spec.get("selector")
    if label_selector(selector, "") or from_object(selector).matches(template_labels(spec) or {}):
        return []
    return [invalid("spec.template.metadata.labels", template_labels(spec), NOT_MATCHING)]


def template_faults(
    spec: Object, context: Context, *, owner: str = "ReplicaSet", unreadable: str = "invalid label selector"
) -> list[FieldError]:
    """The template of a workload whose pods restart for ever. `unreadable`: what is said of a selector that cannot be
    read; the template is not looked at then."""
    if label_selector(spec.get("selector"), ""):
        return [invalid("spec.selector", spec["selector"], unreadable)]
    found = not_matching(spec)
    found += validate_pod_template(spec.get("template") or {}, "spec.template", context)
    return found + restart_faults(spec, owner)


def restart_faults(spec: Object, owner: str) -> list[FieldError]:
    """Pods of a workload that runs for ever restart always and have no deadline."""
    pod = (spec.get("template") or {}).get("spec") or {}
    path = "spec.template.spec"
    found: list[FieldError] = []
    if pod.get("restartPolicy") != "Always":
        found.append(not_supported(f"{path}.restartPolicy", pod.get("restartPolicy", ""), ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        found.append(forbidden(f"{path}.activeDeadlineSeconds", f"activeDeadlineSeconds in {owner} is not Supported"))
    return found


class Workload(Strategy):
    """What the apps kinds share: a pod template, a generation, a status of their own."""

    disabled_fields = features.of_pods("spec.template.spec")
    has_generation = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        template = spec.setdefault("template", {})
        template.setdefault("metadata", {})
        default_pod_spec(template.setdefault("spec", {}))
        self.default_spec(spec)

    counts: tuple[str, ...] = ()
    """Status fields that count something, in the order in which they are checked."""
    within: tuple[str, ...] = ()
    """Those that may not be more than status.replicas."""
    ready_text = "cannot be greater than readyReplicas"
    """Said of more available pods than ready ones; "" where they are not compared."""

    names_hosts = True
    """Whether the names of pods are made from its name so that a warning is due where that is no host name."""

    def default_spec(self, spec: Object) -> None:
        """Fill in the kind's own spec fields."""

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        if old is not None and old["spec"] == obj["spec"]:
            return []
        found = name_warnings(obj, old) if self.names_hosts else []
        return found + template_warnings(obj["spec"].get("template") or {}, "spec.template")

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        status, before = obj.get("status") or {}, old.get("status") or {}
        found = [fault for name in self.counts for fault in not_negative(f"status.{name}", status.get(name))]
        for name in self.within:
            if status.get(name, 0) > status.get("replicas", 0):
                found.append(invalid(f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas"))
        available = status.get("availableReplicas", 0)
        if self.ready_text and available > status.get("readyReplicas", 0):
            found.append(invalid("status.availableReplicas", available, self.ready_text))
        if "collisionCount" in before and status.get("collisionCount", -1) < before["collisionCount"]:
            found.append(invalid("status.collisionCount", status.get("collisionCount", 0), "cannot be decremented"))
        return found


def immutable_selector(obj: Object, old: Object) -> list[FieldError]:
    """apps/v1 selectors never change."""
    new = obj["spec"].get("selector")
    return [immutable("spec.selector", new)] if new != old["spec"].get("selector") else []


def apps_kind(
    name: str,
    plural: str,
    short: str,
    strategy: Strategy,
    columns: tuple[Column, ...],
    *,
    scale: bool = True,
    fields: tuple[str, ...] = (),
) -> Kind:
    """An entry of apps/v1."""
    return Kind(
        "apps",
        "v1",
        name,
        plural,
        True,
        strategy,
        short_names=(short,),
        categories=("all",),
        columns=columns,
        selectable_fields=fields,
        subresources=((scale_subresource(),) if scale else ()) + (STATUS_SUBRESOURCE,),
    )
