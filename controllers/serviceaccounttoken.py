"""Secrets of type service-account-token: filled for their account, deleted where there is none."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from controllers.controller import Controller, Loop, own_key
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import SECRETS, SERVICE_ACCOUNTS

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
BY_ACCOUNT = "account"
TOKEN_SECONDS = 10 * 365 * 86400
"""Secrets of this kind hold tokens that do not expire; the token API grants none for ever."""


def _account(secret: Object) -> str:
    annotations = secret["metadata"].get("annotations") or {}
    return annotations.get(NAME, "") if secret.get("type") == TYPE else ""


def _account_values(secret: Object) -> Iterable[str]:
    name = _account(secret)
    return (f"{secret['metadata']['namespace']}/{name}",) if name else ()


def _secret_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    return own_key(loop, old, new) if new is not None and _account(new) else ()


def _account_keys(loop: Loop, old: Object | None, new: Object | None) -> Iterable[str]:
    meta = (new or old or {})["metadata"]
    secrets = loop[SECRETS].store.by_index(BY_ACCOUNT, f"{meta['namespace']}/{meta['name']}")
    return [f"{meta['namespace']}/{secret['metadata']['name']}" for secret in secrets]


async def _live_account(loop: Loop, namespace: str, name: str) -> Object | None:
    """Asked for, not looked up: a Secret may come right after its account."""
    known = loop[SERVICE_ACCOUNTS].get(f"{namespace}/{name}")
    if known is not None:
        return known
    try:
        return await loop.client.get(SERVICE_ACCOUNTS, name, namespace)
    except StatusError as error:
        if error.code == 404:
            return None
        raise


async def reconcile(loop: Loop, key: str) -> None:
    secret = loop[SECRETS].get(key)
    if secret is None or not _account(secret):
        return
    meta, name = secret["metadata"], _account(secret)
    account = await _live_account(loop, meta["namespace"], name)
    wanted_uid = meta["annotations"].get(UID)
    if account is None or (wanted_uid and wanted_uid != account["metadata"]["uid"]):
        await loop.delete(SECRETS, secret)
        return
    authority = base64.b64encode(loop.client.config.ca_data).decode()
    wanted = {"namespace": base64.b64encode(meta["namespace"].encode()).decode()}
    if authority:
        wanted["ca.crt"] = authority
    data = secret.get("data") or {}
    if wanted_uid and data.get("token") and all(data.get(key) == value for key, value in wanted.items()):
        return
    token = data.get("token") or await _token(loop, secret, name)
    annotations = {**meta["annotations"], UID: account["metadata"]["uid"]}
    full = {**secret, "metadata": {**meta, "annotations": annotations}, "data": {**data, **wanted, "token": token}}
    await loop.update(SECRETS, full)


async def _token(loop: Loop, secret: Object, account: str) -> str:
    """A token bound to the Secret: it dies with it."""
    meta = secret["metadata"]
    bound = {"kind": "Secret", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [], "expirationSeconds": TOKEN_SECONDS, "boundObjectRef": bound},
    }
    answer = await loop.client.post(SERVICE_ACCOUNTS, account, meta["namespace"], "token", body)
    return base64.b64encode(answer["status"]["token"].encode()).decode()


CONTROLLER = Controller(
    name="serviceaccount-token",
    watches={SECRETS: _secret_keys, SERVICE_ACCOUNTS: _account_keys},
    reconcile=reconcile,
    indexes={(SECRETS, BY_ACCOUNT): _account_values},
)
