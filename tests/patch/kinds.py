"""Types of Kubernetes 1.36 to patch."""

from __future__ import annotations

from apiserver.schema.registry import Schemas
from apiserver.schema.types import Type

SCHEMAS = Schemas.for_minor(36)


def type_of(kind: str, group: str = "") -> Type:
    """A v1 type. Raises AssertionError where there is none."""
    found = SCHEMAS.type(group, "v1", kind)
    assert found is not None
    return found


CONFIG_MAP, SERVICE, POD = type_of("ConfigMap"), type_of("Service"), type_of("Pod")
