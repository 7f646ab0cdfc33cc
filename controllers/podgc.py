"""Pods that nobody else removes: on nodes that are gone, terminating without ever having been scheduled, finished
ones beyond a limit."""

from __future__ import annotations

import asyncio
import logging

from controllers import pods, workpods
from controllers.controller import Controller, Loop
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import NODES, PODS

logger = logging.getLogger("podgc")

PERIOD, QUARANTINE = 20.0, 40.0
"""Seconds between looks, and before a node that is missing counts as gone."""
FINISHED_LIMIT = 12500


async def collect(loop: Loop) -> None:
    """Look again and again, until cancelled."""
    while True:
        await asyncio.sleep(PERIOD)
        for pod in [*_orphans(loop), *_unscheduled(loop), *_surplus(loop)]:
            try:
                await _remove(loop, pod)
            except (StatusError, OSError, TimeoutError) as error:
                logger.debug("%s: %r", pod["metadata"]["name"], error)


def _orphans(loop: Loop) -> list[Object]:
    """Pods of nodes that have been missing for the length of the quarantine."""
    now, found = asyncio.get_running_loop().time(), []
    missing: dict[str, float] = loop.state
    by_node: dict[str, list[Object]] = {}
    for pod in loop[PODS].store.objects.values():
        by_node.setdefault(pods.node_of(pod), []).append(pod)
    gone = {name for name in by_node if name and loop[NODES].get(name) is None}
    for name in set(missing) - gone:
        del missing[name]
    for name in gone:
        if now - missing.setdefault(name, now) >= QUARANTINE:
            found += by_node[name]
    return found


def _unscheduled(loop: Loop) -> list[Object]:
    found = loop[PODS].store.objects.values()
    return [pod for pod in found if pods.is_terminating(pod) and not pods.node_of(pod)]


def _surplus(loop: Loop) -> list[Object]:
    finished = [pod for pod in loop[PODS].store.objects.values() if pods.is_finished(pod)]
    finished.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    return finished[: max(0, len(finished) - FINISHED_LIMIT)]


async def _remove(loop: Loop, pod: Object) -> None:
    """Fail what runs, so that its controller counts it; then delete it at once."""
    if not pods.is_finished(pod):
        conditions = (pod.get("status") or {}).get("conditions") or []
        text = "PodGC: node no longer exists"
        conditions = workpods.set_condition(conditions, "DisruptionTarget", "True", "DeletionByPodGC", text)
        status = {**(pod.get("status") or {}), "phase": "Failed", "conditions": conditions}
        pod = await loop.update(PODS, {**pod, "status": status}, "status")
    await loop.delete(PODS, pod, gracePeriodSeconds=0)


async def _nothing(loop: Loop, key: str) -> None:
    """Everything happens in `collect`."""


CONTROLLER = Controller(
    name="podgc",
    component="pod-garbage-collector",
    watches={PODS: lambda loop, old, new: (), NODES: lambda loop, old, new: ()},
    reconcile=_nothing,
    workers=1,
    run=collect,
)
