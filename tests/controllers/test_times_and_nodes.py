"""Schedules, and nodes that ail or fall silent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from controllers import cronjob, nodelifecycle, schedule
from tests.controllers.world import pod


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/15 * * * *", "2030-01-02T03:15"),
        ("0 0 1 * *", "2030-02-01T00:00"),
        ("@weekly", "2030-01-06T00:00"),
        ("30 9 * * mon-fri", "2030-01-02T09:30"),
        ("0 12 13 * 5", "2030-01-04T12:00"),  # the 13th or a Friday
        ("0 0 29 feb *", "2032-02-29T00:00"),
    ],
)
def test_the_next_time(text: str, expected: str) -> None:
    found = schedule.parse(text).after(datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert found is not None and found.isoformat().startswith(expected)


def test_a_date_that_never_comes_has_no_time() -> None:
    assert schedule.parse("0 0 30 2 *").after(datetime(2030, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize("text", ["", "* * * *", "60 * * * *", "* * * * mon-xyz", "*/0 * * * *", "5-1 * * * *"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        schedule.parse(text)


def cron(**spec: Any) -> dict[str, Any]:
    meta = {"name": "c", "namespace": "ns", "uid": "u", "creationTimestamp": "2030-01-01T00:00:00Z"}
    return {"metadata": meta, "spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": {}}, **spec}}


def test_of_missed_times_the_last_is_served() -> None:
    at, following, missed = cronjob.due(cron(), datetime(2030, 1, 1, 3, 30, tzinfo=UTC))
    assert at is not None and following is not None
    assert (at.hour, following.hour, missed) == (3, 4, 3)
    assert cronjob.new_job(cron(), at)["metadata"]["name"] == f"c-{int(at.timestamp()) // 60}"


def test_a_deadline_forgets_what_is_older() -> None:
    at, _, _ = cronjob.due(cron(startingDeadlineSeconds=60), datetime(2030, 1, 1, 3, 30, tzinfo=UTC))
    assert at is None


def test_conditions_become_taints_and_foreign_taints_stay() -> None:
    foreign = {"key": "gpu", "effect": "NoSchedule"}
    node = {"metadata": {"name": "n"}, "spec": {"taints": [foreign]}}
    node["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    found = nodelifecycle.with_taints(node)
    effects = [(one["key"], one["effect"]) for one in found["spec"]["taints"]]
    assert effects == [
        ("gpu", "NoSchedule"),
        (nodelifecycle.NOT_READY, "NoSchedule"),
        (nodelifecycle.NOT_READY, "NoExecute"),
    ]
    found["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert nodelifecycle.with_taints(found)["spec"]["taints"] == [foreign]


@pytest.mark.parametrize(("count", "seconds"), [(1, "0"), (100, "0"), (101, "15"), (10001, "600")])
def test_many_nodes_keep_what_they_read_for_longer(count: int, seconds: str) -> None:
    found = nodelifecycle.with_lifetime({"metadata": {"name": "n"}}, count)
    assert found["metadata"]["annotations"] == {"node.alpha.kubernetes.io/ttl": seconds}


def test_tolerations_delay_or_prevent_eviction() -> None:
    taint = {"key": "k", "effect": "NoExecute", "timeAdded": "2000-01-01T00:00:00Z"}
    victim = pod("a")
    assert nodelifecycle.stays_for(victim, [taint]) == 0
    victim["spec"]["tolerations"] = [{"key": "k", "operator": "Exists", "tolerationSeconds": 60}]
    assert nodelifecycle.stays_for(victim, [taint]) == 0
    assert nodelifecycle.stays_for(victim, [{**taint, "timeAdded": "2100-01-01T00:00:00Z"}]) > 0  # type: ignore[operator]
    victim["spec"]["tolerations"] = [{"key": "k", "operator": "Exists"}]
    assert nodelifecycle.stays_for(victim, [taint]) is None
