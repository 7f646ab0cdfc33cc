"""CronJobs: a Job at each time of the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from controllers import ownership, pods, schedule
from controllers.controller import Controller, Loop, own_key
from controllers.job import condition_is, is_finished
from controllers.ownership import BY_CONTROLLER, BY_NAMESPACE
from controllers.workpods import write_status
from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import CRON_JOBS, JOBS

TOO_MANY = 100
"""Missed times that suggest a wrong clock rather than a pause."""


def due(cron: Object, now: datetime) -> tuple[datetime | None, datetime | None, int]:
    """(the last time that is due, the next one, how many were missed). Raises ValueError for a bad schedule."""
    spec = cron["spec"]
    zone: tzinfo = ZoneInfo(spec["timeZone"]) if spec.get("timeZone") else UTC
    times = schedule.parse(spec["schedule"])
    last = (cron.get("status") or {}).get("lastScheduleTime") or cron["metadata"]["creationTimestamp"]
    since = clock.parse(last) or now
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, now - timedelta(seconds=deadline))
    found, missed = None, 0
    at = times.after(since.astimezone(zone))
    while at is not None and at <= now and missed <= TOO_MANY:
        found, missed = at, missed + 1
        at = times.after(at)
    if missed > TOO_MANY:  # skip to the present
        at = times.after(now.astimezone(zone))
    return found, at, missed


def new_job(cron: Object, at: datetime) -> Object:
    """The Job of that time; its name makes a second one impossible."""
    template = cron["spec"]["jobTemplate"]
    meta = template.get("metadata") or {}
    annotations = {**(meta.get("annotations") or {})}
    annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] = at.isoformat().replace("+00:00", "Z")
    return {
        "metadata": {
            "name": f"{cron['metadata']['name']}-{int(at.timestamp()) // 60}",
            "namespace": cron["metadata"]["namespace"],
            "labels": meta.get("labels") or {},
            "annotations": annotations,
            "ownerReferences": [ownership.reference(cron, CRON_JOBS)],
        },
        "spec": template["spec"],
    }


async def _trim(loop: Loop, cron: Object, jobs: Sequence[Object]) -> list[Object]:
    """Finished Jobs beyond the history limits go, oldest first; answers those that stay."""
    gone = set()
    for kind, name, default in (
        ("Complete", "successfulJobsHistoryLimit", 3),
        ("Failed", "failedJobsHistoryLimit", 1),
    ):
        limit = cron["spec"].get(name)
        found = [one for one in jobs if condition_is(one, kind)]
        found.sort(key=lambda one: (str((one.get("status") or {}).get("startTime")), one["metadata"]["name"]))
        for one in found[: max(0, len(found) - (default if limit is None else int(limit)))]:
            await _delete(loop, cron, one)
            gone.add(one["metadata"]["uid"])
    return [one for one in jobs if one["metadata"]["uid"] not in gone]


async def _delete(loop: Loop, cron: Object, job: Object) -> None:
    await loop.delete(JOBS, job, propagationPolicy="Background")
    loop.event(cron, "Normal", "SuccessfulDelete", f"Deleted job {job['metadata']['name']}")


def _reference(job: Object) -> Object:
    meta = job["metadata"]
    names = {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
    return {"kind": "Job", "apiVersion": "batch/v1", **names, "resourceVersion": meta["resourceVersion"]}


# what became of the Jobs


def _watched(loop: Loop, cron: Object, jobs: Sequence[Object]) -> Object:
    """The status with what became of the Jobs since: only those that we started are active; what ended, went missing
    or is somebody else's is told."""
    old = cron.get("status") or {}
    by_uid = {one["metadata"]["uid"]: one for one in jobs}
    active = [one for one in old.get("active") or () if _is_active(loop, cron, one, by_uid.get(one["uid"]))]
    started = {one["uid"] for one in old.get("active") or ()}
    for uid, job in by_uid.items():
        if uid not in started and not is_finished(job):
            text = f"Saw a job that the controller did not create or forgot: {job['metadata']['name']}"
            loop.event(cron, "Warning", "UnexpectedJob", text)
    ended = [str((one.get("status") or {}).get("completionTime")) for one in jobs if condition_is(one, "Complete")]
    succeeded = max([*ended, old.get("lastSuccessfulTime") or ""])
    status: Object = {**old, "active": active}
    return {**status, "lastSuccessfulTime": succeeded} if succeeded else status


