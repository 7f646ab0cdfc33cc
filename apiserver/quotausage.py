"""What the objects of a namespace use of its quotas: counted when first asked for, then kept up to date by the store's
events, so that a creation costs the same however many objects there are."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from apiserver.encoding import decode
from apiserver.kinds.kind import Object
from apiserver.storage.store import Store
from apiserver.storage.types import Event, Record
from miniplane.apimachinery.quantity import ZERO
from miniplane.apimachinery.quota import Amounts, add, in_scope, usage


@dataclass(slots=True)
class _Account:
    """What the objects of one resource in one namespace use of quotas with these scopes."""

    scopes: Object
    total: Amounts = field(default_factory=dict)

    def of(self, record: Record) -> Amounts:
        resource, obj = record.key.resource, decode(record)
        return usage(resource, obj) if in_scope({"spec": self.scopes}, resource, obj) else {}

    def replace(self, old: Record | None, new: Record | None) -> None:
        """Count `new` in the place of `old`."""
        before = self.of(old) if old is not None else {}
        after = self.of(new) if new is not None else {}
        if before != after:
            add(self.total, after)
            add(self.total, {name: ZERO - amount for name, amount in before.items()})


class QuotaUsage:
    """The accounts that were asked for, by resource and namespace."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._accounts: dict[str, dict[str, dict[bytes, _Account]]] = {}

    def of(self, resource: str, namespace: str, quota: Object) -> Amounts:
        """What the stored objects of a resource use of a quota; not the caller's to change."""
        if resource not in self._accounts:
            self._accounts[resource] = {}
            self._store.listeners.setdefault(resource, []).append(self._changed)
        spec = quota.get("spec") or {}
        scopes = {name: spec[name] for name in ("scopes", "scopeSelector") if spec.get(name)}
        accounts = self._accounts[resource].setdefault(namespace, {})
        key = orjson.dumps(scopes, option=orjson.OPT_SORT_KEYS)
        if key not in accounts:
            accounts[key] = _Account(scopes)
            for record in self._store.list(resource, namespace):
                accounts[key].replace(None, record)
        return accounts[key].total

    def _changed(self, event: Event) -> None:
        key = event.record.key
        accounts = self._accounts[key.resource].get(key.namespace)
        if accounts is None:
            return
        gone = event.type == "DELETED"
        for account in accounts.values():
            account.replace(event.previous, None if gone else event.record)
        if gone and not self._store.list("resourcequotas", key.namespace):
            del self._accounts[key.resource][key.namespace]
