"""Jobs: what their policies say about pods that ended, and that every pod is counted once."""

from __future__ import annotations

from typing import Any

import pytest

from controllers import job, jobpolicy
from controllers.jobtally import TRACKING
from miniplane.client.resources import JOBS, PODS
from tests.controllers.world import World

SELECTOR = {"matchLabels": {"job": "j"}}
NO_PODS: dict[str, Any] = {"ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}


def make_job(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"job": "j"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}}
    given = {"parallelism": 1, "completions": 1, "backoffLimit": 6, "selector": SELECTOR, "template": template, **spec}
    return {"metadata": {"name": "j", "namespace": "ns"}, "spec": given}


def indexed(**spec: Any) -> dict[str, Any]:
    return make_job(completionMode="Indexed", **{"parallelism": 3, "completions": 3, **spec})


class Run:
    """A Job under the controller; `end` ends a pod as a kubelet would."""

    def __init__(self, obj: dict[str, Any]) -> None:
        self.world = World()
        self.loops = [self.world.loop(job.CONTROLLER)]
        self.world.put(JOBS, obj)

    async def settle(self) -> dict[str, Any]:
        """Until nothing changes; pods that are deleted and hold no finalizer are gone. Answers the status."""
        await self.world.settle(self.loops)
        return self.world.objects[JOBS]["ns/j"]["status"]

    def active(self) -> list[dict[str, Any]]:
        found = self.world.objects.get(PODS, {}).values()
        return [pod for pod in found if (pod.get("status") or {}).get("phase") in (None, "", "Pending")]

    async def end(self, phase: str, *, code: int = 0, index: int | None = None, **status: Any) -> dict[str, Any]:
        (pod, *_) = [one for one in self.active() if index is None or jobpolicy.index_of(one) == index]
        ended = {"name": "c", "state": {"terminated": {"exitCode": code, "finishedAt": "2020-01-01T00:00:00Z"}}}
        self.world.put(PODS, {**pod, "status": {"phase": phase, "containerStatuses": [ended], **status}})
        return await self.settle()


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["reason"], one["message"]) for one in status.get("conditions") or ()}


def policy(action: str, **rule: Any) -> dict[str, Any]:
    return {"rules": [{"action": action, **(rule or {"onExitCodes": {"operator": "In", "values": [42]}})}]}


async def test_a_pod_that_matches_fail_job_ends_the_job() -> None:
    run = Run(make_job(podFailurePolicy=policy("FailJob")))
    await run.settle()
    status = await run.end("Failed", code=42)
    name = next(iter(run.world.objects[PODS]))
    text = f"Container c for pod {name} failed with exit code 42 matching FailJob rule at index 0"
    assert conditions(status) == dict.fromkeys(("FailureTarget", "Failed"), ("PodFailurePolicy", text))
    assert status["failed"] == 1


