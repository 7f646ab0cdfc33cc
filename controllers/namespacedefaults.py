"""What every namespace gets: service account `default`, config map `kube-root-ca.crt`; put back when deleted or
changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from controllers.controller import Controller, Loop, own_key
from controllers.pods import is_terminating
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS, Resource

ACCOUNT, ROOT_CA = "default", "kube-root-ca.crt"
DESCRIPTION = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
    "internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed "
    "across distributions of Kubernetes clusters."
}


def _namespace_of(name: str) -> Callable[[Loop, Object | None, Object | None], Iterable[str]]:
    """Changes of the object of that name concern its namespace."""

    def keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
        meta = (new or old or {})["metadata"]
        return (meta["namespace"],) if meta["name"] == name else ()

    return keys


async def _create(loop: Loop, resource: Resource, obj: Object) -> None:
    try:
        await loop.create(resource, obj)
    except StatusError as error:
        if error.code not in (403, 404, 409):  # the namespace goes away, or somebody was quicker
            raise


def _alive(loop: Loop, name: str) -> bool:
    namespace = loop[NAMESPACES].get(name)
    return namespace is not None and not is_terminating(namespace)


async def reconcile_account(loop: Loop, key: str) -> None:
    if _alive(loop, key) and loop[SERVICE_ACCOUNTS].get(f"{key}/{ACCOUNT}") is None:
        await _create(loop, SERVICE_ACCOUNTS, {"metadata": {"name": ACCOUNT, "namespace": key}})


async def reconcile_root_ca(loop: Loop, key: str) -> None:
    """Without a CA of its own (plain HTTP) a server has nothing to publish."""
    authority = loop.client.config.ca_data.decode()
    if not authority or not _alive(loop, key):
        return
    found = loop[CONFIG_MAPS].get(f"{key}/{ROOT_CA}")
    data = {"ca.crt": authority}
    if found is None:
        meta = {"name": ROOT_CA, "namespace": key, "annotations": DESCRIPTION}
        await _create(loop, CONFIG_MAPS, {"metadata": meta, "data": data})
        return
    annotations = found["metadata"].get("annotations") or {}
    if found.get("data") != data or any(annotations.get(name) != text for name, text in DESCRIPTION.items()):
        meta = {**found["metadata"], "annotations": {**annotations, **DESCRIPTION}}
        await loop.update(CONFIG_MAPS, {**found, "metadata": meta, "data": data})


ACCOUNTS = Controller(
    name="serviceaccount",
    component="service-account-controller",
    watches={NAMESPACES: own_key, SERVICE_ACCOUNTS: _namespace_of(ACCOUNT)},
    reconcile=reconcile_account,
)
ROOT_CAS = Controller(
    name="root-ca-certificate-publisher",
    watches={NAMESPACES: own_key, CONFIG_MAPS: _namespace_of(ROOT_CA)},
    reconcile=reconcile_root_ca,
)
