"""Pods of workloads: making them from a template, which of them count, which go first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from controllers import ownership, pods
from controllers.controller import Loop
from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import PODS, Resource

BURST = 500
"""Pods that one sync creates or deletes at most."""


def from_template(owner: Object, resource: Resource, template: Object, **metadata: Any) -> Object:
    """A pod of this template, controlled by the owner."""
    meta = template.get("metadata") or {}
    found = {name: meta[name] for name in ("labels", "annotations", "finalizers") if meta.get(name)}
    name = owner["metadata"]["name"]
    found["generateName"] = f"{name}-" if len(name) < 253 else name
    found["namespace"] = owner["metadata"]["namespace"]
    found["ownerReferences"] = [ownership.reference(owner, resource)]
    return {"metadata": {**found, **metadata}, "spec": template.get("spec") or {}}


async def create(loop: Loop, owner: Object, pod: Object) -> Object:
    """Create a pod and say so. Raises StatusError, after saying so as well."""
    try:
        found = await loop.create(PODS, pod)
    except StatusError as error:
        if not namespace_goes(error):
            loop.event(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
        raise
    loop.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {found['metadata']['name']}")
    return found


def namespace_goes(error: StatusError) -> bool:
    """Whether a create was refused because the namespace goes: nothing that anybody needs to be told."""
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


async def create_many(loop: Loop, owner: Object, count: int, make: Callable[[], Object]) -> StatusError | None:
    """Slow start: 1, 2, 4... at a time, so that a quota or a bad template fails once, not a thousand times."""
    left, batch = min(count, BURST), 1
    while left > 0:
        size = min(batch, left)
        results = await asyncio.gather(*(create(loop, owner, make()) for _ in range(size)), return_exceptions=True)
        for result in results:
            if isinstance(result, StatusError):
                return None if namespace_goes(result) else result
            if isinstance(result, BaseException):
                raise result
        left -= size
        batch *= 2
    return None


async def delete_many(loop: Loop, owner: Object, doomed: Sequence[Object]) -> None:
    await asyncio.gather(*(delete(loop, owner, pod) for pod in doomed[:BURST]))


async def delete(loop: Loop, owner: Object, pod: Object) -> None:
    try:
        await loop.delete(PODS, pod)
    except StatusError as error:
        loop.event(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
        raise
    loop.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")


def is_active(pod: Object) -> bool:
    return not pods.is_finished(pod) and not pods.is_terminating(pod)


def ready_since(pod: Object) -> datetime | None:
    found = pods.condition(pod, "Ready")
    return clock.parse(found.get("lastTransitionTime")) if found and found.get("status") == "True" else None


def available_in(pod: Object, min_ready: int) -> float | None:
    """Seconds until the pod counts as available (0 or less: it does); None for one that is not ready."""
    if not pods.is_ready(pod):
        return None
    since = ready_since(pod)
    if not min_ready:
        return 0.0
    return min_ready - (clock.now() - since).total_seconds() if since is not None else None


def is_available(pod: Object, min_ready: int) -> bool:
    left = available_in(pod, min_ready)
    return left is not None and left <= 0


def soonest(found: Iterable[Object], min_ready: int) -> float | None:
    """Seconds until the next pod becomes available by waiting. To be asked before a status counts the available ones:
    who becomes available in between would be neither counted nor waited for."""
    left = [seconds for pod in found if (seconds := available_in(pod, min_ready)) is not None and seconds > 0]
    return min(left) if left else None


def _restarts(pod: Object) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((int(status.get("restartCount") or 0) for status in statuses), default=0)


PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def by_deletion_cost(found: Sequence[Object], related: Sequence[Object]) -> list[Object]:
    """Pods in the order in which they go: unassigned, pending, unready, cheap, crowded, young, restarting ones first.

    `related` are the pods whose nodes count as crowded (upstream: ActivePodsWithRanks; KEP-2255 for the cost)."""
    crowd: dict[str, int] = {}
    for pod in related:
        crowd[pods.node_of(pod)] = crowd.get(pods.node_of(pod), 0) + 1

    def rank(pod: Object) -> tuple[Any, ...]:
        node, since = pods.node_of(pod), ready_since(pod)
        cost = (pod["metadata"].get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", "0")
        return (
            bool(node),
            PHASES.get(pods.phase(pod), 0),
            pods.is_ready(pod),
            int(cost) if cost.lstrip("+-").isdigit() else 0,
            -crowd.get(node, 0),
            -(since.timestamp() if since else 0),
            -_restarts(pod),
            _younger_first(pod),
        )

    return sorted(found, key=rank)


def _younger_first(pod: Object) -> float:
    created = clock.parse(pod["metadata"].get("creationTimestamp"))
    return -created.timestamp() if created else 0.0


def set_condition(conditions: Sequence[Object], kind: str, status: str, reason: str, message: str) -> list[Object]:
    """The conditions with this one; equal status and reason change nothing, an equal status keeps its time."""
    now = clock.text(clock.now())
    for old in conditions:
        if old["type"] == kind:
            if old["status"] == status and old.get("reason") == reason:
                return list(conditions)
            since = old.get("lastTransitionTime", now) if old["status"] == status else now
            break
    else:
        since = now
    new = {"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
    return [*(one for one in conditions if one["type"] != kind), new]


async def write_status(loop: Loop, resource: Resource, obj: Object, status: Object) -> Object:
    """Write the status where it differs; zero counters that are left out equal absent ones."""
    if _trimmed(obj.get("status") or {}) == _trimmed(status):
        return obj
    return await loop.update(resource, {**obj, "status": status}, "status")


def _trimmed(status: Object) -> Object:
    return {key: value for key, value in status.items() if value not in (0, None, [], "", {})}
