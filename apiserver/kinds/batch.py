"""batch/v1: Job and CronJob."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from typing import Any

from apiserver.field import FieldError, immutable, invalid, not_supported, required
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.pod import default_pod_spec, validate_pod_template
from apiserver.kinds.pod_validation import template_warnings
from apiserver.kinds.workload import STATUS_SUBRESOURCE, non_negative
from apiserver.kinds.workload_columns import CONTAINERS, IMAGES, SELECTOR, at, count
from apiserver.table import AGE, human_duration, parse_time, since
from apiserver.validation import dns1123_subdomain, max_length

GROUP = "batch"
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
FIXED = ("completions", "selector", "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex")
RESTART = ("OnFailure", "Never")
CRON_NAME_LIMIT = 52
"""A Job's name gets eleven more characters and must still fit a label."""


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
        spec["podReplacementPolicy"] = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    _default_failure_policy(spec.get("podFailurePolicy"))


def _default_failure_policy(policy: Object | None) -> None:
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern.setdefault("status", "True")


def _template(spec: Object) -> Object:
    template: Object = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))
    return template


class JobStrategy(Strategy):
    """Job."""

    has_generation = True
    orphan_dependents_by_default = True
    """As ReplicationControllers: what batch/v1 inherited from its first version."""

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        _template(spec)
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
        return template_warnings(obj["spec"].get("template") or {}, "spec.template")

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return validate_job_spec(obj["spec"], "spec", context, needs_selector=True)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context)
        new, before = obj["spec"], old["spec"]
        for name in FIXED:
            if new.get(name) != before.get(name):
                found.append(immutable(f"spec.{name}", new.get(name)))
        return found

    def delete_warnings(self, obj: Object, options: Mapping[str, Any]) -> list[str]:
        stated = options.get("propagationPolicy") or options.get("orphanDependents") is not None
        return [] if stated else [ORPHAN_WARNING]


def validate_job_spec(spec: Object, path: str, context: Context, *, needs_selector: bool) -> list[FieldError]:
    """A JobSpec; a CronJob's template has no selector yet."""
    found: list[FieldError] = []
    for name in ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"):
        found += non_negative(spec.get(name), f"{path}.{name}")
    if needs_selector and spec.get("selector") is None:
        found.append(required(f"{path}.selector"))
    mode = spec.get("completionMode")
    if mode not in ("NonIndexed", "Indexed", None):
        found.append(not_supported(f"{path}.completionMode", mode, ("Indexed", "NonIndexed")))
    if mode == "Indexed" and spec.get("completions") is None:
        found.append(required(f"{path}.completions", "when completion mode is Indexed"))
    found += validate_pod_template(spec.get("template") or {}, f"{path}.template", context)
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    if policy == "Always":
        where = f"{path}.template.spec.restartPolicy"
        found.append(FieldError("FieldValueRequired", where, 'Required value: valid values: "OnFailure", "Never"'))
    elif policy not in (*RESTART, None):
        found.append(not_supported(f"{path}.template.spec.restartPolicy", policy, RESTART))
    return found


CRON_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = "sun mon tue wed thu fri sat".split()
_PREDEFINED = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})


def cron_error(schedule: str) -> str:
    """What robfig/cron says of a schedule; "" where it is fine."""
    if schedule.startswith("@"):
        if schedule in _PREDEFINED or re.fullmatch(r"@every \d+[hms](\d+[hms])*", schedule):
            return ""
        return f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for index, field in enumerate(fields):
        for part in field.split(","):
            error = _part_error(part, index)
            if error:
                return error
    return ""


