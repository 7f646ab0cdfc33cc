"""A small kopf operator, run by `test_kopf`: a Database gets a config map, a status and a clean end."""

from __future__ import annotations

from typing import Any

import kopf
import kubernetes

GROUP = "kopf.example.com"


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = f"{GROUP}/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)


@kopf.on.create(GROUP, "v1", "databases")
def create(body: kopf.Body, spec: kopf.Spec, name: str, namespace: str, patch: kopf.Patch, **_: Any) -> dict[str, Any]:
    """Make the config map, owned by the Database."""
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"size": str(spec["size"])}}
    kopf.adopt(made)
    kubernetes.client.CoreV1Api().create_namespaced_config_map(namespace, made)
    kopf.info(body, reason="Made", message=f"config map {name}")
    patch.status["phase"] = "Ready"
    return {"made": name}


@kopf.on.update(GROUP, "v1", "databases", field="spec.size")
def resize(old: Any, new: Any, name: str, namespace: str, **_: Any) -> dict[str, Any]:
    """Bring the config map up to date."""
    core = kubernetes.client.CoreV1Api()
    core.patch_namespaced_config_map(name, namespace, {"data": {"size": str(new)}})
    return {"from": old, "to": new}


@kopf.on.delete(GROUP, "v1", "databases")
def delete(name: str, namespace: str, **_: Any) -> None:
    """Take the config map away before the Database goes."""
    kubernetes.client.CoreV1Api().delete_namespaced_config_map(name, namespace)


@kopf.timer(GROUP, "v1", "databases", interval=0.2)
def tick(status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    """Count, so that the test sees timers run."""
    patch.status["ticks"] = status.get("ticks", 0) + 1
