"""Objects that benchmarks create."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from benchmarks import load
from tests.plane import Plane

Object = dict[str, Any]
NAMESPACE = "default"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def target_of(plane: Plane) -> load.Target:
    parts = urlsplit(plane.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return load.Target(parts.hostname, parts.port, plane.token, plane.tls)


def make_pod(name: str, **labels: str) -> Object:
    """A pod as a Deployment makes them: about 3.5 KB once it is stored."""
    container = {
        "name": "app",
        "image": "registry.example/team/application:1.27.4",
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}],
        "env": [{"name": f"SETTING_{n}", "value": f"value-of-setting-{n}"} for n in range(8)],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/application"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "bench", "tier": "backend", **labels}},
        "spec": {
            "containers": [container],
            "volumes": [{"name": "config", "configMap": {"name": "application"}}],
            "terminationGracePeriodSeconds": 0,
        },
    }


def creations(target: load.Target, prefix: str = "bench") -> load.Series:
    """Requests that create pods, one after the other; every hundredth has label rare=yes."""
    number = "#" * load.Series.DIGITS

    def creation(labels: dict[str, str]) -> tuple[bytes, ...]:
        body = json.dumps(make_pod(f"{prefix}-{number}", **labels)).encode()
        return tuple(target.request("POST", PODS, body).split(number.encode()))

    return load.Series([creation({"rare": "yes"} if index == 0 else {}) for index in range(100)])


async def fill(plane: Plane, count: int) -> None:
    """Create so many pods. Raises RuntimeError where some fail."""
    target = target_of(plane)
    report = await load.run(target, creations(target).maker(count), 32, 600)
    if report.failures or len(report.delays) != count:
        raise RuntimeError(f"{report.failures} of {count} pods were not created")