def _part_error(part: str, index: int) -> str:
    low, high = CRON_FIELDS[index]
    span, _, step = part.partition("/")
    if step and not step.isdigit():
        return f'failed to parse int from {step}: strconv.Atoi: parsing "{step}": invalid syntax'
    if step == "0":
        return f"step of range should be a positive number: {part}"
    if span in ("*", "?"):
        return ""
    names = {3: _MONTHS, 4: _DAYS}.get(index, [])
    numbers = []
    for end in span.split("-"):
        if end.lower() in names:
            numbers.append(names.index(end.lower()) + (1 if index == 3 else 0))
        elif end.isdigit():
            numbers.append(int(end))
        else:
            return f'failed to parse int from {end}: strconv.Atoi: parsing "{end}": invalid syntax'
    if numbers[0] < low:
        return f"beginning of range ({numbers[0]}) below minimum ({low}): {part}"
    if numbers[-1] > high:
        return f"end of range ({numbers[-1]}) above maximum ({high}): {part}"
    if len(numbers) > 1 and numbers[0] > numbers[1]:
        return f"beginning of range ({numbers[0]}) beyond end of range ({numbers[1]}): {part}"
    return ""


class CronJobStrategy(Strategy):
    """CronJob."""

    has_generation = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("concurrencyPolicy"):
            spec["concurrencyPolicy"] = "Allow"
        spec.setdefault("suspend", False)
        spec.setdefault("successfulJobsHistoryLimit", 3)
        spec.setdefault("failedJobsHistoryLimit", 1)
        job = spec.setdefault("jobTemplate", {})
        job.setdefault("metadata", {})
        _template(job.setdefault("spec", {}))

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        if old is not None and old["spec"] == obj["spec"]:
            return []
        return template_warnings(
            ((obj["spec"].get("jobTemplate") or {}).get("spec") or {}).get("template") or {},
            "spec.jobTemplate.spec.template",
        )

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, found = obj["spec"], []
        name = obj["metadata"].get("name", "")
        schedule = spec.get("schedule", "")
        if not schedule:
            found.append(required("spec.schedule"))
        elif cron_error(schedule):
            found.append(invalid("spec.schedule", schedule, cron_error(schedule)))
        if "TZ" in schedule:
            why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            found.append(invalid("spec.schedule", schedule, why))
        found += non_negative(spec.get("startingDeadlineSeconds"), "spec.startingDeadlineSeconds")
        policies = ("Allow", "Forbid", "Replace")
        if spec.get("concurrencyPolicy") not in policies:
            found.append(not_supported("spec.concurrencyPolicy", spec.get("concurrencyPolicy", ""), policies))
        found += _time_zone(spec.get("timeZone"))
        found += validate_job_spec(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", context, needs_selector=False)
        for limit in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
            found += non_negative(spec.get(limit), f"spec.{limit}")
        if len(name) > CRON_NAME_LIMIT:
            found.append(invalid("metadata.name", name, max_length(CRON_NAME_LIMIT)))
        return found

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return dns1123_subdomain(name, prefix=prefix)


def _time_zone(zone: str | None) -> list[FieldError]:
    if zone is None:
        return []
    if not zone:
        return [invalid("spec.timeZone", zone, "must be a non-empty string or nil")]
    if zone.lower() == "local":
        return [
            invalid(
                "spec.timeZone",
                zone,
                "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
            )
        ]
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return [invalid("spec.timeZone", zone, f"unknown time zone {zone}")]
    return []


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


def _last_schedule(obj: Object) -> str:
    when = (obj.get("status") or {}).get("lastScheduleTime")
    return since(when) if when else "<none>"


JOB_COLUMNS = (
    Column("Status", _status),
    Column("Completions", _completions),
    Column("Duration", _duration),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)
CRON_COLUMNS = (
    Column("Schedule", at("spec", "schedule", default="")),
    Column("Timezone", at("spec", "timeZone", default="<none>")),
    Column("Suspend", lambda obj: "True" if (obj.get("spec") or {}).get("suspend") else "False", type="boolean"),
    Column("Active", lambda obj: len((obj.get("status") or {}).get("active") or ()), type="integer"),
    Column("Last Schedule", _last_schedule),
    AGE,
    CONTAINERS,
    IMAGES,
    Column("Selector", lambda obj: "<none>", priority=1),
)

KINDS: tuple[Kind, ...] = (
    Kind(
        GROUP,
        "v1",
        "CronJob",
        "cronjobs",
        True,
        CronJobStrategy(),
        short_names=("cj",),
        categories=("all",),
        columns=CRON_COLUMNS,
        subresources=(STATUS_SUBRESOURCE,),
    ),
    Kind(
        GROUP,
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
