"""Jobs: pods that run to completion, counted once each (finalizer `batch.kubernetes.io/job-tracking`, KEP-2307)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from controllers import ownership, pods, workpods
from controllers.controller import Controller, Loop, own_key
from controllers.ownership import BY_CONTROLLER, BY_NAMESPACE
from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import JOBS, PODS

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
BACK_OFF_FIRST, BACK_OFF_CAP = 10.0, 600.0
"""Seconds after the last failure before another pod is made, doubled with each failure."""

FAILED_LIMIT = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
FAILED_DEADLINE = ("DeadlineExceeded", "Job was active longer than specified deadline")


def condition_is(job: Object, kind: str) -> bool:
    found = pods.condition(job, kind)
    return found is not None and found.get("status") == "True"


def is_finished(job: Object) -> bool:
    return condition_is(job, "Complete") or condition_is(job, "Failed")


def is_indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Object) -> int | None:
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdigit() else None


def parse_indexes(text: str) -> set[int]:
    """`1,3-5` -> {1, 3, 4, 5}."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: set[int]) -> str:
    """{1, 3, 4, 5} -> `1,3-5`."""
    parts: list[list[int]] = []
    for index in sorted(indexes):
        if parts and parts[-1][1] == index - 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    shown = (str(a) if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in parts)
    return ",".join(shown)


class Tally:
    """A Job, its pods, and what they add to its status."""

    def __init__(self, job: Object, found: list[Object]) -> None:
        self.job, self.pods = job, found
        status = job.get("status") or {}
        self.active = [pod for pod in found if workpods.is_active(pod)]
        self.done = [pod for pod in found if pods.is_finished(pod) or pods.is_terminating(pod)]
        uncounted = [pod for pod in found if TRACKING in (pod["metadata"].get("finalizers") or ())]
        self.settled = [pod for pod in uncounted if pods.is_finished(pod) or pods.is_terminating(pod)]
        self.indexes = parse_indexes(status.get("completedIndexes") or "")
        succeeded = [pod for pod in self.settled if pods.phase(pod) == "Succeeded"]
        failed = [pod for pod in self.settled if pods.phase(pod) != "Succeeded"]
        self.failed = int(status.get("failed") or 0) + len(failed)
        if is_indexed(job):
            limit = job["spec"].get("completions") or 0
            self.indexes |= {i for pod in succeeded if (i := index_of(pod)) is not None and i < limit}
            self.succeeded = len(self.indexes)
        else:
            self.succeeded = int(status.get("succeeded") or 0) + len(succeeded)

    def failure(self) -> tuple[str, str] | None:
        """Why the Job has failed, where it has."""
        spec = self.job["spec"]
        restarts = 0
        if (spec["template"].get("spec") or {}).get("restartPolicy") == "OnFailure":
            statuses = (s for pod in self.active for s in (pod.get("status") or {}).get("containerStatuses") or ())
            restarts = sum(int(status.get("restartCount") or 0) for status in statuses)
        limit = spec.get("backoffLimit")
        limit = 6 if limit is None else int(limit)
        if self.failed > limit or (restarts and restarts >= limit):
            return FAILED_LIMIT
        left = self.deadline_in()
        return FAILED_DEADLINE if left is not None and left <= 0 else None

    def deadline_in(self) -> float | None:
        deadline = self.job["spec"].get("activeDeadlineSeconds")
        started = clock.parse((self.job.get("status") or {}).get("startTime"))
        if deadline is None or started is None or self.job["spec"].get("suspend"):
            return None
        return float(deadline) - (clock.now() - started).total_seconds()

    def is_complete(self) -> bool:
        completions = self.job["spec"].get("completions")
        if completions is None:  # a work queue: done when one succeeded and none is left
            return self.succeeded > 0 and not self.active
        return self.succeeded >= int(completions)

    def missing(self) -> int:
        """Pods to create (or, below zero, to delete)."""
        spec = self.job["spec"]
        parallelism = spec.get("parallelism")
        wanted = 1 if parallelism is None else int(parallelism)
        if spec.get("completions") is None:
            wanted = len(self.active) if self.succeeded else wanted
        else:
            wanted = min(wanted, int(spec["completions"]) - self.succeeded)
        ending = sum(pods.is_terminating(pod) and not pods.is_finished(pod) for pod in self.pods)
        if spec.get("podReplacementPolicy") == "Failed":
            wanted = max(0, wanted - ending)
        return wanted - len(self.active)

    def free_indexes(self) -> list[int]:
        taken = {index_of(pod) for pod in self.active} | self.indexes
        return [index for index in range(int(self.job["spec"].get("completions") or 0)) if index not in taken]

    def back_off(self) -> float:
        """Seconds until the next pod may be made."""
        times = [moment for pod in self.done if pods.phase(pod) == "Failed" and (moment := _finished_at(pod))]
        if not times or not self.failed:
            return 0.0
        pause = min(BACK_OFF_FIRST * 2 ** min(self.failed - 1, 10), BACK_OFF_CAP)
        return (max(times) + timedelta(seconds=pause) - clock.now()).total_seconds()


