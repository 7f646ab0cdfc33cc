"""ClusterRoles with an aggregation rule: the rules of those that it selects (KEP-0859)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controllers.controller import Controller, Loop
from controllers.pods import labels_of
from miniplane.apimachinery import selectors
from miniplane.client.api import Object
from miniplane.client.resources import CLUSTER_ROLES

MANAGER = "clusterrole-aggregation-controller"


def _selectors(role: Object) -> list[Any]:
    return (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or []


def desired_rules(role: Object, roles: Iterable[Object]) -> list[Any]:
    """Selector by selector, roles by name, every rule once."""
    found: list[Any] = []
    ordered = sorted(roles, key=lambda one: str(one["metadata"]["name"]))
    for given in _selectors(role):
        selector = selectors.from_object(given)
        for other in ordered:
            if other["metadata"]["name"] != role["metadata"]["name"] and selector.matches(labels_of(other)):
                found += [rule for rule in other.get("rules") or () if rule not in found]
    return found


async def reconcile(loop: Loop, key: str) -> None:
    role = loop[CLUSTER_ROLES].get(key)
    if role is None or not _selectors(role):
        return
    rules = desired_rules(role, loop[CLUSTER_ROLES].store.objects.values())
    if (role.get("rules") or []) == rules:
        return
    names = {"apiVersion": CLUSTER_ROLES.api_version, "kind": CLUSTER_ROLES.kind}
    wanted = {**names, "metadata": {"name": role["metadata"]["name"]}, **({"rules": rules} if rules else {})}
    query = {"fieldManager": MANAGER, "force": "true"}
    await loop.patch(CLUSTER_ROLES, role, wanted, patch_type="apply", query=query)


def _keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    """Any role may be a part of any aggregate; a resync of few."""
    return [key for key, role in loop[CLUSTER_ROLES].store.objects.items() if _selectors(role)]


CONTROLLER = Controller(name="clusterrole-aggregation", watches={CLUSTER_ROLES: _keys}, reconcile=reconcile)
