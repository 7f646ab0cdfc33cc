"""HorizontalPodAutoscalers where no metrics are served: the bounds hold, and the status says what is missing."""

from __future__ import annotations

from controllers.controller import Controller, Loop, own_key
from controllers.discovery import discover
from controllers.workpods import set_condition, write_status
from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import AUTOSCALERS, Resource

PERIOD = 15.0
NO_METRICS = "the server could not find the requested resource (get pods.metrics.k8s.io)"


async def _target(loop: Loop, autoscaler: Object) -> Resource:
    """The resource that the target means. Raises StatusError where none is served."""
    ref = autoscaler["spec"]["scaleTargetRef"]
    wanted = (ref.get("apiVersion", "v1"), ref["kind"])
    for one in await discover(loop.client):
        if (one.resource.api_version, one.resource.kind) == wanted:
            return one.resource
    raise StatusError(404, "NotFound", f'no matches for kind "{ref["kind"]}" in group "{wanted[0].partition("/")[0]}"')


def _bounded(autoscaler: Object, current: int) -> tuple[int, str]:
    """(replicas within the bounds, why)."""
    spec = autoscaler["spec"]
    least = spec.get("minReplicas")
    least = 1 if least is None else int(least)
    if current > int(spec["maxReplicas"]):
        return int(spec["maxReplicas"]), "Current number of replicas above Spec.MaxReplicas"
    if 0 < current < least:
        return least, "Current number of replicas below Spec.MinReplicas"
    return current, ""


def _conditions(autoscaler: Object, current: int) -> list[Object]:
    given = (autoscaler.get("status") or {}).get("conditions") or []
    able = ("True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")
    found = set_condition(given, "AbleToScale", *able)
    if current == 0:
        text = "scaling is disabled since the replica count of the target is zero"
        return set_condition(found, "ScalingActive", "False", "ScalingDisabled", text)
    metrics = autoscaler["spec"].get("metrics") or [{"type": "Resource", "resource": {"name": "cpu"}}]
    first = metrics[0]
    name = (first.get("resource") or {}).get("name", "")
    reason = "FailedGetResourceMetric" if name else f"FailedGet{first['type']}Metric"
    text = (
        f"the HPA was unable to compute the replica count: failed to get {name} utilization: unable to get metrics "
        f"for resource {name}: unable to fetch metrics from resource metrics API: {NO_METRICS}"
    )
    return set_condition(found, "ScalingActive", "False", reason, text)


async def reconcile(loop: Loop, key: str) -> float | None:
    autoscaler = loop[AUTOSCALERS].get(key)
    if autoscaler is None:
        return None
    namespace, ref = autoscaler["metadata"]["namespace"], autoscaler["spec"]["scaleTargetRef"]
    old = autoscaler.get("status") or {}
    try:
        resource = await _target(loop, autoscaler)
        scale = await loop.client.get(resource, ref["name"], namespace, "scale")
    except StatusError as error:
        text = f"the HPA controller was unable to get the target's current scale: {error.message}"
        conditions = set_condition(old.get("conditions") or [], "AbleToScale", "False", "FailedGetScale", text)
        await write_status(loop, AUTOSCALERS, autoscaler, {"desiredReplicas": 0, **old, "conditions": conditions})
        return PERIOD
    current = int((scale.get("spec") or {}).get("replicas") or 0)
    wanted, why = _bounded(autoscaler, current)
    status = {
        **old,
        "currentReplicas": int((scale.get("status") or {}).get("replicas") or 0),
        "desiredReplicas": wanted,
    }
    if why:
        path = resource.path(namespace, ref["name"], "scale")
        await loop.client.request("PUT", path, body={**scale, "spec": {"replicas": wanted}})
        loop.event(autoscaler, "Normal", "SuccessfulRescale", f"New size: {wanted}; reason: {why}")
        status["lastScaleTime"] = clock.text(clock.now())
    status["conditions"] = _conditions(autoscaler, current)
    await write_status(loop, AUTOSCALERS, autoscaler, status)
    return PERIOD


CONTROLLER = Controller(
    name="horizontalpodautoscaler",
    component="horizontal-pod-autoscaler",
    watches={AUTOSCALERS: own_key},
    reconcile=reconcile,
)
