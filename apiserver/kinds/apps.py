"""apps/v1: Deployment, ReplicaSet, StatefulSet, DaemonSet (ControllerRevision is in `misc`)."""

from __future__ import annotations

from typing import Any

from apiserver.field import FieldError, forbidden, immutable, invalid, not_supported, required
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pod import default_pod_spec, validate_pod_template
from apiserver.kinds.pod_validation import template_warnings
from apiserver.kinds.scale import scale_subresource
from apiserver.kinds.workload_columns import CONTAINERS, IMAGES, SELECTOR, at, count, format_labels, ratio
from apiserver.table import AGE
from apiserver.validation import label_selector, percent
from miniplane.apimachinery.selectors import from_object

GROUP = "apps"
NOT_MATCHING = "`selector` does not match template `labels`"
STATUS_SUBRESOURCE = Subresource("status", STATUS)


def non_negative(value: Any, path: str) -> list[FieldError]:
    """apimachinery's ValidateNonnegativeField."""
    return [invalid(path, value, "must be greater than or equal to 0")] if value is not None and value < 0 else []


def int_or_percent(value: Any, path: str) -> list[FieldError]:
    """A count or a percentage, not negative."""
    if isinstance(value, str):
        return [invalid(path, value, text) for text in percent(value)]
    return non_negative(value, path)


def over_hundred(value: Any, path: str) -> list[FieldError]:
    """Percentages above 100 are refused."""
    if isinstance(value, str) and value[:-1].isdigit() and int(value[:-1]) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def scaled(value: Any) -> int:
    """The number of an int-or-percent as far as zero is concerned."""
    if isinstance(value, str):
        return int(value[:-1]) if value[:-1].isdigit() else 0
    return value if isinstance(value, int) else 0


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


def matches_template(spec: Object) -> bool:
    """Whether the selector takes the pods of the template."""
    try:
        selector = from_object(spec.get("selector"))
    except ValueError:
        return True
    return selector.empty or selector.matches(template_labels(spec) or {})


