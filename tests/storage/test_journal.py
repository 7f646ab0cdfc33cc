"""SQLite: what a batch adds to the log is done to the other tables, and only where it continues the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver.storage import journal
from apiserver.storage.store import Store
from apiserver.storage.types import Claim, Exists, Stale
from miniplane.settings import database_url
from tests.storage.objects import content, key, make_write


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Two stores on one file that do not tell each other of anything."""
    url = database_url(None, tmp_path)
    one, other = await Store.open(url), await Store.open(url)
    yield one, other
    await one.close()
    await other.close()


def stored(store: Store) -> dict[str, tuple[int, bytes]]:
    return {record.key.name: (record.revision, record.data) for record in store.list("things")}


async def test_a_batch_planned_on_an_old_picture_is_planned_again(pair: tuple[Store, Store]) -> None:
    one, other = pair
    (made,) = await one.submit([make_write("a")])
    with pytest.raises(Exists):
        await other.submit([make_write("a")])
    (second,) = await other.submit([make_write("b")])
    assert second.revision == made.revision + 1
    assert set(stored(other)) == {"a", "b"}
    (third,) = await one.submit([make_write("a", "MODIFIED", made.revision, value="2")])
    assert third.revision == second.revision + 1
    with pytest.raises(Stale):
        await other.submit([make_write("a", "MODIFIED", made.revision, value="3")])


async def test_a_batch_does_not_repeat_a_revision_whose_row_is_compacted(pair: tuple[Store, Store]) -> None:
    one, other = pair
    (first,) = await other.submit([make_write("a")])
    await other.compact()
    (second,) = await one.submit([make_write("b")])
    assert second.revision == first.revision + 1
    assert set(stored(one)) == {"a", "b"}


async def test_a_refusal_is_not_left_to_an_old_picture(pair: tuple[Store, Store]) -> None:
    one, other = pair
    (made,) = await other.submit([make_write("a")])
    (gone,) = await one.submit([make_write("b")])
    await one.submit([make_write("a", "DELETED", made.revision)])
    (again,) = await other.submit([make_write("a")])
    assert again.revision == gone.revision + 2


async def test_claims_that_another_process_gave_away_are_known(pair: tuple[Store, Store]) -> None:
    one, other = pair
    (made,) = await one.submit([make_write("a", claims=(Claim("port", "80"),))])
    await other.submit([make_write("b", claims=())])
    assert dict(other.claims("port")) == {"80": key("a")}
    await one.submit([make_write("a", "DELETED", made.revision, claims=())])
    await other.submit([make_write("c", claims=(Claim("port", "80"),))])


@pytest.mark.parametrize("count", [1, 2, journal.AT_ONCE, journal.AT_ONCE + 1, 5 * journal.AT_ONCE + 7])
async def test_groups_of_every_size_are_there_after_a_restart(tmp_path: Path, count: int) -> None:
    url = database_url(None, tmp_path)
    store = await Store.open(url)
    made = await store.submit([make_write(f"{number:04}", labels={"app": "a"}) for number in range(count)])
    await store.submit(
        [
            make_write(record.key.name, "MODIFIED", record.revision, value="2")
            if at % 3
            else make_write(record.key.name, "DELETED", record.revision)
            for at, record in enumerate(made)
        ]
    )
    await store.submit([make_write(record.key.name, value="3") for at, record in enumerate(made) if at % 6 == 0])
    before, revision = stored(store), store.revision
    await store.close()
    again = await Store.open(url)
    assert (stored(again), again.revision) == (before, revision)
    assert [content(record)["value"] for record in again.list("things")] == [
        "3" if at % 6 == 0 else "2" for at in range(count) if at % 3 or at % 6 == 0
    ]
    await again.close()


async def test_one_object_many_times_in_one_batch(tmp_path: Path) -> None:
    url = database_url(None, tmp_path)
    store = await Store.open(url)
    start = store.revision
    steps = [make_write("a"), make_write("a", "MODIFIED", start + 1, value="2"), make_write("a", "DELETED", start + 2)]
    await asyncio.gather(*(store.submit([step]) for step in [*steps, make_write("a", value="4")]))
    before = stored(store)
    assert set(before) == {"a"}
    await store.close()
    again = await Store.open(url)
    assert stored(again) == before
    assert again.revision == start + 4
    await again.close()
