"""Faults that must stay with whoever caused them: resets, failing writes, compaction by others, watchers far behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import delete, update

from apiserver.storage import tables, watch
from apiserver.storage.log import WatchHistory
from apiserver.storage.store import Store
from apiserver.storage.types import Claim, ClaimTaken, Event
from miniplane.settings import database_url
from tests.storage.objects import LabelView, frames_of, key, make_write

PORT, OTHER = Claim("port", "80"), Claim("port", "81")


async def test_reset_gives_claims_back(store: Store) -> None:
    (kept,) = await store.submit([make_write("kept", claims=(PORT,))])
    store.mark_baseline()
    await store.submit([make_write("kept", "DELETED", kept.revision, claims=())])
    await store.submit([make_write("thief", claims=(PORT,))])
    await store.reset()
    assert dict(store.claims("port")) == {"80": key("kept")}
    with pytest.raises(ClaimTaken):
        await store.submit([make_write("b", claims=(PORT,))])


async def test_reset_undoes_an_exchange_of_claims(store: Store) -> None:
    (a, b) = await store.submit([make_write("a", claims=(PORT,)), make_write("b", claims=(OTHER,))])
    store.mark_baseline()
    await store.submit(
        [
            make_write("a", "MODIFIED", a.revision, claims=(OTHER,), value="2"),
            make_write("b", "MODIFIED", b.revision, claims=(PORT,), value="2"),
        ]
    )
    assert dict(store.claims("port")) == {"81": key("a"), "80": key("b")}
    await store.reset()
    assert dict(store.claims("port")) == {"80": key("a"), "81": key("b")}


async def test_a_write_that_cannot_be_planned_fails_alone(store: Store) -> None:
    broken = make_write("broken")
    broken.template = (None, None)  # type: ignore[assignment]
    writes = [make_write("before"), broken, make_write("after")]
    answers = await asyncio.gather(*(store.submit([write]) for write in writes), return_exceptions=True)
    assert [isinstance(answer, TypeError) for answer in answers] == [False, True, False]
    assert store.get(key("before")) is not None
    assert store.get(key("after")) is not None
    await store.submit([make_write("later")])


async def test_claims_are_shown_once_they_are_committed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (record,) = await store.submit([make_write("a", claims=(PORT,))])
    seen: list[dict[str, Any]] = []
    write = store.writer._write

    def observed(*arguments: Any) -> None:
        """In the writer's thread, before the commit: the loop delivers an event of the same owner meanwhile."""
        again = Event("MODIFIED", record.revision, record, record)
        done = asyncio.run_coroutine_threadsafe(_deliver(store, again), loop)
        seen.append(done.result())
        write(*arguments)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(store.writer, "_write", observed)
    await store.submit([make_write("a", "MODIFIED", record.revision, claims=(OTHER,))])
    assert seen == [{"80": key("a")}]
    assert dict(store.claims("port")) == {"81": key("a")}


async def _deliver(store: Store, event: Event) -> dict[str, Any]:
    store.apply([event])
    return dict(store.claims("port"))


async def test_a_replica_behind_a_compaction_reads_everything_anew(new_database: Callable[[], str]) -> None:
    url = new_database()
    first, second = await Store.open(url), await Store.open(url)
    try:
        (gone, _) = await first.submit([make_write("gone", claims=(PORT,)), make_write("kept")])
        await second.consistent()
        watcher = await second.watch("things", "", second.revision, LabelView())
        heard: list[tuple[str, str]] = []
        second.listeners["things"] = [lambda event: heard.append((event.type, event.record.key.name))]
        await _behind_our_back(first, gone.revision)
        await second.consistent()
        assert [record.key.name for record in second.list("things")] == ["kept", "new"]
        assert dict(second.claims("port")) == {"80": key("new")}
        assert sorted(heard) == [("ADDED", "new"), ("DELETED", "gone")]
        assert await frames_of(watcher) == []
        assert second.revision == first.revision
    finally:
        await first.close()
        await second.close()


async def _behind_our_back(first: Store, revision: int) -> None:
    """Writes in one transaction together with the compaction that forgets them: nobody can follow the log."""

    def work(connection: Any) -> None:
        connection.execute(delete(tables.objects).where(tables.objects.c.name == "gone"))
        connection.execute(update(tables.claims).values(name="new"))
        row = {"resource": "things", "namespace": "n", "name": "new", "revision": revision + 3}
        content = {"uid": "u", "version_at": 1, "labels": b"{}", "body": b'{"metadata":{}}'}
        event = {"type": "ADDED", "previous_revision": 0, "created_at": 0}
        connection.execute(tables.objects.insert().values(row))
        connection.execute(tables.log.insert().values(**row, **content, **event))
        connection.execute(update(tables.revision).values(value=revision + 3, compacted=revision + 3))
        connection.commit()

    await first._in_writer(work)
    await first.consistent()


async def test_a_long_backlog_is_delivered_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = store.revision
    await store.submit([make_write(f"o{number:02}") for number in range(20)])
    monkeypatch.setattr(watch, "QUEUE_FRAMES", 5)
    watcher = await store.watch("things", "", begin, LabelView())
    await store.submit([make_write("later")])
    frames = await frames_of(watcher)
    assert [orjson.loads(frame)[1] for frame in frames] == [*(f"o{number:02}" for number in range(20)), "later"]
    assert not watcher.closed


async def test_a_watcher_that_does_not_read_is_closed_and_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "QUEUE_FRAMES", 5)
    watcher = await store.watch("things", "", store.revision, LabelView())
    await store.submit([make_write(f"o{number}") for number in range(10)])
    assert watcher.closed
    assert store.hub.watchers() == 0


async def test_history_ages_out_though_nothing_is_written(tmp_path: Path) -> None:
    store = await Store.open(database_url(None, tmp_path), watch_history=WatchHistory(seconds=1))
    try:
        (record,) = await store.submit([make_write("a")])
        async with asyncio.timeout(30):
            while store.compacted < record.revision:
                await asyncio.sleep(0.05)
    finally:
        await store.close()
