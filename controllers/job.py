"""Jobs: pods that run to completion, counted once each (finalizer `batch.kubernetes.io/job-tracking`, KEP-2307)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from controllers import jobpolicy, ownership, pods, workpods
from controllers.controller import Controller, Loop, own_key
from controllers.jobpolicy import INDEX, is_indexed, is_limited_per_index
from controllers.jobtally import COMPLETED, TRACKING, Tally, is_ending, is_tracked
from controllers.ownership import BY_CONTROLLER, BY_NAMESPACE
from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import JOBS, PODS

MYSELF = "kubernetes.io/job-controller"
Verdict = tuple[str, str, str]
"""(type of the interim condition, reason, message): what the Job is about to end with (KEP-3939, KEP-3998)."""
FINAL = {"FailureTarget": "Failed", "SuccessCriteriaMet": "Complete"}


def condition_is(job: Object, kind: str) -> bool:
    found = pods.condition(job, kind)
    return found is not None and found.get("status") == "True"


def is_finished(job: Object) -> bool:
    return condition_is(job, "Complete") or condition_is(job, "Failed")


# pods


def _new_pod(job: Object, index: int | None, replaced: Object | None = None) -> Object:
    pod = workpods.from_template(job, JOBS, job["spec"]["template"])
    meta, name = pod["metadata"], job["metadata"]["name"]
    meta["finalizers"] = [*(meta.get("finalizers") or ()), TRACKING]
    if index is None:
        return pod
    meta["generateName"] = f"{name}-{index}-"
    meta["annotations"] = {**(meta.get("annotations") or {}), INDEX: str(index), **_history(job, replaced)}
    meta["labels"] = {**(meta.get("labels") or {}), INDEX: str(index)}
    spec = {**pod["spec"], "hostname": f"{name}-{index}"}
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [_with_index(one) for one in spec[kind]]
    return {**pod, "spec": spec}


def _with_index(container: Object) -> Object:
    """The container with its index in the environment, unless it has that variable already."""
    given = container.get("env") or ()
    if any(one["name"] == "JOB_COMPLETION_INDEX" for one in given):
        return container
    field = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    return {**container, "env": [*given, {"name": "JOB_COMPLETION_INDEX", "valueFrom": field}]}


def _history(job: Object, replaced: Object | None) -> dict[str, str]:
    """How often the index has failed so far, where that is limited."""
    if not is_limited_per_index(job):
        return {}
    failures, ignored = jobpolicy.failures_with(job, replaced) if replaced is not None else (0, 0)
    found = {jobpolicy.FAILURES: str(failures)}
    return {**found, jobpolicy.IGNORED_FAILURES: str(ignored)} if ignored else found


async def _manage(loop: Loop, tally: Tally) -> float | None:
    """Create or delete pods; answers when to look again."""
    missing, job = tally.missing(), tally.job
    if missing < 0:
        doomed = workpods.by_deletion_cost(tally.active, tally.active)[:-missing]
        await _untrack(loop, doomed)  # what we take back is no failure
        await workpods.delete_many(loop, job, doomed)
    if missing <= 0:
        return None
    pause = tally.back_off()
    if pause > 0:
        return pause
    wanted: list[int | None] = [None] * missing
    if is_indexed(job):
        free = tally.free_indexes()[:missing]
        pauses = [left for index in free if (left := tally.back_off_of(index)) > 0]
        wanted = [index for index in free if tally.back_off_of(index) <= 0]
        if not wanted:
            return min(pauses, default=None)
    indexes = iter(wanted)

    def make() -> Object:
        index = next(indexes)
        return _new_pod(job, index, tally.delayed.get(index) if index is not None else None)

    error = await workpods.create_many(loop, job, len(wanted), make)
    if error is not None:
        raise error
    return None


async def _untrack(loop: Loop, counted: list[Object]) -> None:
    """Counted pods lose the finalizer, so that they may go."""

    async def one(pod: Object) -> None:
        meta = pod["metadata"]
        kept = [name for name in meta.get("finalizers") or () if name != TRACKING]
        patch = {"metadata": {"uid": meta["uid"], "finalizers": kept or None}}
        patch["metadata"]["resourceVersion"] = meta["resourceVersion"]
        try:
            await loop.patch(PODS, pod, patch)
        except StatusError as error:
            if error.code != 404:
                raise

    await asyncio.gather(*(one(pod) for pod in counted if is_tracked(pod)))


# status


def _counts(tally: Tally, mine: list[Object]) -> Object:
    active = [pod for pod in mine if workpods.is_active(pod)]
    found = {
        **(tally.job.get("status") or {}),
        "active": len(active),
        "ready": sum(map(pods.is_ready, active)),
        "terminating": sum(map(is_ending, mine)),
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "uncountedTerminatedPods": {},
    }
    found = {key: value for key, value in found.items() if value or key not in ("active", "succeeded", "failed")}
    return _with_indexes(tally, found)


def _with_indexes(tally: Tally, status: Object) -> Object:
    found = dict(status)
    if is_indexed(tally.job) and tally.indexes:
        found["completedIndexes"] = jobpolicy.format_indexes(tally.indexes)
    if is_limited_per_index(tally.job):
        found["failedIndexes"] = jobpolicy.format_indexes(tally.failed_indexes)
    return found


def _with_condition(status: Object, kind: str, state: str, reason: str, message: str) -> Object:
    changed = workpods.set_condition(status.get("conditions") or [], kind, state, reason, message)
    now = clock.text(clock.now())
    return {**status, "conditions": [{**one, "lastProbeTime": one.get("lastProbeTime") or now} for one in changed]}


def _suspension(loop: Loop, job: Object, status: Object) -> Object:
    """The Suspended condition as the spec says; a resumed Job starts anew."""
    known = next((one["status"] for one in status.get("conditions") or () if one["type"] == "Suspended"), None)
    if job["spec"].get("suspend"):
        if known != "True":
            loop.event(job, "Normal", "Suspended", "Job suspended")
        status = _with_condition(status, "Suspended", "True", "JobSuspended", "Job suspended")
        return {key: value for key, value in status.items() if key != "startTime"}
    if known != "True":
        return status
    loop.event(job, "Normal", "Resumed", "Job resumed")
    status = _with_condition(status, "Suspended", "False", "JobResumed", "Job resumed")
    return {**status, "startTime": clock.text(clock.now())}


async def _finish(loop: Loop, job: Object, verdict: Verdict) -> None:
    """The last word, once no pod is left on its way out."""
    interim, reason, message = verdict
    status = _with_condition(job["status"], FINAL[interim], "True", reason, message)
    if FINAL[interim] == "Complete":
        status["completionTime"] = clock.text(clock.now())
    await loop.update(JOBS, {**job, "status": status}, "status")
    if FINAL[interim] == "Failed":
        loop.event(job, "Warning", reason, message)
        return
    if int(status.get("succeeded") or 0) > int(job["spec"].get("completions") or 2**31):
        text = "Too many succeeded pods running after completion count reached"
        loop.event(job, "Warning", "TooManySucceededPods", text)
    loop.event(job, "Normal", "Completed", "Job completed")


# reconciling


async def reconcile(loop: Loop, key: str) -> float | None:
    job = loop[JOBS].get(key)
    if job is None or job["spec"].get("managedBy", MYSELF) != MYSELF:
        return None
    found = await ownership.claim(loop, JOBS, job, PODS, ownership.selector_of(job))
    if is_finished(job):
        await _untrack(loop, found)
        return None
    if pods.is_terminating(job):
        await _untrack(loop, Tally(job, found).settled)
        return None
    return await _sync(loop, await _started(loop, job), found)


async def _started(loop: Loop, job: Object) -> Object:
    status = job.get("status") or {}
    if status.get("startTime") or job["spec"].get("suspend") or condition_is(job, "Suspended"):
        return job
    return await loop.update(JOBS, {**job, "status": {**status, "startTime": clock.text(clock.now())}}, "status")


def _verdict(tally: Tally) -> Verdict | None:
    """What was said before is kept; then failure comes before success."""
    for kind in ("SuccessCriteriaMet", "FailureTarget"):
        if condition_is(tally.job, kind):
            found = pods.condition(tally.job, kind) or {}
            return kind, found.get("reason", ""), found.get("message", "")
    failure, success = tally.failure(), tally.success()
    if failure is not None:
        return "FailureTarget", *failure
    return ("SuccessCriteriaMet", *success) if success is not None else None


async def _sync(loop: Loop, job: Object, found: list[Object]) -> float | None:
    tally, again = Tally(job, found), None
    verdict = _verdict(tally)
    if verdict is not None:
        await workpods.delete_many(loop, job, tally.active)
    else:
        again = await _manage(loop, tally)
        if Tally(job, _mine(loop, job)).is_complete():
            verdict = "SuccessCriteriaMet", *COMPLETED
    job = await _report(loop, tally, verdict)
    if verdict is not None and not any(map(is_ending, _mine(loop, job))):
        await _finish(loop, job, verdict)
    waits = [pause for pause in (again, tally.deadline_in()) if pause is not None]
    return max(0.0, min(waits)) if waits and verdict is None else None


def _mine(loop: Loop, job: Object) -> list[Object]:
    return list(loop[PODS].store.by_index(BY_CONTROLLER, job["metadata"]["uid"]))


async def _report(loop: Loop, tally: Tally, verdict: Verdict | None) -> Object:
    """Name the ended pods in the status, let them go, then count them: a crash in between counts none twice and
    forgets none (`uncountedTerminatedPods`)."""
    if verdict is not None:
        tally.count(_end(tally), failed=verdict[0] == "FailureTarget")
    job = tally.job
    if tally.settled:
        status = {**(job.get("status") or {}), "uncountedTerminatedPods": tally.uncounted}
        status = _with_verdict(_with_indexes(tally, status), verdict)
        job = await workpods.write_status(loop, JOBS, job, status)
        await _untrack(loop, tally.settled)
    status = _with_verdict(_counts(tally, _mine(loop, job)), verdict)
    if verdict is None:
        status = _suspension(loop, job, status)
    if "ready" not in (job.get("status") or {}):  # a first count is told even when it is nothing but zeros
        return await loop.update(JOBS, {**job, "status": status}, "status")
    return await workpods.write_status(loop, JOBS, job, status)


def _with_verdict(status: Object, verdict: Verdict | None) -> Object:
    return _with_condition(status, verdict[0], "True", *verdict[1:]) if verdict is not None else status


def _end(tally: Tally) -> list[Object]:
    """All that is still tracked, once the Job ends."""
    settled = {pod["metadata"]["uid"] for pod in tally.settled}
    return [pod for pod in tally.pods if is_tracked(pod) and pod["metadata"]["uid"] not in settled]


# pods whose Job is gone


def _job_of(loop: Loop, pod: Object) -> Object | None:
    """The Job that controls the pod, where it still exists."""
    ref = ownership.controller_of(pod)
    found = loop[JOBS].get(f"{pod['metadata']['namespace']}/{ref['name']}") if ref else None
    return found if ref and found is not None and found["metadata"]["uid"] == ref["uid"] else None


async def release(loop: Loop, key: str) -> None:
    """A tracked pod that no Job counts any more may go: nobody else would take the finalizer away."""
    pod = loop[PODS].get(key)
    if pod is None or not is_tracked(pod):
        return
    ref = ownership.controller_of(pod)
    if ref is not None and (ref["kind"], ref["apiVersion"]) != (JOBS.kind, JOBS.api_version):
        return
    if _job_of(loop, pod) is None:
        await _untrack(loop, [pod])


def _left_behind(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """A tracked pod without a Job."""
    return own_key(loop, old, new) if new is not None and is_tracked(new) and _job_of(loop, new) is None else ()


def _pods_of_gone(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    if new is not None or old is None:
        return ()
    return [ownership.key(pod) for pod in _mine(loop, old) if is_tracked(pod)]


ORPHANS = Controller(
    name="job-orphans",
    component="job-controller",
    watches={PODS: _left_behind, JOBS: _pods_of_gone},
    reconcile=release,
    indexes=ownership.INDEXES,
)
CONTROLLER = Controller(
    name="job",
    component="job-controller",
    watches={JOBS: own_key, PODS: ownership.dependents_keys(PODS, JOBS)},
    reconcile=reconcile,
    indexes={**ownership.INDEXES, (JOBS, BY_NAMESPACE): ownership.namespace_values},
)
