"""Pods without a server, to judge."""

from __future__ import annotations

import copy
from typing import Any

from apiserver.kinds.kind import Context, Object, User
from apiserver.kinds.pod import KINDS

POD = KINDS[0]
CONTEXT = Context(cluster=None, user=User("tester"), namespace="n", now="2026-01-02T03:04:05Z")  # type: ignore[arg-type]


def make_pod(**spec: Any) -> Object:
    """A pod as it is after the first half of a create."""
    spec.setdefault("containers", [{"name": "c", "image": "nginx"}])
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec}
    POD.strategy.default(pod)
    POD.strategy.prepare_for_create(pod, CONTEXT)
    return pod


def causes(pod: Object) -> list[str]:
    return [str(error) for error in POD.strategy.validate(pod, CONTEXT)]


def faults(**spec: Any) -> list[str]:
    """What is wrong with a pod of that spec."""
    return causes(make_pod(**spec))


def container(**fields: Any) -> list[Object]:
    return [{"name": "c", "image": "nginx", **fields}]


def changed(old: Object, **spec: Any) -> list[str]:
    """What is wrong with a change of those fields."""
    new = copy.deepcopy(old)
    new["spec"].update(spec)
    return [str(error) for error in POD.strategy.validate_update(new, old, CONTEXT)]
