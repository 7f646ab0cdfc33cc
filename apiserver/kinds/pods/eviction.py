"""Whether a pod may be evicted, and what its disruption budget and its status say afterwards (policy/v1, KEP-3017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver import errors
from apiserver.kinds.kind import Object

VIOLATED = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
UNGUARDED = ("Succeeded", "Failed", "Pending")
DISRUPTED_LIMIT = 2000
"""Evictions that the budget's controller has not confirmed yet."""
RETRY_SECONDS = 10


def spend(pod: Object, budgets: Sequence[Object], now: str) -> Object | None:
    """The budget with one disruption less, None where no budget is touched. Raises 429, 403, 500.

    Pods that do not run are not guarded; nor are pods that are not ready, where the budget says so or is met anyway.
    """
    phase = (pod.get("status") or {}).get("phase")
    if phase in UNGUARDED or pod["metadata"].get("deletionTimestamp") or not budgets:
        return None
    if len(budgets) > 1:
        raise errors.plain_internal(SEVERAL)
    budget = budgets[0]
    status = budget.get("status") or {}
    if not _ready(pod) and _lets_unready_go(budget, status):
        return None
    _check(budget["metadata"], status)
    left = status["disruptionsAllowed"] - 1
    disrupted = {**(status.get("disruptedPods") or {}), pod["metadata"]["name"]: now}
    return {**budget, "status": {**status, "disruptionsAllowed": left, "disruptedPods": disrupted}}


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _lets_unready_go(budget: Object, status: Object) -> bool:
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    desired, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    return bool(0 < desired <= current)


def _check(metadata: Object, status: Object) -> None:
    name, allowed = metadata["name"], status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        why = f"The disruption budget {name} is still being processed by the server."
        error = errors.too_many_requests(VIOLATED, RETRY_SECONDS)
        error.details = {"causes": [_cause(why)], "retryAfterSeconds": RETRY_SECONDS}
        raise error
    if allowed < 0:
        raise errors.forbidden_request("policy", "poddisruptionbudget", name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or ()) > DISRUPTED_LIMIT:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.forbidden_request("policy", "poddisruptionbudget", name, why)
    if allowed == 0:
        error = errors.StatusError(429, "TooManyRequests", VIOLATED)
        error.details = {"causes": [_cause(_shortage(name, status))]}
        raise error


def _cause(message: str) -> dict[str, Any]:
    return {"reason": "DisruptionBudget", "message": message}


def _shortage(name: str, status: Object) -> str:
    for condition in status.get("conditions") or ():
        failed = condition.get("status") == "False" and condition.get("reason") == "SyncFailed"
        if condition.get("type") == "DisruptionAllowed" and failed:
            text = condition.get("message", "")
            return f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {text}"
    desired, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    return f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"


def mark(pod: Object, now: str) -> Object:
    """A pod like `pod` that says why it goes (KEP-3329)."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    status = pod.get("status") or {}
    others = [c for c in status.get("conditions") or () if c.get("type") != condition["type"]]
    return {**pod, "status": {**status, "conditions": [*others, condition]}}
