"""The log is bounded, and with it the disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from apiserver.storage.log import WatchHistory
from apiserver.storage.store import Store
from miniplane.settings import database_url
from tests.storage.objects import make_write

UPDATES = 20_000
SIZE = 4_000


async def test_many_updates_of_one_object_leave_a_small_database(tmp_path: Path) -> None:
    store = await Store.open(database_url(None, tmp_path))
    (record,) = await store.submit([make_write("a", value="x" * SIZE)])
    for _ in range(UPDATES // 20):
        writes = []
        for step in range(20):
            writes.append(make_write("a", "MODIFIED", record.revision + step, value="x" * SIZE))
        record = (await store.submit(writes))[-1]
    await store.close()
    used = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert used < 50_000_000


async def test_history_is_cut_by_events(tmp_path: Path) -> None:
    store = await Store.open(database_url(None, tmp_path), watch_history=WatchHistory(events=100))
    begin = store.revision
    for number in range(300):
        await store.submit([make_write(f"o{number}")])
    async with asyncio.timeout(10):
        while store.compacted <= begin + 100:
            await store.submit([make_write(f"p{store.revision}")])
    assert store.revision - store.compacted >= 100
    await store.close()
