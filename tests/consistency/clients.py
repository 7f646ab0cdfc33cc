"""Clients that do random things through whichever server answers, and remember what they did."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.consistency.history import Operation, Seen, Watched

NAMESPACE = "/api/v1/namespaces/default"
CONFIGMAPS, SERVICES = f"{NAMESPACE}/configmaps", f"{NAMESPACE}/services"
NAMES = 5
"""Objects of each kind that all clients fight for."""
PATIENCE = aiohttp.ClientTimeout(total=20)
LABEL = "consistency"
Object = dict[str, Any]


class Endpoints:
    """Where the servers are; a session for each."""

    def only(self, url: str) -> Endpoints:
        """The same with one server alone."""
        found = Endpoints([url], "")
        found._session = self._session
        return found

    def __init__(self, urls: list[str], token: str) -> None:
        self.urls, self._headers = urls, {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Endpoints:
        # a connection for every request: several workers on one port take turns
        connector = aiohttp.TCPConnector(ssl=False, limit=0, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    def request(self, chance: random.Random, method: str, path: str, **arguments: Any) -> Any:
        assert self._session is not None
        return self._session.request(method, chance.choice(self.urls) + path, **arguments)


class Client:
    """One operation after the other until told to stop."""

    def __init__(self, endpoints: Endpoints, seed: str, history: list[Operation]) -> None:
        self.endpoints, self.chance, self.history = endpoints, random.Random(seed), history
        self.seed, self.number = seed, 0
        self.known: dict[str, Object] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            path = self.chance.choice((CONFIGMAPS, CONFIGMAPS, SERVICES))
            name = f"{path.rpartition('/')[2]}-{self.chance.randrange(NAMES)}"
            action = self.chance.choices(
                (self.create, self.get, self.replace, self.patch, self.delete, self.list), (4, 6, 4, 5, 2, 2)
            )[0]
            await action(path, name)

    def content(self) -> str:
        self.number += 1
        return f"{self.seed}/{self.number}"

    async def create(self, path: str, name: str) -> None:
        await self.write("POST", path, name, make_object(path, name, self.content(), self.chance))

    async def replace(self, path: str, name: str) -> None:
        """The object as this client last saw it, with other content: conditional on its version, or not."""
        known = self.known.get(name)
        if known is None:
            return await self.get(path, name)
        obj = json.loads(json.dumps(known))
        _fill(obj, self.content())
        if self.chance.random() < 0.3:
            del obj["metadata"]["resourceVersion"]
        return await self.write("PUT", f"{path}/{name}", name, obj)

    async def patch(self, path: str, name: str) -> None:
        patch: Object = {"metadata": {"annotations": {"content": self.content()}}}
        await self.write("PATCH", f"{path}/{name}", name, patch)

    async def write(self, method: str, path: str, name: str, body: Object) -> None:
        condition = int(body["metadata"].get("resourceVersion", 0)) if method == "PUT" else 0
        sent = body["metadata"]["annotations"]["content"]
        operation = Operation("write", name, time.monotonic(), sent=sent, condition=condition)
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        await self.ask(operation, method, path, json.dumps(body), media)

    async def get(self, path: str, name: str) -> None:
        await self.ask(Operation("get", name, time.monotonic()), "GET", f"{path}/{name}")

    async def delete(self, path: str, name: str) -> None:
        await self.ask(Operation("delete", name, time.monotonic()), "DELETE", f"{path}/{name}")

    async def list(self, path: str, name: str) -> None:
        operation = Operation("list", name.rpartition("-")[0], time.monotonic())
        await self.ask(operation, "GET", f"{path}?labelSelector={LABEL}")

    async def ask(self, operation: Operation, method: str, path: str, body: str | None = None, media: str = "") -> None:
        """Send it and note what came of it. An operation is in the history before it is sent."""
        self.history.append(operation)
        found: Object = {}
        headers = {"Content-Type": media} if media else {}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
            async with self.endpoints.request(
                self.chance, method, path, data=body, headers=headers, timeout=PATIENCE
            ) as answer:
                found = await answer.json()
                operation.answer = answer.status
        operation.ended = time.monotonic()
        if operation.done and operation.kind != "delete":
            self.note(operation, found)
        if not operation.answer or operation.answer >= 500:
            await asyncio.sleep(0.05)  # whoever was cut off does not come back at once

    def note(self, operation: Operation, found: Object) -> None:
        operation.version = int(found["metadata"]["resourceVersion"])
        if operation.kind == "list":
            operation.items = {item["metadata"]["name"]: _identity(item) for item in found["items"]}
            return
        operation.version, operation.content = _identity(found)
        self.known[operation.key] = found


def make_object(path: str, name: str, content: str, chance: random.Random) -> Object:
    obj: Object = {"metadata": {"name": name, "labels": {LABEL: "yes"}}}
    if path == SERVICES:
        obj["spec"] = {"type": chance.choice(("ClusterIP", "NodePort")), "ports": [{"port": 80}]}
    _fill(obj, content)
    return obj


def _fill(obj: Object, content: str) -> None:
    obj["metadata"].setdefault("annotations", {})["content"] = content


def _identity(obj: Object) -> tuple[int, str]:
    metadata = obj["metadata"]
    return int(metadata["resourceVersion"]), (metadata.get("annotations") or {}).get("content", "")


def seen(event: Object) -> Seen:
    """A watch event, as far as histories look at it."""
    obj = event["object"]
    version, content = _identity(obj)
    spec = obj.get("spec") or {}
    ports = {f"port {port['nodePort']}" for port in spec.get("ports") or () if port.get("nodePort")}
    holds = ports | ({f"address {spec['clusterIP']}"} if spec.get("clusterIP") else set())
    return Seen(event["type"], obj["metadata"]["name"], version, content, frozenset(holds))


class Observer:
    """A watch that goes on elsewhere from where it was cut."""

    def __init__(self, endpoints: Endpoints, seed: str, path: str, since: int, lifetime: int = 0) -> None:
        """`lifetime`: seconds of one connection, 0 for a few at random."""
        self.endpoints, self.chance, self.path, self.lifetime = endpoints, random.Random(seed), path, lifetime
        self.watched = Watched(since, since)
        self.gone = 0
        self.following = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await self.follow()
            await asyncio.sleep(0.02)

    async def follow(self) -> None:
        seconds = self.lifetime or self.chance.randrange(1, 6)
        query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={self.watched.until}"
        path, patience = f"{self.path}?labelSelector={LABEL}&{query}", aiohttp.ClientTimeout(total=seconds + 10)
        async with self.endpoints.request(self.chance, "GET", path, timeout=patience) as answer:
            if answer.status != 200:
                await asyncio.sleep(0.05)
                return
            self.following.set()
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    self.gone += event["object"].get("code") == 410
                    return
                if event["type"] != "BOOKMARK":
                    self.watched.events.append(seen(event))
                self.watched.until = int(event["object"]["metadata"]["resourceVersion"])

    async def reach(self, version: int, elapsed: Callable[[], bool]) -> None:
        """Wait until everything up to `version` was seen, or `elapsed()`."""
        while self.watched.until < version and not elapsed():
            await asyncio.sleep(0.02)
