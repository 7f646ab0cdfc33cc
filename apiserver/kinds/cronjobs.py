"""batch/v1 CronJob."""

from __future__ import annotations

import re
import zoneinfo

from apiserver.field import FieldError, invalid, not_supported, required
from apiserver.gointegers import bounded
from apiserver.kinds import features
from apiserver.kinds.job_validation import job_spec
from apiserver.kinds.jobs import default_job_template, job_spec_warnings
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.pod_validation import name_warnings
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.workload import STATUS_SUBRESOURCE
from apiserver.kinds.workload_columns import CONTAINERS, IMAGES, at
from apiserver.table import AGE, since
from apiserver.validation import max_length

CRON_NAME_LIMIT = 52
"""A Job's name gets eleven more characters and must still fit a label."""


CRON_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES: dict[int, dict[str, int]] = {
    3: {name: number for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)},
    4: {name: number for number, name in enumerate("sun mon tue wed thu fri sat".split())},
}
_PREDEFINED = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)(?:\s+(.*))?", re.DOTALL)
_DURATION = re.compile(r"[-+]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+|0")


def cron_error(schedule: str) -> str:
    """What robfig/cron, whose grammar Kubernetes has, says of a schedule; "" where it is fine."""
    zone = _ZONE.fullmatch(schedule)
    if zone:
        if not _known_zone(zone[1]):
            return f"provided bad location {zone[1]}: unknown time zone {zone[1]}"
        schedule = (zone[2] or "").strip()
    if schedule.startswith("@every ") and not _DURATION.fullmatch(schedule[len("@every ") :]):
        duration = schedule[len("@every ") :]
        return f'failed to parse duration {schedule}: time: invalid duration "{duration}"'
    if schedule.startswith("@"):
        known = schedule in _PREDEFINED or schedule.startswith("@every ")
        return "" if known else f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    parts = ((part, index) for index, field in enumerate(fields) for part in field.split(",") if part)
    return next((fault for part, index in parts if (fault := _part_error(part, index))), "")


class _Unreadable(ValueError):
    """A number that is none."""


def _number(text: str, index: int = 0) -> int:
    name = _NAMES.get(index, {}).get(text.lower())
    if name is not None:
        return name
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise _Unreadable(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if bounded(text) < 0:
        raise _Unreadable(f"negative number ({text}) not allowed: {text}")
    return bounded(text)


def _part_error(part: str, index: int) -> str:
    """One range: `*`, `5`, `1-5`, each with an optional `/step`."""
    span, *steps = part.split("/")
    ends = span.split("-")
    low, high = CRON_FIELDS[index]
    try:
        if ends[0] in ("*", "?"):
            start, end = low, high
        elif len(ends) > 2:
            return f"too many hyphens: {part}"
        else:
            start = _number(ends[0], index)
            end = _number(ends[1], index) if len(ends) == 2 else start
        if len(steps) > 1:
            return f"too many slashes: {part}"
        step = _number(steps[0]) if steps else 1
    except _Unreadable as fault:
        return str(fault)
    if steps and len(ends) == 1:
        end = high
    return _range_error(part, (low, high), (start, end), step)


def _range_error(part: str, bounds: tuple[int, int], span: tuple[int, int], step: int) -> str:
    (low, high), (start, end) = bounds, span
    if start < low:
        return f"beginning of range ({start}) below minimum ({low}): {part}"
    if end > high:
        return f"end of range ({end}) above maximum ({high}): {part}"
    if start > end:
        return f"beginning of range ({start}) beyond end of range ({end}): {part}"
    return "" if step else f"step of range should be a positive number: {part}"


def _known_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


POLICIES = ("Allow", "Forbid", "Replace")


class CronJobStrategy(Strategy):
    """CronJob."""

    disabled_fields = features.of_pods("spec.jobTemplate.spec.template.spec")
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
        default_job_template(job.setdefault("spec", {}))

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        if old is not None and old["spec"] == obj["spec"]:
            return []
        job = (obj["spec"].get("jobTemplate") or {}).get("spec") or {}
        found = name_warnings(obj, old) + job_spec_warnings(job, "spec.jobTemplate.spec")
        if "TZ" in obj["spec"].get("schedule", ""):
            found.append("cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead")
        return found

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found = self._spec(obj["spec"], None, context)
        name = obj["metadata"].get("name", "")
        if len(name) > CRON_NAME_LIMIT:
            found.append(invalid("metadata.name", name, max_length(CRON_NAME_LIMIT)))
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return self._spec(obj["spec"], old["spec"], context)

    def _spec(self, spec: Object, before: Object | None, context: Context) -> list[FieldError]:
        found = _schedule(spec, before)
        found += not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
        if before is None or spec.get("timeZone") != before.get("timeZone"):
            found += _time_zone(spec.get("timeZone"))
        if spec.get("concurrencyPolicy") not in POLICIES:
            found.append(not_supported("spec.concurrencyPolicy", spec.get("concurrencyPolicy", ""), POLICIES))
        found += _job(spec["jobTemplate"]["spec"], context)
        for limit in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
            found += not_negative(f"spec.{limit}", spec.get(limit))
        return found


def _schedule(spec: Object, before: Object | None) -> list[FieldError]:
    """A zone inside the schedule is kept where it was (KEP-3140)."""
    schedule, path = spec.get("schedule", ""), "spec.schedule"
    if not schedule:
        return [required(path)]
    fault = cron_error(schedule)
    found = [invalid(path, schedule, fault)] if fault else []
    known = before is not None and "TZ" in before.get("schedule", "")
    if "TZ" in schedule and not known:
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        found.append(invalid(path, schedule, why))
    elif "TZ" in schedule and spec.get("timeZone") is not None:
        why = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        found.append(invalid(path, schedule, why))
    return found


def _job(spec: Object, context: Context) -> list[FieldError]:
    """The template of the jobs: their selector is generated."""
    path = "spec.jobTemplate.spec"
    found = job_spec(spec, path, context, needs_selector=False)
    if spec.get("selector") is not None:
        found.append(invalid(f"{path}.selector", spec["selector"], "`selector` will be auto-generated"))
    if spec.get("manualSelector"):
        found.append(not_supported(f"{path}.manualSelector", True, ("nil", "false")))
    return found


_ZONE_PART = re.compile(r"[A-Za-z._0-9+-]{1,14}")


def _time_zone(zone: str | None) -> list[FieldError]:
    """A name of the IANA database; see its theory.html for how names are made."""
    path = "spec.timeZone"
    if zone is None:
        return []
    if not zone:
        return [invalid(path, zone, "timeZone must be nil or non-empty string")]
    unknown = [invalid(path, zone, f"unknown time zone {zone}")]
    for part in zone.split("/"):
        if part in (".", "..") or part.startswith("-") or not _ZONE_PART.fullmatch(part):
            return unknown
    if zone.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        return [invalid(path, zone, why)] + ([] if zone == "Local" else unknown)
    return [] if _known_zone(zone) else unknown


def _last_schedule(obj: Object) -> str:
    when = (obj.get("status") or {}).get("lastScheduleTime")
    return since(when) if when else "<none>"


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
        "batch",
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
)
