"""Nothing changes, nothing is written: the API server's own counters say so."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from tests.plane import Plane

QUIET_SECONDS = 10.0
"""What is to pass without a write; the clock is the subject of this test, so it does sleep."""
WRITES = re.compile(r"^apiserver_request_total\{(.*?)\} (\S+)$", re.MULTILINE)
MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: all}
spec: {hard: {pods: "20"}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: set}
spec:
  serviceName: web
  replicas: 2
  selector: {matchLabels: {app: set}}
  template:
    metadata: {labels: {app: set}}
    spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}
"""


def writes(plane: Plane) -> dict[str, float]:
    """Requests that change something, leases of leaders and nodes left out, by their labels."""
    found = WRITES.findall(plane.request("GET", "/metrics")[1])
    mutating = ('verb="POST"', 'verb="PUT"', 'verb="PATCH"', 'verb="DELETE"')
    return {
        labels: float(count)
        for labels, count in found
        if any(verb in labels for verb in mutating) and 'resource="leases"' not in labels
    }


def test_no_loop_writes_when_nothing_changes(start_plane: Callable[..., Plane]) -> None:
    plane = start_plane("--nodes", "2")
    plane.kubectl("create deployment web --image=nginx --replicas=4")
    plane.kubectl("apply -f -", stdin=MANIFEST)
    plane.kubectl("rollout status deployment/web --timeout=30s")
    plane.kubectl("rollout status statefulset/set --timeout=30s")
    plane.kubectl("wait job/job --for=condition=complete --timeout=30s")
    deadline = time.monotonic() + 40
    before = writes(plane)
    while time.monotonic() < deadline:
        time.sleep(2)
        before, earlier = writes(plane), before
        if before == earlier:
            break
    time.sleep(QUIET_SECONDS)
    assert writes(plane) == before