async def test_ignored_failures_are_not_counted() -> None:
    rule = {"onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    run = Run(make_job(backoffLimit=0, podFailurePolicy=policy("Ignore", **rule)))
    await run.settle()
    status = await run.end("Failed", code=1, conditions=[{"type": "DisruptionTarget", "status": "True"}])
    assert (conditions(status), status.get("failed", 0), len(run.active())) == ({}, 0, 1)
    status = await run.end("Failed", code=1)
    assert conditions(status)["Failed"][0] == "BackoffLimitExceeded"


async def test_indexes_fail_on_their_own() -> None:
    run = Run(indexed(backoffLimitPerIndex=1))
    await run.settle()
    await run.end("Succeeded", index=0)
    await run.end("Succeeded", index=2)
    await run.end("Failed", code=1, index=1)
    (again,) = run.active()
    assert again["metadata"]["annotations"][jobpolicy.FAILURES] == "1"
    status = await run.end("Failed", code=1, index=1)
    assert conditions(status)["Failed"] == ("FailedIndexes", "Job has failed indexes")
    assert (status["completedIndexes"], status["failedIndexes"], status["failed"]) == ("0,2", "1", 2)


async def test_more_failed_indexes_than_allowed_end_the_job() -> None:
    run = Run(indexed(backoffLimitPerIndex=0, maxFailedIndexes=0))
    await run.settle()
    status = await run.end("Failed", code=1, index=2)
    text = "Job has exceeded the specified maximal number of failed indexes"
    for pod in run.world.objects[PODS].values():
        assert TRACKING not in (pod["metadata"].get("finalizers") or ())
    assert conditions(status)["Failed"] == ("MaxFailedIndexesExceeded", text)


async def test_an_index_may_fail_by_policy() -> None:
    run = Run(indexed(backoffLimitPerIndex=5, podFailurePolicy=policy("FailIndex")))
    await run.settle()
    status = await run.end("Failed", code=42, index=1)
    assert (status["failedIndexes"], sorted(map(jobpolicy.index_of, run.active()))) == ("1", [0, 2])


@pytest.mark.parametrize(
    ("rule", "index"),
    [({"succeededIndexes": "1"}, 1), ({"succeededCount": 1}, 0), ({"succeededIndexes": "0-1", "succeededCount": 1}, 1)],
)
async def test_a_success_policy_ends_the_job_early(rule: dict[str, Any], index: int) -> None:
    run = Run(indexed(successPolicy={"rules": [rule]}))
    await run.settle()
    status = await run.end("Succeeded", index=index)
    met = ("SuccessPolicy", "Matched rules at index 0")
    assert conditions(status) == {"SuccessCriteriaMet": met, "Complete": met}
    assert (status["succeeded"], status.get("failed", 0), run.active()) == (1, 0, [])


async def test_pods_taken_back_are_no_failures() -> None:
    run = Run(make_job(parallelism=3, completions=5))
    await run.settle()
    run.world.put(JOBS, {**run.world.objects[JOBS]["ns/j"], "spec": make_job(parallelism=1, completions=5)["spec"]})
    status = await run.settle()
    assert (status["active"], status.get("failed", 0)) == (1, 0)


async def test_a_job_that_makes_no_pods_counts_none() -> None:
    status = await Run(make_job(parallelism=0)).settle()
    assert {key: status[key] for key in status if key != "startTime"} == NO_PODS


async def test_suspension_takes_pods_back_and_resumption_starts_anew() -> None:
    run = Run(make_job(suspend=True))
    status = await run.settle()
    assert (conditions(status), status.get("startTime")) == ({"Suspended": ("JobSuspended", "Job suspended")}, None)
    run.world.put(JOBS, {**run.world.objects[JOBS]["ns/j"], "spec": make_job()["spec"]})
    status = await run.settle()
    assert conditions(status) == {"Suspended": ("JobResumed", "Job resumed")}
    assert status["startTime"] and len(run.active()) == 1


async def test_a_crash_between_naming_and_counting_counts_once() -> None:
    run = Run(make_job(completions=2))
    await run.settle()
    await run.end("Succeeded")
    stored = run.world.objects[JOBS]["ns/j"]
    done = next(p for p in run.world.objects[PODS].values() if p["status"].get("phase") == "Succeeded")
    # as if the controller had stopped after it named the pod: not counted, still tracked
    named = {**stored["status"], "succeeded": 0, "uncountedTerminatedPods": {"succeeded": [done["metadata"]["uid"]]}}
    run.world.put(JOBS, {**stored, "status": named})
    run.world.put(PODS, {**done, "metadata": {**done["metadata"], "finalizers": [TRACKING]}})
    status = await run.settle()
    assert (status["succeeded"], status["uncountedTerminatedPods"]) == (1, {})


async def test_jobs_of_other_controllers_are_left_alone() -> None:
    run = Run(make_job(managedBy="example.com/queue"))
    await run.world.settle(run.loops)
    assert run.world.writes == []