def template_faults(spec: Object, context: Context, *, always: bool = True) -> list[FieldError]:
    """The template of a workload whose pods restart for ever."""
    path = "spec.template"
    found: list[FieldError] = []
    if not matches_template(spec):
        found.append(invalid(f"{path}.metadata.labels", template_labels(spec), NOT_MATCHING))
    template = spec.get("template") or {}
    found += validate_pod_template(template, path, context)
    pod = template.get("spec") or {}
    if always and pod.get("restartPolicy") not in ("Always", None):
        found.append(not_supported(f"{path}.spec.restartPolicy", pod["restartPolicy"], ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        found.append(forbidden(f"{path}.spec.activeDeadlineSeconds", f"activeDeadlineSeconds in {NOT_IN}"))
    return found


NOT_IN = "ReplicaSet is not Supported"


class Workload(Strategy):
    """What the apps kinds share: a pod template, a generation, a status of their own."""

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

    def default_spec(self, spec: Object) -> None:
        """Fill in the kind's own spec fields."""

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        if old is not None and old["spec"] == obj["spec"]:
            return []
        return template_warnings(obj["spec"].get("template") or {}, "spec.template")

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        status = obj.get("status") or {}
        found = [fault for name in self.counts for fault in non_negative(status.get(name), f"status.{name}")]
        total = status.get("replicas", 0)
        for name in self.within:
            if status.get(name, 0) > total:
                found.append(invalid(f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas"))
        return found


class DeploymentStrategy(Workload):
    """Deployment."""

    counts = (
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
    )
    within = ("updatedReplicas", "readyReplicas", "availableReplicas")

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("replicas", 1)
        strategy = spec.setdefault("strategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", "25%")
            rolling.setdefault("maxSurge", "25%")
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        found = non_negative(spec.get("replicas"), "spec.replicas")
        found += selector_faults(spec, "deployment")
        found += template_faults(spec, context)
        found += self._strategy(spec.get("strategy") or {})
        found += non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
        found += non_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")
        found += self._deadline(spec)
        return found

    def _deadline(self, spec: Object) -> list[FieldError]:
        deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
        if deadline is None:
            return []
        found = non_negative(deadline, "spec.progressDeadlineSeconds")
        if deadline <= ready:
            found.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
        return found

    def _strategy(self, strategy: Object) -> list[FieldError]:
        rolling = strategy.get("rollingUpdate")
        match strategy.get("type"):
            case "Recreate":
                if rolling is not None:
                    why = "may not be specified when strategy `type` is 'Recreate'"
                    return [forbidden("spec.strategy.rollingUpdate", why)]
                return []
            case "RollingUpdate":
                return self._rolling(rolling or {}, "spec.strategy.rollingUpdate")
        shown = {"Type": strategy.get("type", ""), "RollingUpdate": rolling}
        return [not_supported("spec.strategy", shown, ("Recreate", "RollingUpdate"))]

    def _rolling(self, rolling: Object, path: str) -> list[FieldError]:
        unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        found = int_or_percent(unavailable, f"{path}.maxUnavailable")
        found += int_or_percent(surge, f"{path}.maxSurge")
        if scaled(unavailable) == 0 and scaled(surge) == 0:
            found.append(invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
        return found + over_hundred(unavailable, f"{path}.maxUnavailable")

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context)
        return found + immutable_selector(obj, old)


def immutable_selector(obj: Object, old: Object) -> list[FieldError]:
    """apps/v1 selectors never change."""
    new = obj["spec"].get("selector")
    return [immutable("spec.selector", new)] if new != old["spec"].get("selector") else []


class ReplicaSetStrategy(Workload):
    """ReplicaSet."""

    counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
    within = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("replicas", 1)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        found = non_negative(spec.get("replicas"), "spec.replicas")
        found += non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
        found += selector_faults(spec, "deployment")
        found += template_faults(spec, context)
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return self.validate(obj, context) + immutable_selector(obj, old)


FREE_FIELDS = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


class StatefulSetStrategy(Workload):
    """StatefulSet."""

    counts = (
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
    )
    within = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")

    def default_spec(self, spec: Object) -> None:
        if not spec.get("podManagementPolicy"):
            spec["podManagementPolicy"] = "OrderedReady"
        update = spec.setdefault("updateStrategy", {})
        if not update.get("type"):
            update["type"] = "RollingUpdate"
        if update["type"] == "RollingUpdate":
            update.setdefault("rollingUpdate", {}).setdefault("partition", 0)
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        for name in ("whenDeleted", "whenScaled"):
            if not retention.get(name):
                retention[name] = "Retain"
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        for claim in spec.get("volumeClaimTemplates") or ():
            claim.setdefault("apiVersion", "v1")
            claim.setdefault("kind", "PersistentVolumeClaim")
            claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
            claim.setdefault("status", {}).setdefault("phase", "Pending")

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"replicas": 0, "availableReplicas": 0}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        found: list[FieldError] = []
        policy = spec.get("podManagementPolicy", "")
        if policy not in ("OrderedReady", "Parallel"):
            found.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
        found += self._update_strategy(spec.get("updateStrategy") or {})
        found += non_negative(spec.get("replicas"), "spec.replicas")
        found += non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
        found += selector_faults(spec, "statefulset")
        found += template_faults(spec, context)
        return found

    def _update_strategy(self, update: Object) -> list[FieldError]:
        path = "spec.updateStrategy"
        match update.get("type"):
            case "OnDelete":
                if update.get("rollingUpdate") is not None:
                    why = "only allowed for updateStrategy 'RollingUpdate'"
                    return [invalid(f"{path}.rollingUpdate", update["rollingUpdate"], why)]
                return []
            case "RollingUpdate":
                rolling = update.get("rollingUpdate") or {}
                return non_negative(rolling.get("partition"), f"{path}.rollingUpdate.partition")
        return [invalid(path, update, "must be 'RollingUpdate' or 'OnDelete'")]

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context)
        rest, before = ({k: v for k, v in o["spec"].items() if k not in FREE_FIELDS} for o in (obj, old))
        if rest != before:
            names = ", ".join(f"'{name}'" for name in FREE_FIELDS[:-1])
            why = f"updates to statefulset spec for fields other than {names} and '{FREE_FIELDS[-1]}' are forbidden"
            found.append(forbidden("spec", why))
        return found


class DaemonSetStrategy(Workload):
    """DaemonSet."""

    counts = (
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
    )
    within = ()

    def default_spec(self, spec: Object) -> None:
        update = spec.setdefault("updateStrategy", {})
        if not update.get("type"):
            update["type"] = "RollingUpdate"
        if update["type"] == "RollingUpdate":
            rolling = update.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", 1)
            rolling.setdefault("maxSurge", 0)
        spec.setdefault("revisionHistoryLimit", 10)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        zero = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
        obj["status"] = dict.fromkeys(zero, 0)
        annotations = obj["metadata"].setdefault("annotations", {})
        annotations["deprecated.daemonset.template.generation"] = "1"

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_update(obj, old, context)
        key = "deprecated.daemonset.template.generation"
        before = (old["metadata"].get("annotations") or {}).get(key, "1")
        changed = obj["spec"].get("template") != old["spec"].get("template")
        value = str(int(before) + 1) if changed and before.isdigit() else before
        obj["metadata"].setdefault("annotations", {})[key] = value

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        found = selector_faults(spec, "daemonset")
        found += template_faults(spec, context)
        found += non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
        found += self._update_strategy(spec.get("updateStrategy") or {})
        found += non_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")
        return found

    def _update_strategy(self, update: Object) -> list[FieldError]:
        path = "spec.updateStrategy"
        match update.get("type"):
            case "OnDelete":
                return []
            case "RollingUpdate":
                rolling = update.get("rollingUpdate") or {}
                unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
                found = int_or_percent(unavailable, f"{path}.rollingUpdate.maxUnavailable")
                found += int_or_percent(surge, f"{path}.rollingUpdate.maxSurge")
                if scaled(unavailable) and scaled(surge):
                    why = "may not be set when maxUnavailable is non-zero"
                    found.append(invalid(f"{path}.rollingUpdate.maxSurge", surge, why))
                if not scaled(unavailable) and not scaled(surge):
                    why = "cannot be 0 when maxSurge is 0"
                    found.append(invalid(f"{path}.rollingUpdate.maxUnavailable", unavailable, why))
                return found
        return [not_supported(f"{path}.type", update.get("type", ""), ("RollingUpdate", "OnDelete"))]

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return self.validate(obj, context) + immutable_selector(obj, old)


DEPLOYMENT_COLUMNS = (
    Column("Ready", ratio(count("status", "readyReplicas"), count("spec", "replicas"))),
    Column("Up-to-date", count("status", "updatedReplicas")),
    Column("Available", count("status", "availableReplicas")),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)
REPLICA_COLUMNS = (
    Column("Desired", count("spec", "replicas"), type="integer"),
    Column("Current", count("status", "replicas"), type="integer"),
    Column("Ready", count("status", "readyReplicas"), type="integer"),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)
STATEFUL_COLUMNS = (
    Column("Ready", ratio(count("status", "readyReplicas"), count("spec", "replicas"))),
    AGE,
    CONTAINERS,
    IMAGES,
)


def _node_selector(obj: Object) -> str:
    pod = at("spec", "template", "spec")(obj) or {}
    return format_labels(pod.get("nodeSelector"))


DAEMON_COLUMNS = (
    Column("Desired", count("status", "desiredNumberScheduled"), type="integer"),
    Column("Current", count("status", "currentNumberScheduled"), type="integer"),
    Column("Ready", count("status", "numberReady"), type="integer"),
    Column("Up-to-date", count("status", "updatedNumberScheduled"), type="integer"),
    Column("Available", count("status", "numberAvailable"), type="integer"),
    Column("Node Selector", _node_selector),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)


def _kind(
    name: str, plural: str, short: str, strategy: Strategy, columns: tuple[Column, ...], *, scale: bool = True
) -> Kind:
    subresources = ((scale_subresource(),) if scale else ()) + (STATUS_SUBRESOURCE,)
    fields = ("status.replicas",) if name == "ReplicaSet" else ()
    return Kind(
        GROUP,
        "v1",
        name,
        plural,
        True,
        strategy,
        short_names=(short,),
        categories=("all",),
        columns=columns,
        selectable_fields=fields,
        subresources=subresources,
    )


KINDS: tuple[Kind, ...] = (
    _kind("DaemonSet", "daemonsets", "ds", DaemonSetStrategy(), DAEMON_COLUMNS, scale=False),
    _kind("Deployment", "deployments", "deploy", DeploymentStrategy(), DEPLOYMENT_COLUMNS),
    _kind("ReplicaSet", "replicasets", "rs", ReplicaSetStrategy(), REPLICA_COLUMNS),
    _kind("StatefulSet", "statefulsets", "sts", StatefulSetStrategy(), STATEFUL_COLUMNS),
)
