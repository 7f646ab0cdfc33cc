"""Finished Jobs with a ttl are deleted after it (KEP-0592)."""

from __future__ import annotations

from controllers import pods
from controllers.controller import Controller, Loop, own_key
from controllers.job import is_finished
from miniplane.client import clock
from miniplane.client.resources import JOBS


async def reconcile(loop: Loop, key: str) -> float | None:
    job = loop[JOBS].get(key)
    ttl = job["spec"].get("ttlSecondsAfterFinished") if job is not None else None
    if job is None or ttl is None or pods.is_terminating(job) or not is_finished(job):
        return None
    ended = (pods.condition(job, "Complete") or pods.condition(job, "Failed") or {}).get("lastTransitionTime")
    since = clock.parse(ended) or clock.now()
    left = float(ttl) - (clock.now() - since).total_seconds()
    if left > 0:
        return left
    await loop.delete(JOBS, job, propagationPolicy="Foreground")
    return None


CONTROLLER = Controller(name="ttl-after-finished", watches={JOBS: own_key}, reconcile=reconcile)
