"""Fields that belong to features which are off by default in kube-apiserver 1.36: dropped without a word, unless the
live object has them already (the real server's DropDisabledFields)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from apiserver.kinds.kind import Object

Fields = tuple[str, ...]
"""Paths: names with dots between them, `[]` behind a list."""

_OF_PODS = (
    "schedulingGroup",  # GenericWorkload, KEP-4671
    "volumes[].projected.sources[].clusterTrustBundle",  # ClusterTrustBundleProjection, KEP-3257
    "volumes[].projected.sources[].podCertificate",  # PodCertificateRequest, KEP-4317
)


def of_pods(path: str) -> Fields:
    """Those of the pod spec that is at `path`."""
    return tuple(f"{path}.{field}" for field in _OF_PODS)


def drop_disabled(fields: Fields, obj: Object, old: Object | None) -> None:
    """Take the fields out of `obj` that `old` does not have anywhere."""
    for field in fields:
        *path, (name, _) = _steps(field)
        stated = [parent for parent in _at(obj, path) if name in parent]
        if not stated or any(name in parent for parent in _at(old or {}, path)):
            continue
        for parent in stated:
            del parent[name]


@cache
def _steps(field: str) -> tuple[tuple[str, bool], ...]:
    """The names of a path, and whether each is a list's."""
    return tuple((name.removesuffix("[]"), name.endswith("[]")) for name in field.split("."))


def _at(obj: Object, path: Sequence[tuple[str, bool]]) -> list[Object]:
    """Every object at a path."""
    found = [obj]
    for name, is_list in path:
        values = [value for one in found if (value := one.get(name))]
        if is_list:
            values = [item for value in values for item in value]
        found = [value for value in values if isinstance(value, dict)]
    return found
