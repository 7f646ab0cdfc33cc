"""A Job, its pods, and what follows from them: how many to make, whether it has failed or is done. Nothing is written
here."""

from __future__ import annotations

from datetime import datetime, timedelta

from controllers import jobpolicy, pods, workpods
from controllers.jobpolicy import index_of, is_failed, is_indexed, is_limited_per_index
from miniplane.client import clock
from miniplane.client.api import Object

TRACKING = "batch.kubernetes.io/job-tracking"
BACK_OFF_FIRST, BACK_OFF_CAP = 10.0, 600.0
"""Seconds after the last failure before another pod is made, doubled with each failure."""

FAILED_LIMIT = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
FAILED_DEADLINE = ("DeadlineExceeded", "Job was active longer than specified deadline")
FAILED_MANY = ("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes")
FAILED_INDEXES = ("FailedIndexes", "Job has failed indexes")
COMPLETED = ("CompletionsReached", "Reached expected number of succeeded pods")


def is_tracked(pod: Object) -> bool:
    """Whether the pod is not counted yet."""
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def is_ending(pod: Object) -> bool:
    return pods.is_terminating(pod) and not pods.is_finished(pod)


class Tally:
    """A Job, its pods, and what they add to its status."""

    def __init__(self, job: Object, found: list[Object]) -> None:
        self.job, self.pods = job, found
        status = job.get("status") or {}
        completions = int(job["spec"].get("completions") or 0)
        self.active = [pod for pod in found if workpods.is_active(pod)]
        self.ending = [pod for pod in found if is_ending(pod)]
        self.done = [pod for pod in found if pods.phase(pod) == "Succeeded" or is_failed(job, pod)]
        fresh = [pod for pod in self.done if is_tracked(pod)]
        new_failed = [pod for pod in fresh if pods.phase(pod) != "Succeeded"]
        new_succeeded = [pod for pod in fresh if pods.phase(pod) == "Succeeded"]
        uncounted: Object = status.get("uncountedTerminatedPods") or {}
        self.uncounted: dict[str, list[str]] = {}
        self.indexes = jobpolicy.parse_indexes(status.get("completedIndexes") or "")
        if is_indexed(job):
            self.indexes = {i for i in self.indexes | _indexes(new_succeeded) if i < completions}
            self.succeeded = len(self.indexes)
        else:
            known = {*(uncounted.get("succeeded") or ()), *(pod["metadata"]["uid"] for pod in new_succeeded)}
            self.uncounted["succeeded"] = sorted(known)
            self.succeeded = int(status.get("succeeded") or 0) + len(known)
        self.failed_indexes = jobpolicy.parse_indexes(status.get("failedIndexes") or "")
        if is_limited_per_index(job):
            self.failed_indexes |= _indexes([pod for pod in new_failed if jobpolicy.fails_index(job, pod)])
        self.delayed = self._delayed(new_failed)
        kept = {pod["metadata"]["uid"] for pod in self.delayed.values()}
        self.settled = [pod for pod in fresh if pod["metadata"]["uid"] not in kept]
        self._failed_before = set(uncounted.get("failed") or ())
        self._all_failed = self._failed_before | {pod["metadata"]["uid"] for pod in self._counted(new_failed)}
        self.failed = 0
        self._count(self.settled)

    def _count(self, found: list[Object]) -> None:
        known = self._failed_before | {pod["metadata"]["uid"] for pod in self._counted(found)}
        self.uncounted["failed"] = sorted(known)
        self.failed = self._failed_earlier() + len(known)

    def _failed_earlier(self) -> int:
        return int((self.job.get("status") or {}).get("failed") or 0)

    def count(self, others: list[Object], *, failed: bool) -> None:
        """The Job ends: these tracked pods go as well, and count where it failed."""
        self.settled = [*self.settled, *others]
        if failed:
            self._count(self.settled)

    def _counted(self, found: list[Object]) -> list[Object]:
        """The failed ones that the failure policy does not ignore."""
        failed = [pod for pod in found if pods.phase(pod) != "Succeeded"]
        return [pod for pod in failed if jobpolicy.failure_action(self.job, pod)[0] != "Ignore"]

    def _delayed(self, failed: list[Object]) -> dict[int, Object]:
        """Failed pods by index that stay tracked until their replacement is there: they hold its failures."""
        if not is_limited_per_index(self.job):
            return {}
        over = _indexes(self.active) | self.indexes | self.failed_indexes
        found: dict[int, Object] = {}
        for pod in sorted(failed, key=jobpolicy.failures_of):
            index = index_of(pod)
            if index is not None and index not in over:
                found[index] = pod
        return found

    # the end

    def failure(self) -> tuple[str, str] | None:
        """(reason, message) where the Job has failed."""
        spec = self.job["spec"]
        for pod in self.pods if spec.get("podFailurePolicy") else ():
            if is_failed(self.job, pod):
                action, message = jobpolicy.failure_action(self.job, pod)
                if action == "FailJob":
                    return "PodFailurePolicy", message
        limit = spec.get("backoffLimit")
        limit, restarts = 6 if limit is None else int(limit), self._restarts()
        if self._failed_earlier() + len(self._all_failed) > limit or (restarts and restarts >= limit):
            return FAILED_LIMIT
        left = self.deadline_in()
        if left is not None and left <= 0:
            return FAILED_DEADLINE
        return self._failed_indexes() if is_limited_per_index(self.job) else None

    def _failed_indexes(self) -> tuple[str, str] | None:
        spec, failed = self.job["spec"], len(self.failed_indexes)
        if spec.get("maxFailedIndexes") is not None and failed > int(spec["maxFailedIndexes"]):
            return FAILED_MANY
        return FAILED_INDEXES if failed and failed + len(self.indexes) >= int(spec["completions"]) else None

    def _restarts(self) -> int:
        if (self.job["spec"]["template"].get("spec") or {}).get("restartPolicy") != "OnFailure":
            return 0
        statuses = [pod.get("status") or {} for pod in self.pods if not pods.is_finished(pod)]
        kinds = ("containerStatuses", "initContainerStatuses")
        return sum(int(one.get("restartCount") or 0) for found in statuses for k in kinds for one in found.get(k) or ())

    def deadline_in(self) -> float | None:
        deadline = self.job["spec"].get("activeDeadlineSeconds")
        started = clock.parse((self.job.get("status") or {}).get("startTime"))
        if deadline is None or started is None or self.job["spec"].get("suspend"):
            return None
        return float(deadline) - (clock.now() - started).total_seconds()

    def success(self) -> tuple[str, str] | None:
        """(reason, message) where the success policy is met."""
        message = jobpolicy.success(self.job, self.indexes) if is_indexed(self.job) else None
        return ("SuccessPolicy", message) if message is not None else None

    def is_complete(self) -> bool:
        completions = self.job["spec"].get("completions")
        if completions is None:  # a work queue: done when one succeeded and none is left
            return self.succeeded > 0 and not self.active
        return self.succeeded >= int(completions) and not self.active

    # what is missing

    def missing(self) -> int:
        """Pods to create (or, below zero, to delete)."""
        spec = self.job["spec"]
        if spec.get("suspend"):
            return -len(self.active)
        parallelism = spec.get("parallelism")
        wanted = 1 if parallelism is None else int(parallelism)
        if spec.get("completions") is None:
            wanted = len(self.active) if self.succeeded else wanted
        else:
            wanted = max(0, min(wanted, int(spec["completions"]) - self.succeeded))
        if wanted < len(self.active) or not jobpolicy.replaces_only_failed(self.job):
            return wanted - len(self.active)
        return max(0, wanted - len(self.active) - len(self.ending))

    def free_indexes(self) -> list[int]:
        taken = _indexes(self.active) | self.indexes | self.failed_indexes
        if jobpolicy.replaces_only_failed(self.job):
            taken |= _indexes(self.ending)
        return [index for index in range(int(self.job["spec"].get("completions") or 0)) if index not in taken]

    def back_off(self) -> float:
        """Seconds until the next pod may be made: failures since the last success count."""
        if is_limited_per_index(self.job):
            return 0.0
        ended = [(finished_at(pod), pods.phase(pod)) for pod in self.done]
        last = max((at for at, phase in ended if at and phase == "Succeeded"), default=None)
        failed = [at for at, phase in ended if at and phase != "Succeeded" and (last is None or at > last)]
        return _pause(len(failed), max(failed, default=None))

    def back_off_of(self, index: int) -> float:
        """Seconds until the next pod of that index may be made."""
        pod = self.delayed.get(index)
        return _pause(sum(jobpolicy.failures_with(self.job, pod)), finished_at(pod)) if pod is not None else 0.0


def _indexes(found: list[Object]) -> set[int]:
    return {index for pod in found if (index := index_of(pod)) is not None}


def _pause(failures: int, since: datetime | None) -> float:
    if since is None or not failures:
        return 0.0
    pause = min(BACK_OFF_FIRST * 2 ** min(failures - 1, 10), BACK_OFF_CAP)
    return (since + timedelta(seconds=pause) - clock.now()).total_seconds()


def finished_at(pod: Object) -> datetime | None:
    """When its last container ended; else when it became unready, was deleted or made."""
    times = []
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = ((status.get("state") or {}).get("terminated") or {}).get("finishedAt")
        times.append(clock.parse(ended))
    known = [moment for moment in times if moment is not None]
    if known:
        return max(known)
    changed = (pods.condition(pod, "Ready") or {}).get("lastTransitionTime")
    meta = pod["metadata"]
    return clock.parse(changed or meta.get("deletionTimestamp") or meta.get("creationTimestamp"))
