"""CronJobs: a Job at each time of the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

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


async def _trim(loop: Loop, cron: Object, jobs: Sequence[Object]) -> None:
    """Finished Jobs beyond the history limits, oldest first."""
    for kind, name, default in (
        ("Complete", "successfulJobsHistoryLimit", 3),
        ("Failed", "failedJobsHistoryLimit", 1),
    ):
        limit = cron["spec"].get(name)
        found = [one for one in jobs if condition_is(one, kind)]
        found.sort(key=lambda one: (str((one.get("status") or {}).get("startTime")), one["metadata"]["name"]))
        for one in found[: max(0, len(found) - (default if limit is None else int(limit)))]:
            await loop.delete(JOBS, one, propagationPolicy="Background")
            loop.event(cron, "Normal", "SuccessfulDelete", f"Deleted job {one['metadata']['name']}")


def _reference(job: Object) -> Object:
    meta = job["metadata"]
    names = {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
    return {"kind": "Job", "apiVersion": "batch/v1", **names, "resourceVersion": meta["resourceVersion"]}


def _status(cron: Object, jobs: Sequence[Object], started: datetime | None) -> Object:
    old = cron.get("status") or {}
    known = {one["uid"]: one for one in old.get("active") or ()}
    running = [one for one in jobs if not is_finished(one)]
    status: Object = {"active": [known.get(one["metadata"]["uid"]) or _reference(one) for one in running]}
    last = clock.text(started) if started is not None else old.get("lastScheduleTime")
    ended = [str((one.get("status") or {}).get("completionTime")) for one in jobs if condition_is(one, "Complete")]
    succeeded = max([*ended, old.get("lastSuccessfulTime") or ""])
    if last:
        status["lastScheduleTime"] = last
    return {**status, "lastSuccessfulTime": succeeded} if succeeded else status


async def _start(loop: Loop, cron: Object, at: datetime, jobs: Sequence[Object]) -> bool:
    """Start the Job of that time, as the concurrency policy allows; whether the time counts as served."""
    policy, running = cron["spec"].get("concurrencyPolicy", "Allow"), [one for one in jobs if not is_finished(one)]
    if policy == "Forbid" and running:
        loop.event(
            cron,
            "Normal",
            "JobAlreadyActive",
            "Not starting job because prior execution is running and concurrency policy is Forbid",
        )
        return False
    if policy == "Replace":
        for one in running:
            await loop.delete(JOBS, one, propagationPolicy="Background")
    try:
        created = await loop.create(JOBS, new_job(cron, at))
    except StatusError as error:
        if error.code == 409:
            return True
        loop.event(cron, "Warning", "FailedCreate", f"Error creating job: {error.message}")
        raise
    loop.event(cron, "Normal", "SuccessfulCreate", f"Created job {created['metadata']['name']}")
    return True


async def reconcile(loop: Loop, key: str) -> float | None:
    cron = loop[CRON_JOBS].get(key)
    if cron is None or pods.is_terminating(cron):
        return None
    jobs = loop[JOBS].store.by_index(BY_CONTROLLER, cron["metadata"]["uid"])
    await _trim(loop, cron, jobs)
    now, started, again = clock.now(), None, None
    if not cron["spec"].get("suspend"):
        try:
            at, following, missed = due(cron, now)
        except (ValueError, KeyError) as error:
            loop.event(
                cron, "Warning", "UnparseableSchedule", f"unparseable schedule: {cron['spec']['schedule']} : {error}"
            )
            return None
        if missed > TOO_MANY:
            text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            loop.event(cron, "Warning", "TooManyMissedTimes", text)
        if at is not None and await _start(loop, cron, at, jobs):
            started = at
        again = (following - clock.now()).total_seconds() + 0.1 if following is not None else None
    jobs = loop[JOBS].store.by_index(BY_CONTROLLER, cron["metadata"]["uid"])
    await write_status(loop, CRON_JOBS, cron, _status(cron, jobs, started))
    return again


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
