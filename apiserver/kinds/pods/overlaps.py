"""Files of a volume that lie on top of each other: what a pod is warned of about its projected paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from apiserver.field import quote
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.projected import PROJECTIONS


class _File(NamedTuple):
    path: str
    source: str = ""

    def __str__(self) -> str:
        return quote(self.path) + (f" ({self.source})" if self.source else "")


_NAMED = (("configMap", "name", "ConfigMap"), ("secret", "secretName", "Secret"))


def overlapping_paths(volumes: Iterable[Object]) -> Iterator[str]:
    """Of each volume: the files that one of its other files hides, or whose folder is one."""
    for volume in volumes:
        name = quote(volume.get("name", ""))
        for source, title, files in _plain(volume):
            if source.get("items") is not None:
                yield from (f"volume {name} ({title}): overlapping paths: {clash}" for clash in _clashes(files))
        sources = (volume.get("projected") or {}).get("sources") or ()
        given = [item for item in sources if any(item.get(kind) is not None for kind in PROJECTIONS)]
        yield from (f"volume {name} (Projected) has no sources provided" for _ in range(len(sources) - len(given)))
        files = [file for item in given for file in _projected(item)]
        yield from (f"volume {name} (Projected): overlapping paths: {clash}" for clash in _clashes(files))


def _plain(volume: Object) -> Iterator[tuple[Object, str, list[_File]]]:
    for key, name, title in _NAMED:
        source = volume.get(key)
        if source is not None:
            yield source, f"{title} {quote(source.get(name, ''))}", _files(source)
    if volume.get("downwardAPI") is not None:
        yield volume["downwardAPI"], "DownwardAPI", _files(volume["downwardAPI"])


def _files(source: Object, shown: str = "") -> list[_File]:
    items: Any = source.get("items") or ()
    return [_File(item.get("path", ""), shown) for item in items]


def _projected(item: Object) -> list[_File]:
    for key, title in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if (item.get(key) or {}).get("items") is not None:
            return _files(item[key], f"{title} {quote(item[key].get('name', ''))}")
    if (item.get("downwardAPI") or {}).get("items") is not None:
        return _files(item["downwardAPI"], "DownwardAPI")
    token, bundle = item.get("serviceAccountToken"), item.get("clusterTrustBundle")
    if token is not None:
        return [_File(token.get("path", ""), "ServiceAccountToken")]
    if bundle is not None:
        name = bundle.get("name") or bundle.get("signerName") or ""
        return [_File(bundle.get("path", ""), f"ClusterTrustBundle {quote(name)}")]
    return []


def _clashes(files: Iterable[_File]) -> Iterator[str]:
    seen: list[_File] = []
    for file in files:
        wanted = file._replace(path=file.path.rstrip("/"))
        yield from (f"{wanted} with {other}" for other in seen if _overlap(wanted.path, other.path))
        seen.append(wanted)


def _overlap(path: str, other: str) -> bool:
    return bool(path and other) and (f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"))
