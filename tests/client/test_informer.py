"""List and watch through faults: 410, cut streams, a server that goes away; and reading one's own writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from miniplane.client.informer import Informer
from miniplane.client.resources import PODS
from tests.client.server import Exchange, Server


def pod(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version), "uid": uid or name}}


def event(kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": obj}


class Follower:
    """An informer and what its handler was told; `until` waits for it."""

    def __init__(self, server: Server) -> None:
        self.informer = Informer(server.client(), PODS)
        self.seen: list[tuple[str | None, str | None]] = []
        self.changed = asyncio.Event()
        self.informer.add_handler(self._note)

    def _note(self, old: Any, new: Any) -> None:
        def version(obj: Any) -> str | None:
            return obj["metadata"]["name"] + obj["metadata"]["resourceVersion"] if obj else None

        self.seen.append((version(old), version(new)))
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def following(handler: Callable[[Exchange], Awaitable[None]]) -> AsyncIterator[Follower]:
    async with Server(handler) as server:
        follower = Follower(server)
        task = asyncio.create_task(follower.informer.run())
        try:
            yield follower
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def scripted(lists: list[Any], watches: list[Callable[[Exchange], Awaitable[None]]]):  # type: ignore[no-untyped-def]
    """Answers in turn; the last ones stay."""
    versions: list[str] = []

    async def handler(exchange: Exchange) -> None:
        if "watch=true" not in exchange.target:
            version, *items = lists.pop(0) if len(lists) > 1 else lists[0]
            await exchange.answer({"metadata": {"resourceVersion": str(version)}, "items": items})
            return
        versions.append(exchange.target.split("resourceVersion=")[1].split("&")[0])
        if watches:
            await watches.pop(0)(exchange)
        else:
            await exchange.stream()

    return handler, versions


async def test_a_cut_watch_resumes_where_it_was() -> None:
    async def first(exchange: Exchange) -> None:
        await exchange.stream(event("ADDED", pod("b", 6)), event("BOOKMARK", {"metadata": {"resourceVersion": "9"}}))
        exchange.cut()

    async def second(exchange: Exchange) -> None:
        await exchange.stream(event("DELETED", pod("a", 10)))

    handler, versions = scripted([[5, pod("a", 4)]], [first, second])
    async with following(handler) as follower:
        await follower.until(lambda: len(follower.seen) == 3)
        assert follower.seen == [(None, "a4"), (None, "b6"), ("a4", None)]
        assert versions == ["5", "9"]


async def test_an_expired_watch_lists_again_and_tells_the_difference() -> None:
    async def expired(exchange: Exchange) -> None:
        status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old", "metadata": {}}
        await exchange.stream(event("ERROR", status))
        await exchange.end()

    handler, versions = scripted([[5, pod("a", 4), pod("b", 3)], [9, pod("b", 8), pod("c", 7)]], [expired])
    async with following(handler) as follower:
        await follower.until(lambda: len(follower.seen) == 5)
        assert set(follower.seen[2:]) == {("a4", None), ("b3", "b8"), (None, "c7")}
        assert versions[0] == "5"


async def test_an_object_recreated_while_away_is_a_deletion_and_an_addition() -> None:
    async def expired(exchange: Exchange) -> None:
        await exchange.stream(event("ERROR", {"code": 410, "metadata": {}}))
        await exchange.end()

    handler, _ = scripted([[5, pod("a", 4, "one")], [9, pod("a", 8, "two")]], [expired])
    async with following(handler) as follower:
        await follower.until(lambda: len(follower.seen) == 3)
        assert follower.seen == [(None, "a4"), ("a4", None), (None, "a8")]


async def test_a_server_that_was_away_is_found_again() -> None:
    async def handler(exchange: Exchange) -> None:
        if len(server.requests) < 3:
            exchange.cut()
        elif "watch=true" in exchange.target:
            await exchange.stream()
        else:
            await exchange.answer({"metadata": {"resourceVersion": "5"}, "items": [pod("a", 4)]})

    async with Server(handler) as server:
        informer = Informer(server.client(), PODS)
        task = asyncio.create_task(informer.run())
        await asyncio.wait_for(informer.synced.wait(), 5)
        assert list(informer.store.objects) == ["ns/a"]
        task.cancel()


def offline() -> tuple[Informer, list[tuple[int, int]]]:
    informer, seen = Informer(None, PODS), []  # type: ignore[arg-type, var-annotated]

    def version(obj: Any) -> int:
        return int(obj["metadata"]["resourceVersion"]) if obj else 0

    informer.add_handler(lambda old, new: seen.append((version(old), version(new))))
    return informer, seen


def test_own_writes_are_read_at_once_and_told_once() -> None:
    informer, seen = offline()
    informer._apply("ADDED", pod("a", 1))
    informer.observe(pod("a", 3))
    assert informer.get("ns/a") == pod("a", 3)
    informer._apply("MODIFIED", pod("a", 2))
    assert informer.get("ns/a") == pod("a", 3)
    informer._apply("MODIFIED", pod("a", 3))
    assert seen == [(0, 1), (1, 2), (2, 3)]


def test_the_answer_to_a_create_does_not_bring_back_what_was_deleted_since() -> None:
    informer, seen = offline()
    informer._apply("ADDED", pod("a", 1))
    informer._apply("DELETED", pod("a", 2))
    informer.observe(pod("a", 1))
    assert informer.get("ns/a") is None
    assert seen == [(0, 1), (1, 0)]


def test_a_list_older_than_our_own_write_does_not_undo_it() -> None:
    informer, _ = offline()
    informer.observe(pod("a", 7))
    informer._replace([], 6)
    assert informer.get("ns/a") == pod("a", 7)
    informer._replace([], 8)
    assert informer.get("ns/a") is None


def test_indexes_follow_changes() -> None:
    informer, _ = offline()
    informer.store.add_index("uid", lambda obj: (obj["metadata"]["uid"],))
    informer._apply("ADDED", pod("a", 1, "x"))
    informer._apply("MODIFIED", pod("a", 2, "y"))
    assert informer.store.by_index("uid", "x") == []
    assert informer.store.by_index("uid", "y") == [pod("a", 2, "y")]
