"""ResourceQuotas: what is used of each limited resource; admission in the API server enforces it."""

from __future__ import annotations

from collections.abc import Iterable

from controllers import pods
from controllers.controller import Controller, Loop, own_key
from controllers.discovery import discover
from controllers.ownership import BY_NAMESPACE, namespace_values
from miniplane.apimachinery.quantity import ZERO, Quantity
from miniplane.apimachinery.quota import Amounts, add, in_scope, usage
from miniplane.client.api import Object
from miniplane.client.resources import (
    CONFIG_MAPS,
    PODS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICES,
    VOLUME_CLAIMS,
)

WATCHED = (PODS, SERVICES, SECRETS, CONFIG_MAPS, VOLUME_CLAIMS, REPLICATION_CONTROLLERS, RESOURCE_QUOTAS)
RESYNC = 5.0
"""Seconds after which kinds that no informer follows are counted again."""


async def _foreign(loop: Loop, namespace: str, names: Iterable[str]) -> Amounts:
    """`count/PLURAL.GROUP` of kinds that we do not follow."""
    wanted = {name.removeprefix("count/"): name for name in names if name.startswith("count/") and "." in name}
    found: Amounts = {}
    if not wanted:
        return found
    for served in await discover(loop.client):
        name = wanted.get(f"{served.resource.plural}.{served.resource.group}")
        if name is not None and "list" in served.verbs:
            items, _ = await loop.client.list(served.resource, namespace, metadata_only=True)
            found[name] = Quantity.parse(len(items))
    return found


def used(loop: Loop, quota: Object) -> Amounts:
    """What the objects in the caches use, by resource name."""
    total: Amounts = {}
    for resource in WATCHED:
        for obj in loop[resource].store.by_index(BY_NAMESPACE, quota["metadata"]["namespace"]):
            if in_scope(quota, resource.plural, obj):
                add(total, usage(resource.plural, obj))
    return total


async def reconcile(loop: Loop, key: str) -> float | None:
    quota = loop[RESOURCE_QUOTAS].get(key)
    if quota is None or pods.is_terminating(quota):
        return None
    hard = quota["spec"].get("hard") or {}
    foreign = await _foreign(loop, quota["metadata"]["namespace"], hard)
    total = {**used(loop, quota), **foreign}
    shown = {name: total.get(name, ZERO).canonical() for name in hard}
    status = quota.get("status") or {}
    if status.get("hard", {}) != hard or status.get("used", {}) != shown:
        await loop.update(RESOURCE_QUOTAS, {**quota, "status": {"hard": hard, "used": shown}}, "status")
    return RESYNC if foreign else None


def _keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """Every quota of the namespace; changes of pods that change no usage are left out."""
    if old is not None and new is not None and new.get("kind") == "Pod" and usage("pods", old) == usage("pods", new):
        return ()
    namespace = (new or old or {})["metadata"]["namespace"]
    found = loop[RESOURCE_QUOTAS].store.by_index(BY_NAMESPACE, namespace)
    return [f"{namespace}/{one['metadata']['name']}" for one in found]


CONTROLLER = Controller(
    name="resourcequota",
    component="resourcequota-controller",
    watches={resource: (own_key if resource == RESOURCE_QUOTAS else _keys) for resource in WATCHED},
    reconcile=reconcile,
    indexes={(resource, BY_NAMESPACE): namespace_values for resource in WATCHED},
)
