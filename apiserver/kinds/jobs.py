"""batch/v1 Job: strategy and columns; its rules are in `job_validation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.field import FieldError
from apiserver.kinds import features
from apiserver.kinds.job_status import job_status, job_status_update
from apiserver.kinds.job_update import job_update
from apiserver.kinds.job_validation import COMPLETIONS, HIGH, hostname_faults, job_spec, own_job
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.pod import default_pod_spec
from apiserver.kinds.pod_validation import name_warnings, template_warnings
from apiserver.kinds.workload import STATUS_SUBRESOURCE
from apiserver.kinds.workload_columns import CONTAINERS, IMAGES, SELECTOR, count
from apiserver.table import AGE, human_duration, parse_time, since

JOB_LABELS = (
    ("batch.kubernetes.io/controller-uid", "uid"),
    ("batch.kubernetes.io/job-name", "name"),
    ("controller-uid", "uid"),
    ("job-name", "name"),
)
ORPHAN_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or "
    "set propagationPolicy=Orphan to suppress this warning"
)


def default_job_spec(spec: Object) -> None:
    """SetDefaults_Job."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    per_index = spec.get("backoffLimitPerIndex") is not None
    spec.setdefault("backoffLimit", 2**31 - 1 if per_index else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    if not spec.get("podReplacementPolicy"):
        judged = spec.get("podFailurePolicy") is not None
        spec["podReplacementPolicy"] = "Failed" if judged else "TerminatingOrFailed"
    _default_failure_policy(spec.get("podFailurePolicy"))


def _default_failure_policy(policy: Object | None) -> None:
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern["status"] = pattern.get("status") or "True"


def default_job_template(spec: Object) -> Object:
    template: Object = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))
    return template


def job_spec_warnings(spec: Object, path: str) -> list[str]:
    """Of a Job, or of a CronJob's template of one (batch's WarningsForJobSpec)."""
    found: list[str] = []
    many = (spec.get("completions") or 0) > COMPLETIONS and (spec.get("parallelism") or 0) > HIGH
    if spec.get("completionMode") == "Indexed" and many:
        found.append(
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
            "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    return found + template_warnings(spec.get("template") or {}, f"{path}.template")


class JobStrategy(Strategy):
    """Job."""

    metadata_again = 1
    disabled_fields = features.of_pods("spec.template.spec")
    has_generation = True
    orphan_dependents_by_default = True
    """As ReplicationControllers: what batch/v1 inherited from its first version."""

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        default_job_template(spec)
        default_job_spec(spec)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}
        self._generate_selector(obj)

    def _generate_selector(self, obj: Object) -> None:
        """The selector is made from the uid unless the user manages it (`manualSelector`)."""
        spec, metadata = obj["spec"], obj["metadata"]
        if spec.get("manualSelector"):
            return
        labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
        for label, source in JOB_LABELS:
            labels[label] = metadata.get(source, "")
        selector = spec.setdefault("selector", {})
        selector.setdefault("matchLabels", {})[JOB_LABELS[0][0]] = metadata["uid"]

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        if old is not None and old["spec"] == obj["spec"]:
            return []
        return name_warnings(obj, old) + job_spec_warnings(obj["spec"], "spec")

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return own_job(obj) + job_spec(obj["spec"], "spec", context, needs_selector=True) + hostname_faults(obj)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """The real server judges the spec twice, and tells its causes as often."""
        return job_spec(obj["spec"], "spec", context, needs_selector=True) * 2 + job_update(obj, old)

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return job_status(obj, old) + job_status_update(obj, old)

    def delete_warnings(self, obj: Object, options: Mapping[str, Any]) -> list[str]:
        stated = options.get("propagationPolicy") or options.get("orphanDependents") is not None
        return [] if stated else [ORPHAN_WARNING]


def _condition(obj: Object, name: str) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == name and c.get("status") == "True" for c in conditions)


def _status(obj: Object) -> str:
    for name, text in (("Complete", "Complete"), ("Failed", "Failed")):
        if _condition(obj, name):
            return text
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for name in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if _condition(obj, name):
            return name
    return "Running"


def _completions(obj: Object) -> str:
    spec, done = obj.get("spec") or {}, count("status", "succeeded")(obj)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(obj: Object) -> str:
    status = obj.get("status") or {}
    if not status.get("startTime"):
        return ""
    if status.get("completionTime"):
        return human_duration(parse_time(status["completionTime"]) - parse_time(status["startTime"]))
    return since(status["startTime"])


JOB_COLUMNS = (
    Column("Status", _status),
    Column("Completions", _completions),
    Column("Duration", _duration),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "batch",
        "v1",
        "Job",
        "jobs",
        True,
        JobStrategy(),
        categories=("all",),
        columns=JOB_COLUMNS,
        selectable_fields=("status.successful",),
        subresources=(STATUS_SUBRESOURCE,),
    ),
)