def _is_active(loop: Loop, cron: Object, reference: Object, job: Object | None) -> bool:
    if job is None:
        loop.event(cron, "Normal", "MissingJob", f"Active job went missing: {reference['name']}")
        return False
    for kind in ("Complete", "Failed"):
        if condition_is(job, kind):
            text = f"Saw completed job: {reference['name']}, condition: {kind}"
            loop.event(cron, "Normal", "SawCompletedJob", text)
            return False
    return True


# the next Job


async def _start(loop: Loop, cron: Object, at: datetime, status: Object) -> Object:
    """Start the Job of that time, as the concurrency policy allows; answers the status after it."""
    policy, active = cron["spec"].get("concurrencyPolicy", "Allow"), status["active"]
    if policy == "Forbid" and active:
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        loop.event(cron, "Normal", "JobAlreadyActive", text)
        return status
    if policy == "Replace":
        for one in active:
            job = loop[JOBS].get(f"{one['namespace']}/{one['name']}")
            if job is not None:
                await _delete(loop, cron, job)
        active = []
    job = await _create(loop, cron, at)
    if job is None:
        return status
    known = [one for one in active if one["uid"] != job["metadata"]["uid"]]
    return {**status, "active": [*known, _reference(job)], "lastScheduleTime": clock.text(at)}


async def _create(loop: Loop, cron: Object, at: datetime) -> Object | None:
    """The Job of that time, which an earlier attempt may have made; None where the name is somebody else's."""
    wanted = new_job(cron, at)
    name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
    try:
        created = await loop.create(JOBS, wanted)
    except StatusError as error:
        if error.code != 409:
            loop.event(cron, "Warning", "FailedCreate", f"Error creating job: {error.message}")
            raise
        found = await loop.client.get(JOBS, name, namespace)
        owner = ownership.controller_of(found)
        return found if owner is not None and owner["uid"] == cron["metadata"]["uid"] else None
    loop.event(cron, "Normal", "SuccessfulCreate", f"Created job {name}")
    return created


def _planned(loop: Loop, cron: Object, now: datetime) -> tuple[datetime | None, datetime | None]:
    """(the time to serve now, the next one); neither for a schedule that cannot be followed, which is told."""
    given = cron["spec"]["schedule"]
    try:
        at, following, missed = due(cron, now)
    except ZoneInfoNotFoundError:
        zone = cron["spec"]["timeZone"]
        text = f'invalid timeZone: "{zone}": unknown time zone {zone}'
        loop.event(cron, "Warning", "UnknownTimeZone", text)
        return None, None
    except (ValueError, KeyError) as error:
        loop.event(cron, "Warning", "UnparseableSchedule", f'unparseable schedule: "{given}" : {error}')
        return None, None
    if at is None and following is None:
        text = f"invalid schedule: {given} : time difference between two schedules is less than 1 second"
        loop.event(cron, "Warning", "InvalidSchedule", text)
    if missed > TOO_MANY:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        loop.event(cron, "Warning", "TooManyMissedTimes", text)
    return at, following


async def reconcile(loop: Loop, key: str) -> float | None:
    cron = loop[CRON_JOBS].get(key)
    if cron is None:
        return None
    jobs = await _trim(loop, cron, loop[JOBS].store.by_index(BY_CONTROLLER, cron["metadata"]["uid"]))
    status, following = _watched(loop, cron, jobs), None
    try:
        if not pods.is_terminating(cron) and not cron["spec"].get("suspend"):
            at, following = _planned(loop, cron, clock.now())
            status = status if at is None else await _start(loop, cron, at, status)
    finally:  # what became of earlier Jobs is told even where a new one is refused
        await write_status(loop, CRON_JOBS, cron, status)
    return (following - clock.now()).total_seconds() + 0.1 if following is not None else None


def _no_values(cron: Object) -> tuple[str, ...]:
    """CronJobs adopt nothing: orphans are offered to none."""
    return ()


CONTROLLER = Controller(
    name="cronjob",
    component="cronjob-controller",
    watches={CRON_JOBS: own_key, JOBS: ownership.dependents_keys(JOBS, CRON_JOBS)},
    reconcile=reconcile,
    indexes={(JOBS, BY_CONTROLLER): ownership.controller_values, (CRON_JOBS, BY_NAMESPACE): _no_values},
)