def _finished_at(pod: Object) -> datetime | None:
    times = []
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = ((status.get("state") or {}).get("terminated") or {}).get("finishedAt")
        times.append(clock.parse(ended))
    known = [moment for moment in times if moment is not None]
    if known:
        return max(known)
    changed = (pods.condition(pod, "Ready") or {}).get("lastTransitionTime")
    return clock.parse(changed) or clock.parse(pod["metadata"].get("creationTimestamp"))


# acting


def _new_pod(job: Object, index: int | None) -> Object:
    pod = workpods.from_template(job, JOBS, job["spec"]["template"])
    meta, name = pod["metadata"], job["metadata"]["name"]
    meta["finalizers"] = [*(meta.get("finalizers") or ()), TRACKING]
    if index is None:
        return pod
    meta["generateName"] = f"{name}-{index}-"
    meta["annotations"] = {**(meta.get("annotations") or {}), INDEX: str(index)}
    meta["labels"] = {**(meta.get("labels") or {}), INDEX: str(index)}
    field = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
    variable = {"name": "JOB_COMPLETION_INDEX", "valueFrom": field}
    spec = dict(pod["spec"])
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [{**one, "env": [*(one.get("env") or ()), variable]} for one in spec[kind]]
    if not spec.get("hostname"):
        spec["hostname"] = f"{name}-{index}"
    return {**pod, "spec": spec}


async def _manage(loop: Loop, tally: Tally) -> float | None:
    """Create or delete pods; answers when to look again."""
    missing, job = tally.missing(), tally.job
    if missing < 0:
        await workpods.delete_many(loop, job, workpods.by_deletion_cost(tally.active, tally.active)[:-missing])
    if missing <= 0:
        return None
    pause = tally.back_off()
    if pause > 0:
        return pause
    indexes = iter(tally.free_indexes()[:missing])
    error = await workpods.create_many(
        loop, job, missing, lambda: _new_pod(job, next(indexes) if is_indexed(job) else None)
    )
    if error is not None:
        raise error
    return None


async def _untrack(loop: Loop, settled: list[Object]) -> None:
    """Counted pods lose the finalizer, so that they may go."""

    async def one(pod: Object) -> None:
        meta = pod["metadata"]
        kept = [name for name in meta.get("finalizers") or () if name != TRACKING]
        patch = {
            "metadata": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"], "finalizers": kept or None}
        }
        try:
            await loop.patch(PODS, pod, patch)
        except StatusError as error:
            if error.code != 404:
                raise

    await asyncio.gather(*(one(pod) for pod in settled))


def _counts(tally: Tally, active: list[Object]) -> Object:
    ending = sum(pods.is_terminating(pod) and not pods.is_finished(pod) for pod in tally.pods)
    old = dict(tally.job.get("status") or {})
    found = {
        **old,
        "active": len(active),
        "ready": sum(map(pods.is_ready, active)),
        "terminating": ending,
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "uncountedTerminatedPods": {},
    }
    if is_indexed(tally.job):
        found["completedIndexes"] = format_indexes(tally.indexes)
    names = ("active", "succeeded", "failed", "completedIndexes")
    return {key: value for key, value in found.items() if value or key not in names}


