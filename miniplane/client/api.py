"""An API client: verbs on resources, JSON objects as plain dicts.

Raises StatusError for what the API server answers, OSError (ConnectionError...) or TimeoutError where it does not
answer. Retries follow client-go: 429 and 503 with Retry-After; a broken connection where repeating is harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from miniplane.apimachinery.status import StatusError
from miniplane.client.config import Config, load
from miniplane.client.resources import Resource
from miniplane.client.transport import ConnectionBroken, Head, Pool, encode

Object = dict[str, Any]

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PAGE = 500
"""Objects in a page of a list, as client-go's pager asks for."""
ATTEMPTS = 10
IDEMPOTENT = frozenset(("GET", "HEAD", "PUT", "DELETE"))


class Client:
    """One API server, one identity. `user_agent` up to the first slash becomes the field manager of our writes."""

    def __init__(
        self, config: Config, *, user_agent: str = "miniplane/0.1", connections: int = 32, timeout: float = 32.0
    ) -> None:
        host, port, self._prefix = config.address()
        self.config = config
        self.timeout = timeout
        self._pool = Pool(host, port, config.ssl_context(), limit=connections)
        shown = f"[{host}]" if ":" in host else host
        self._headers = {"Host": f"{shown}:{port}", "User-Agent": user_agent, "Accept": "application/json"}
        if config.token:
            self._headers["Authorization"] = f"Bearer {config.token}"

    @classmethod
    def from_kubeconfig(cls, path: str | Path, **options: Any) -> Client:
        """Raises OSError and ValueError as `config.load` does."""
        return cls(load(path), **options)

    def close(self) -> None:
        """Drop every connection; requests in flight fail."""
        self._pool.close()

    # requests

    def _encode(
        self, method: str, path: str, query: Mapping[str, Any] | None, body: Any, extra: Mapping[str, str]
    ) -> bytes:
        target = self._prefix + quote(path, safe="/~:+=,!@$&'()*;.-_%")
        given = {key: value for key, value in (query or {}).items() if value is not None}
        if given:
            target += "?" + urlencode(given)
        content = None if body is None else orjson.dumps(body)
        headers = {**self._headers, **extra}
        if content is not None:
            headers.setdefault("Content-Type", "application/json")
        return encode(method, target, headers, content)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The decoded JSON answer (None where it is empty, text where it is no JSON)."""
        raw = self._encode(method, path, query, body, headers or {})
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                head, content = await self._pool.exchange(raw, self.timeout)
            except ConnectionBroken as error:
                if self._pool.closed or attempt > 1 or (method not in IDEMPOTENT):
                    raise ConnectionError(str(error)) from error
                continue
            pause = None if last else _retry_after(head)
            if pause is None:
                return _decoded(head, content)
            await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def get(self, resource: Resource, name: str, namespace: str | None = None, subresource: str = "") -> Object:
        found: Object = await self.request("GET", resource.path(namespace, name, subresource))
        return found

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        page: int = PAGE,
        metadata_only: bool = False,
    ) -> tuple[list[Object], str]:
        """Every object, read in pages, and the resourceVersion of the list."""
        headers = {"Accept": METADATA_LIST} if metadata_only else {}
        wanted = dict(query or {}, limit=page or None)
        items: list[Object] = []
        while True:
            answer = await self.request("GET", resource.path(namespace), query=wanted, headers=headers)
            items += answer.get("items") or ()
            meta = answer.get("metadata") or {}
            if not meta.get("continue"):
                return items, str(meta.get("resourceVersion") or "")
            wanted = {key: value for key, value in wanted.items() if not key.startswith("resourceVersion")}
            wanted["continue"] = meta["continue"]

    async def create(self, resource: Resource, obj: Object, *, query: Mapping[str, Any] | None = None) -> Object:
        namespace = obj["metadata"].get("namespace")
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        found: Object = await self.request("POST", resource.path(namespace), body=body, query=query)
        return found

    async def post(
        self, resource: Resource, name: str, namespace: str | None, subresource: str, body: Object
    ) -> Object:
        """POST to a subresource (binding, eviction, token)."""
        found: Object = await self.request("POST", resource.path(namespace, name, subresource), body=body)
        return found

    async def update(self, resource: Resource, obj: Object, subresource: str = "") -> Object:
        """PUT; the object's resourceVersion, where it has one, is the precondition."""
        meta = obj["metadata"]
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        path = resource.path(meta.get("namespace"), meta["name"], subresource)
        found: Object = await self.request("PUT", path, body=body)
        return found

    async def update_status(self, resource: Resource, obj: Object) -> Object:
        return await self.update(resource, obj, "status")

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: Any,
        *,
        patch_type: str = "merge",
        subresource: str = "",
        query: Mapping[str, Any] | None = None,
    ) -> Object:
        """`patch_type` is a key of PATCH_TYPES; `apply` needs `fieldManager` in the query."""
        headers = {"Content-Type": PATCH_TYPES[patch_type]}
        path = resource.path(namespace, name, subresource)
        found: Object = await self.request("PATCH", path, body=patch, query=query, headers=headers)
        return found

    async def delete(
        self, resource: Resource, name: str, namespace: str | None = None, options: Object | None = None
    ) -> Object:
        """`options` is a DeleteOptions (preconditions, propagationPolicy, gracePeriodSeconds)."""
        found: Object = await self.request("DELETE", resource.path(namespace, name), body=options)
        return found

    async def delete_collection(
        self, resource: Resource, namespace: str | None, options: Object | None = None
    ) -> Object:
        found: Object = await self.request("DELETE", resource.path(namespace), body=options)
        return found

    @contextlib.asynccontextmanager
    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[AsyncIterator[Object]]:
        """`async with client.watch(...) as events: async for event in events`. The iterator ends when the server ends
        the watch; a connection that breaks raises ConnectionBroken."""
        headers = {"Accept": METADATA_ONLY} if metadata_only else {}
        raw = self._encode("GET", resource.path(namespace), {**(query or {}), "watch": "true"}, None, headers)
        async with self._pool.stream(raw) as (head, connection):
            if head.status != 200:
                _decoded(head, await connection.body())
            events = _lines(connection.chunks())
            try:
                yield events
            finally:
                await events.aclose()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Object, None]:
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk if rest else chunk).split(b"\n")
        for line in lines:
            if line:
                yield orjson.loads(line)


def _retry_after(head: Head) -> float | None:
    """Seconds to wait before the request is sent again; None where it is not."""
    if head.status not in (429, 503) or "retry-after" not in head.headers:
        return None
    with contextlib.suppress(ValueError):
        return float(head.headers["retry-after"]) + random.random() * 0.1
    return None


def _decoded(head: Head, content: bytes) -> Any:
    try:
        found = orjson.loads(content) if content else None
    except orjson.JSONDecodeError:
        found = content.decode(errors="replace")
    if head.status < 300:
        return found
    if isinstance(found, dict) and found.get("kind") == "Status":
        raise StatusError.from_body(found, head.status)
    raise StatusError(head.status, "", str(found or f"the server answered {head.status}"))
