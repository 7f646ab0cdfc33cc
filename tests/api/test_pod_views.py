"""Pods as rows of a Table, and the budgets that guard them."""

# ruff: noqa: E501 (expected texts are as long as the server makes them)

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.errors import StatusError
from apiserver.kinds.kind import Object
from apiserver.kinds.pod_columns import COLUMNS, row_conditions
from apiserver.kinds.pods import eviction
from tests.api.pods import container


def cells(spec: Object, status: Object, **metadata: Any) -> tuple[Any, ...]:
    """READY, STATUS and RESTARTS."""
    pod = {"metadata": {"name": "p", **metadata}, "spec": spec, "status": status}
    return tuple(column.value(pod) for column in COLUMNS[:3])


ONE, TWO = {"containers": container()}, {"containers": [{"name": "a"}, {"name": "b"}]}
RUNNING = {"ready": True, "state": {"running": {}}}
INIT = {"containers": container(), "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("spec", "status", "shown"),
    [
        (ONE, {"phase": "Pending"}, ("0/1", "Pending", "0")),
        (ONE, {"phase": "Running", "containerStatuses": [{**RUNNING, "restartCount": 2}]}, ("1/1", "Running", "2")),
        (
            ONE,
            {"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            ("0/1", "CrashLoopBackOff", "0"),
        ),
        (ONE, {"containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}, ("0/1", "ExitCode:3", "0")),
        (ONE, {"containerStatuses": [{"state": {"terminated": {"signal": 9}}}]}, ("0/1", "Signal:9", "0")),
        (
            TWO,
            {"containerStatuses": [RUNNING, {"state": {"terminated": {"reason": "Completed"}}}]},
            ("1/2", "NotReady", "0"),
        ),
        (INIT, {"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}, ("0/2", "Init:0/2", "0")),
        (
            INIT,
            {"initContainerStatuses": [{"name": "i", "restartCount": 4, "state": {"terminated": {"exitCode": 1}}}]},
            ("0/2", "Init:ExitCode:1", "4"),
        ),
        (
            INIT,
            {
                "phase": "Running",
                "initContainerStatuses": [
                    {"name": "i", "restartCount": 4, "state": {"terminated": {"exitCode": 0}}},
                    {"name": "s", "restartCount": 1, "started": True, **RUNNING},
                ],
                "containerStatuses": [RUNNING],
            },
            ("2/2", "Running", "1"),
        ),
    ],
)  # fmt: skip
def test_columns(spec: Object, status: Object, shown: tuple[str, ...]) -> None:
    assert cells(spec, status) == shown


def test_columns_of_pods_that_go() -> None:
    going = {"deletionTimestamp": "2026-01-02T03:04:05Z"}
    assert cells(ONE, {"phase": "Running"}, **going)[1] == "Terminating"
    assert cells(ONE, {"phase": "Running", "reason": "NodeLost"}, **going)[1] == "Unknown"
    assert cells(ONE, {"phase": "Succeeded"}, **going)[1] == "Succeeded"
    assert row_conditions({"status": {"phase": "Failed"}}) == [
        {"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}
    ]


def make_budget(allowed: int, **spec: Any) -> Object:
    """A budget that wants one pod and has one."""
    status = {"observedGeneration": 1, "disruptionsAllowed": allowed, "desiredHealthy": 1, "currentHealthy": 1}
    return {"metadata": {"name": "keep", "generation": 1}, "spec": spec, "status": status}


HEALTHY: Object = {
    "metadata": {"name": "p"},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
NOW = "2026-01-02T03:04:05Z"


def test_eviction_spends_the_budget() -> None:
    spent = eviction.spend(HEALTHY, [make_budget(2)], NOW)
    assert spent is not None
    assert spent["status"]["disruptionsAllowed"] == 1
    assert spent["status"]["disruptedPods"] == {"p": NOW}


@pytest.mark.parametrize(
    ("budgets", "code", "why"),
    [
        ([make_budget(0)], 429, "The disruption budget keep needs 1 healthy pods and has 1 currently"),
        (
            [{**make_budget(1), "metadata": {"name": "keep", "generation": 2}}],
            429,
            "The disruption budget keep is still being processed by the server.",
        ),
        ([make_budget(-1)], 403, ""),
        ([make_budget(1), make_budget(1)], 500, ""),
    ],
)
def test_evictions_refused(budgets: list[Object], code: int, why: str) -> None:
    with pytest.raises(StatusError) as caught:
        eviction.spend(HEALTHY, budgets, NOW)
    assert caught.value.code == code
    if why:
        assert caught.value.details is not None
        assert caught.value.details["causes"] == [{"reason": "DisruptionBudget", "message": why}]


@pytest.mark.parametrize(
    ("status", "budget"),
    [
        ({"phase": "Pending"}, make_budget(0)),
        ({"phase": "Succeeded"}, make_budget(0)),
        ({"phase": "Running"}, make_budget(0)),  # not ready, and the budget is met without it
        ({"phase": "Running"}, {**make_budget(0, unhealthyPodEvictionPolicy="AlwaysAllow"), "status": {}}),
    ],
)
def test_pods_that_no_budget_guards(status: Object, budget: Object) -> None:
    assert eviction.spend({"metadata": {"name": "p"}, "status": status}, [budget], NOW) is None


def test_an_evicted_pod_says_so_once() -> None:
    pod = eviction.mark(eviction.mark(copy.deepcopy(HEALTHY), NOW), NOW)
    assert [condition["type"] for condition in pod["status"]["conditions"]] == ["Ready", "DisruptionTarget"]
