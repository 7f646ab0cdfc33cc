"""The cluster as strategies and admission may see it: committed objects and settings, read only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from apiserver.encoding import decode
from apiserver.kinds.kind import Object
from apiserver.storage.types import Key

if TYPE_CHECKING:
    from apiserver.options import Options
    from apiserver.storage.store import Store


class StoredCluster:
    """`apiserver.kinds.kind.Cluster` over the store."""

    def __init__(self, store: Store, options: Options) -> None:
        self._store = store
        self.service_cidrs = options.service_cidrs
        self.node_port_range = options.node_port_range
        self.minor = options.kubernetes_minor

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        record = self._store.get(Key(resource, namespace, name))
        return decode(record) if record is not None else None

    def exists(self, resource: str, namespace: str, name: str) -> bool:
        return self._store.get(Key(resource, namespace, name)) is not None

    def list(self, resource: str, namespace: str = "", labels: Mapping[str, str] | None = None) -> list[Object]:
        records = self._store.list(resource, namespace)
        if labels:
            records = [r for r in records if all(r.labels.get(key) == value for key, value in labels.items())]
        return [decode(record) for record in records]

    def claimed(self, space: str, value: str) -> Key | None:
        return self._store.claims(space).get(value)

    def claims(self, space: str) -> Mapping[str, Key]:
        return self._store.claims(space)
