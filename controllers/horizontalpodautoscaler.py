"""HorizontalPodAutoscalers where no metrics are served: the bounds hold, and the status says what is missing."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.controller import Controller, Loop, own_key
from controllers.discovery import discover
from controllers.workpods import set_condition, write_status
from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import AUTOSCALERS, Resource

PERIOD = 15.0
NOT_SERVED = "the server could not find the requested resource"
_RESOURCE = f"resource metrics API: {NOT_SERVED} (get pods.metrics.k8s.io)"
_CUSTOM = "custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
NO_METRICS = {
    "Resource": _RESOURCE,
    "ContainerResource": _RESOURCE,
    "Pods": _CUSTOM,
    "Object": _CUSTOM,
    "External": f"external metrics API: {NOT_SERVED} (get x.external.metrics.k8s.io)",
}


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


def _missing(metric: Object) -> tuple[str, str, str]:
    """(reason, what failed, how the sum of all metrics names it) for a metric that nobody serves."""
    kind = metric["type"]
    body = metric.get(kind[:1].lower() + kind[1:]) or {}
    name = body.get("name") or (body.get("metric") or {}).get("name") or ""
    unserved = NO_METRICS[kind].replace("get x.", f"get {name}.")
    if kind in ("Resource", "ContainerResource"):
        what = "utilization" if "averageUtilization" in (body.get("target") or {}) else "usage"
        text = f"failed to get {name} {what}: unable to get metrics for resource {name}: unable to fetch metrics from "
        label = f"{name} resource" if kind == "Resource" else f"{name} container resource"
        return f"FailedGet{kind}Metric", text + unserved, f"failed to get {label} metric value"
    if kind == "External":
        text = f"unable to get external metric {name}: unable to fetch metrics from {unserved}"
        return "FailedGetExternalMetric", text, f"failed to get {name} external metric value"
    label = "pods" if kind == "Pods" else "object"
    text = f"unable to get metric {name}: unable to fetch metrics from {unserved}"
    return f"FailedGet{kind}Metric", text, f"failed to get {label} metric value"


def _without_metrics(loop: Loop, autoscaler: Object, conditions: list[Object]) -> list[Object]:
    """Say of each metric that it is missing; the condition names the first."""
    metrics = autoscaler["spec"].get("metrics") or []
    missing = [_missing(metric) for metric in metrics]
    for reason, text, _ in missing:
        loop.event(autoscaler, "Warning", reason, text)
    if not missing:
        return conditions
    reason, text, label = missing[0]
    total = f"invalid metrics ({len(missing)} invalid out of {len(missing)}), first error is: {label}: {text}"
    loop.event(autoscaler, "Warning", "FailedComputeMetricsReplicas", total)
    why = f"the HPA was unable to compute the replica count: {text}"
    return set_condition(conditions, "ScalingActive", "False", reason, why)


async def reconcile(loop: Loop, key: str) -> float | None:
    autoscaler = loop[AUTOSCALERS].get(key)
    if autoscaler is None:
        return None
    namespace, ref = autoscaler["metadata"]["namespace"], autoscaler["spec"]["scaleTargetRef"]
    old = autoscaler.get("status") or {}
    conditions = list(old.get("conditions") or [])
    try:
        resource = await _target(loop, autoscaler)
        scale = await loop.client.get(resource, ref["name"], namespace, "scale")
    except StatusError as error:
        loop.event(autoscaler, "Warning", "FailedGetScale", error.message)
        text = f"the HPA controller was unable to get the target's current scale: {error.message}"
        conditions = set_condition(conditions, "AbleToScale", "False", "FailedGetScale", text)
        await write_status(loop, AUTOSCALERS, autoscaler, {"desiredReplicas": 0, **old, "conditions": conditions})
        return PERIOD
    able = ("True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")
    conditions = set_condition(conditions, "AbleToScale", *able)
    current = int((scale.get("spec") or {}).get("replicas") or 0)
    status = {"desiredReplicas": 0, **old, "currentReplicas": current, "currentMetrics": None}
    wanted, why = _bounded(autoscaler, current)
    if current == 0:
        text = "scaling is disabled since the replica count of the target is zero"
        conditions = set_condition(conditions, "ScalingActive", "False", "ScalingDisabled", text)
        status["desiredReplicas"] = 0
    elif why:
        path = resource.path(namespace, ref["name"], "scale")
        await loop.client.request("PUT", path, body={**scale, "spec": {"replicas": wanted}})
        loop.event(autoscaler, "Normal", "SuccessfulRescale", f"New size: {wanted}; reason: {why}")
        text = f"the HPA controller was able to update the target scale to {wanted}"
        conditions = set_condition(conditions, "AbleToScale", "True", "SucceededRescale", text)
        status |= {"desiredReplicas": wanted, "lastScaleTime": clock.text(clock.now())}
    else:
        conditions = _without_metrics(loop, autoscaler, conditions)
        status["currentMetrics"] = [{"type": ""} for _ in autoscaler["spec"].get("metrics") or ()]
    await write_status(loop, AUTOSCALERS, autoscaler, {**status, "conditions": conditions})
    return PERIOD


def _keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """Between two looks lies the period, and before the first one."""
    if new is not None and (old is None or old["spec"] != new["spec"]):
        for key in own_key(loop, old, new):
            loop.enqueue(key, PERIOD)
    return ()


CONTROLLER = Controller(
    name="horizontalpodautoscaler",
    component="horizontal-pod-autoscaler",
    watches={AUTOSCALERS: _keys},
    reconcile=reconcile,
)
