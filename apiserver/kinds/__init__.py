"""Every built-in kind. A new kind is one entry in its group's file; a new file is one line here."""

from __future__ import annotations

from apiserver.kinds import (
    apps,
    autoscaling,
    batch,
    coordination,
    core,
    definitions,
    discovery,
    endpoints,
    events,
    misc,
    networking,
    pod,
    policy,
    rbac,
    reviews,
    service,
)
from apiserver.kinds.kind import Kind

KINDS: tuple[Kind, ...] = (
    *core.KINDS,
    *pod.KINDS,
    *service.KINDS,
    *endpoints.KINDS,
    *events.KINDS,
    *misc.KINDS,
    *definitions.KINDS,
    *apps.KINDS,
    *reviews.KINDS,
    *autoscaling.KINDS,
    *batch.KINDS,
    *networking.KINDS,
    *policy.KINDS,
    *rbac.KINDS,
    *coordination.KINDS,
    *discovery.KINDS,
)
