"""PodDisruptionBudgets: how many of the selected pods may be evicted now (KEP-0085)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from controllers import ownership, pods, workpods
from controllers.controller import Controller, Loop, own_key
from controllers.ownership import BY_NAMESPACE
from miniplane.apimachinery import selectors
from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)

DELETION_SECONDS = 120
"""An eviction that did not become a deletion in this time is forgotten."""
SCALED = {one.kind: one for one in (REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS)}


def _count(value: Any, total: int) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return math.ceil(total * int(value[:-1]) / 100)
    return int(value)


def _expected(loop: Loop, selected: list[Object]) -> int:
    """The pods that their controllers should have: the base of percentages."""
    total, seen = 0, set()
    for pod in selected:
        ref = ownership.controller_of(pod)
        resource = SCALED.get(ref["kind"]) if ref else None
        if ref is None or resource is None:
            raise ValueError("found no controllers for pod" if ref is None else f"{ref['kind']} has no scale")
        owner = loop[resource].get(f"{pod['metadata']['namespace']}/{ref['name']}")
        parent = ownership.controller_of(owner) if owner else None
        if parent is not None and parent["kind"] == "Deployment":
            owner = loop[DEPLOYMENTS].get(f"{pod['metadata']['namespace']}/{parent['name']}") or owner
        if owner is not None and owner["metadata"]["uid"] not in seen:
            seen.add(owner["metadata"]["uid"])
            given = owner["spec"].get("replicas")
            total += 1 if given is None else int(given)
    return total


def _numbers(loop: Loop, budget: Object, selected: list[Object]) -> tuple[int, int]:
    """(expected, desired healthy). Raises ValueError where a percentage has no base."""
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        expected = _expected(loop, selected)
        return expected, max(0, expected - _count(spec["maxUnavailable"], expected))
    least = spec.get("minAvailable", 1)
    if isinstance(least, str):
        expected = _expected(loop, selected)
        return expected, _count(least, expected)
    return len(selected), int(least)


def _still_disrupted(budget: Object, selected: list[Object]) -> dict[str, str]:
    """Evictions that the API server granted and that we do not see yet."""
    given = (budget.get("status") or {}).get("disruptedPods") or {}
    alive = {pod["metadata"]["name"] for pod in selected if not pods.is_terminating(pod)}
    oldest = clock.now() - timedelta(seconds=DELETION_SECONDS)
    return {n: text for n, text in given.items() if n in alive and (clock.parse(text) or oldest) > oldest}


def status(loop: Loop, budget: Object, selected: list[Object]) -> Object:
    disrupted = _still_disrupted(budget, selected)
    healthy = sum(
        pods.is_ready(pod) and not pods.is_terminating(pod) and pod["metadata"]["name"] not in disrupted
        for pod in selected
    )
    old = budget.get("status") or {}
    try:
        expected, desired = _numbers(loop, budget, selected)
    except ValueError as error:
        conditions = workpods.set_condition(
            old.get("conditions") or [], "DisruptionAllowed", "False", "SyncFailed", str(error)
        )
        return {**old, "disruptionsAllowed": 0, "conditions": conditions}
    allowed = max(0, healthy - desired) if expected > 0 else 0
    verdict = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    generation = budget["metadata"].get("generation") or 0
    conditions = workpods.set_condition(old.get("conditions") or [], "DisruptionAllowed", *verdict, "")
    found = {
        "observedGeneration": generation,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "conditions": [{**one, "observedGeneration": generation} for one in conditions],
    }
    return {**found, "disruptedPods": disrupted} if disrupted else found


async def reconcile(loop: Loop, key: str) -> float | None:
    budget = loop[DISRUPTION_BUDGETS].get(key)
    if budget is None:
        return None
    selector = selectors.from_object(budget["spec"].get("selector"))
    mine = loop[PODS].store.by_index(BY_NAMESPACE, budget["metadata"]["namespace"])
    selected = [pod for pod in mine if selector.matches(pods.labels_of(pod)) and not pods.is_finished(pod)]
    wanted = status(loop, budget, selected)
    try:
        await workpods.write_status(loop, DISRUPTION_BUDGETS, budget, wanted)
    except StatusError as error:
        if error.code != 404:
            raise
    return float(DELETION_SECONDS) if wanted.get("disruptedPods") else None


def _pod_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    obj = new or old or {}
    found = []
    for budget in loop[DISRUPTION_BUDGETS].store.by_index(BY_NAMESPACE, obj["metadata"]["namespace"]):
        selector = selectors.from_object(budget["spec"].get("selector"))
        if any(one is not None and selector.matches(pods.labels_of(one)) for one in (old, new)):
            found.append(ownership.key(budget))
    return found


def _scale_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """A changed number of replicas changes what is expected."""
    if old is not None and new is not None and old["spec"].get("replicas") == new["spec"].get("replicas"):
        return ()
    namespace = (new or old or {})["metadata"]["namespace"]
    return [ownership.key(one) for one in loop[DISRUPTION_BUDGETS].store.by_index(BY_NAMESPACE, namespace)]


CONTROLLER = Controller(
    name="disruption",
    component="controllermanager",
    watches={
        DISRUPTION_BUDGETS: own_key,
        PODS: _pod_keys,
        DEPLOYMENTS: _scale_keys,
        REPLICA_SETS: _scale_keys,
        REPLICATION_CONTROLLERS: _scale_keys,
        STATEFUL_SETS: _scale_keys,
    },
    reconcile=reconcile,
    indexes={
        (PODS, BY_NAMESPACE): ownership.namespace_values,
        (DISRUPTION_BUDGETS, BY_NAMESPACE): ownership.namespace_values,
    },
)