def _finish(status: Object, kinds: tuple[str, str], reason: str, message: str) -> Object:
    conditions = list(status.get("conditions") or ())
    for kind in kinds:
        conditions = workpods.set_condition(conditions, kind, "True", reason, message)
        now = clock.text(clock.now())
        conditions = [{**one, "lastProbeTime": one.get("lastProbeTime") or now} for one in conditions]
    return {**status, "conditions": conditions}


def _suspension(job: Object, status: Object) -> Object:
    conditions, suspended = status.get("conditions") or [], bool(job["spec"].get("suspend"))
    if suspended:
        wanted = ("True", "JobSuspended", "Job suspended")
    elif any(one["type"] == "Suspended" for one in conditions):
        wanted = ("False", "JobResumed", "Job resumed")
    else:
        return status
    changed = workpods.set_condition(conditions, "Suspended", *wanted)
    now = clock.text(clock.now())
    status = {**status, "conditions": [{**one, "lastProbeTime": one.get("lastProbeTime") or now} for one in changed]}
    if suspended:
        status.pop("startTime", None)
    return status


async def reconcile(loop: Loop, key: str) -> float | None:
    job = loop[JOBS].get(key)
    if job is None or job["spec"].get("managedBy", "kubernetes.io/job-controller") != "kubernetes.io/job-controller":
        return None
    found = await ownership.claim(loop, JOBS, job, PODS, ownership.selector_of(job))
    if is_finished(job):
        await _untrack(loop, Tally(job, found).settled)
        return None
    if pods.is_terminating(job):
        return None
    job = await _started(loop, job)
    tally = Tally(job, found)
    failure = tally.failure()
    again = None
    if failure is not None or tally.is_complete() or job["spec"].get("suspend"):
        await workpods.delete_many(loop, job, tally.active)
    else:
        again = await _manage(loop, tally)
    await _report(loop, tally, failure)
    left = tally.deadline_in()
    return min(pause for pause in (again, left) if pause is not None) if again or left else None


async def _started(loop: Loop, job: Object) -> Object:
    status = job.get("status") or {}
    if status.get("startTime") or job["spec"].get("suspend"):
        return job
    return await loop.update(JOBS, {**job, "status": {**status, "startTime": clock.text(clock.now())}}, "status")


async def _report(loop: Loop, tally: Tally, failure: tuple[str, str] | None) -> None:
    """Count first, then let the counted pods go: a crash in between counts nothing twice, as the finalizers say
    which pods are counted only together with the numbers."""
    job = tally.job
    mine = loop[PODS].store.by_index(BY_CONTROLLER, job["metadata"]["uid"])
    active = [pod for pod in mine if workpods.is_active(pod)]
    ends = failure is not None or tally.is_complete()
    status = _suspension(job, _counts(tally, [] if ends else active))
    if failure is not None:
        status = _finish(status, ("FailureTarget", "Failed"), *failure)
        loop.event(job, "Warning", *failure)
    elif tally.is_complete():
        message = "Reached expected number of succeeded pods"
        status = _finish(status, ("SuccessCriteriaMet", "Complete"), "CompletionsReached", message)
        status["completionTime"] = clock.text(clock.now())
        loop.event(job, "Normal", "Completed", "Job completed")
    current = await workpods.write_status(loop, JOBS, job, status)
    await _untrack(loop, tally.settled)
    loop.informers.observe(JOBS, current)


CONTROLLER = Controller(
    name="job",
    component="job-controller",
    watches={JOBS: own_key, PODS: ownership.dependents_keys(PODS, JOBS)},
    reconcile=reconcile,
    indexes={**ownership.INDEXES, (JOBS, BY_NAMESPACE): ownership.namespace_values},
)
