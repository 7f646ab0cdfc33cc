"""Fields that belong to features which are off by default in kube-apiserver 1.36: dropped without a word, unless the
live object has them already (the real server's DropDisabledFields)."""

from __future__ import annotations

from collections.abc import Iterator

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
        path, _, name = field.rpartition(".")
        if any(name in parent for parent in _at(old or {}, path.split("."))):
            continue
        for parent in _at(obj, path.split(".")):
            parent.pop(name, None)


def _at(obj: Object, path: list[str]) -> Iterator[Object]:
    """Every object at a path."""
    if not path:
        yield obj
        return
    name, *rest = path
    value = obj.get(name.removesuffix("[]"))
    for item in (value or ()) if name.endswith("[]") else (value,):
        if isinstance(item, dict):
            yield from _at(item, rest)
