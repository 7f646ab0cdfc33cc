"""PodDisruptionBudgets: how many of the selected pods may be evicted now (KEP-0085)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from controllers import ownership, pods, workpods
from controllers.controller import Controller, Loop, own_key
from controllers.discovery import discover
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
UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the "
    "status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these "
    'pods please set ".spec.minAvailable" field of the PDB to an integer value.'
)
SCALED = {one.kind: one for one in (REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS)}


def _count(value: Any, total: int) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return math.ceil(total * int(value[:-1]) / 100)
    return int(value)


async def _scale_of(loop: Loop, namespace: str, ref: Object) -> tuple[str, int] | None:
    """(uid, replicas) of what scales the pods of this controller, None for a controller that is gone. Raises
    ValueError for one that does not scale."""
    resource = SCALED.get(ref["kind"])
    if resource is None:
        return await _foreign_scale(loop, namespace, ref)
    owner = loop[resource].get(f"{namespace}/{ref['name']}")
    parent = ownership.controller_of(owner) if owner else None
    if parent is not None and parent["kind"] == "Deployment":
        owner = loop[DEPLOYMENTS].get(f"{namespace}/{parent['name']}") or owner
    if owner is None:
        return None
    given = owner["spec"].get("replicas")
    return owner["metadata"]["uid"], 1 if given is None else int(given)


async def _foreign_scale(loop: Loop, namespace: str, ref: Object) -> tuple[str, int] | None:
    """As `_scale_of`, of a kind that we do not know: by its scale subresource."""
    served = [one.resource for one in await discover(loop.client)]
    group = ref["apiVersion"].rpartition("/")[0]
    resource = next((one for one in served if (one.group, one.kind) == (group, ref["kind"])), None)
    if resource is None:
        raise ValueError(f'no matches for kind "{ref["kind"]}" in version "{ref["apiVersion"]}"')
    try:
        scale = await loop.client.get(resource, ref["name"], namespace, "scale")
    except StatusError as error:
        if error.code != 404:
            raise
        name = f"{resource.plural}.{group}" if group else resource.plural
        raise ValueError(f"{name} does not implement the scale subresource") from None
    same = scale["metadata"].get("uid") == ref["uid"]
    return (ref["uid"], int(scale["spec"].get("replicas") or 0)) if same else None


async def _expected(loop: Loop, selected: list[Object]) -> tuple[int, bool]:
    """(the pods that their controllers should have: the base of percentages; whether some have no controller)."""
    scales: dict[str, int] = {}
    asked, unmanaged = set(), False
    for pod in selected:
        ref = ownership.controller_of(pod)
        if ref is None:
            unmanaged = True
        elif ref["uid"] not in asked:
            asked.add(ref["uid"])
            found = await _scale_of(loop, pod["metadata"]["namespace"], ref)
            if found is None:
                raise ValueError(f'found no controllers for pod "{pod["metadata"]["name"]}"')
            scales[found[0]] = found[1]
    return sum(scales.values()), unmanaged


async def _numbers(loop: Loop, budget: Object, selected: list[Object]) -> tuple[int, int, bool]:
    """(expected, desired healthy, whether the base lacks pods without a controller). Raises ValueError where a
    percentage has no base."""
    spec = budget["spec"]
    most, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if most is not None:
        expected, unmanaged = await _expected(loop, selected)
        return expected, max(0, expected - _count(most, expected)), unmanaged
    if isinstance(least, str):
        expected, unmanaged = await _expected(loop, selected)
        return expected, _count(least, expected), unmanaged
    return (0, 0, False) if least is None else (len(selected), int(least), False)


def _still_disrupted(budget: Object, selected: list[Object]) -> dict[str, str]:
    """Evictions that the API server granted and that we do not see yet."""
    given = (budget.get("status") or {}).get("disruptedPods") or {}
    alive = {pod["metadata"]["name"] for pod in selected if not pods.is_terminating(pod)}
    oldest = clock.now() - timedelta(seconds=DELETION_SECONDS)
    return {n: text for n, text in given.items() if n in alive and (clock.parse(text) or oldest) > oldest}


def _failed(budget: Object, error: ValueError) -> Object:
    """The status where nothing could be computed: nothing may be evicted."""
    old = budget.get("status") or {}
    conditions = workpods.set_condition(
        old.get("conditions") or [], "DisruptionAllowed", "False", "SyncFailed", str(error)
    )
    return {**old, "disruptionsAllowed": 0, "conditions": conditions}


def _status(budget: Object, selected: list[Object], expected: int, desired: int) -> Object:
    disrupted = _still_disrupted(budget, selected)
    healthy = sum(
        pods.is_ready(pod) and not pods.is_terminating(pod) and pod["metadata"]["name"] not in disrupted
        for pod in selected
    )
    allowed = max(0, healthy - desired) if expected > 0 else 0
    verdict = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    generation = budget["metadata"].get("generation") or 0
    old = (budget.get("status") or {}).get("conditions") or []
    conditions = workpods.set_condition(old, "DisruptionAllowed", *verdict, "")
    found = {
        "observedGeneration": generation,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "conditions": [{**one, "observedGeneration": generation} for one in conditions],
    }
    return {**found, "disruptedPods": disrupted} if disrupted else found


async def status(loop: Loop, budget: Object, selected: list[Object]) -> Object:
    """What the budget allows, with events about what it cannot know."""
    if not selected:
        loop.event(budget, "Normal", "NoPods", "No matching pods found")
    try:
        expected, desired, unmanaged = await _numbers(loop, budget, selected)
    except ValueError as error:
        text = f"Failed to calculate the number of expected pods: {error}"
        loop.event(budget, "Warning", "CalculateExpectedPodCountFailed", text)
        return _failed(budget, error)
    if unmanaged:
        text = UNMANAGED.format(selector=_selector_text(budget["spec"].get("selector")))
        loop.event(budget, "Warning", "UnmanagedPods", text)
    return _status(budget, selected, expected, desired)


def _selector_text(selector: Object | None) -> str:
    """A LabelSelector as Go prints one."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    given = selector.get("matchExpressions") or ()
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{one['key']},Operator:{one['operator']},"
        f"Values:[{' '.join(one.get('values') or ())}],}},"
        for one in given
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )


async def reconcile(loop: Loop, key: str) -> float | None:
    budget = loop[DISRUPTION_BUDGETS].get(key)
    if budget is None:
        return None
    selector = selectors.from_object(budget["spec"].get("selector"))
    mine = loop[PODS].store.by_index(BY_NAMESPACE, budget["metadata"]["namespace"])
    selected = [pod for pod in mine if selector.matches(pods.labels_of(pod))]
    wanted = await status(loop, budget, selected)
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
