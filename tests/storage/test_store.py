"""Writes, reads, preconditions, claims and restarts, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import inspect

from apiserver.storage import migrate, tables
from apiserver.storage.engine import open_engine
from apiserver.storage.store import Store
from apiserver.storage.types import Claim, ClaimTaken, Compacted, EventType, Exists, Record, Stale
from tests.storage.objects import RESOURCE, LabelView, content, frames_of, key, make_write

PORT = Claim("port", "80")


async def test_a_write_is_read_back_with_its_revision(store: Store) -> None:
    (record,) = await store.submit([make_write("a", value="1")])
    assert record.revision == store.revision
    found = store.get(key("a"))
    assert found is record
    assert content(found)["metadata"]["resourceVersion"] == str(record.revision)  # type: ignore[index]


async def test_creating_twice_is_refused(store: Store) -> None:
    await store.submit([make_write("a")])
    with pytest.raises(Exists):
        await store.submit([make_write("a")])


async def test_a_stale_revision_is_refused_and_names_the_current_object(store: Store) -> None:
    (first,) = await store.submit([make_write("a")])
    (second,) = await store.submit([make_write("a", "MODIFIED", first.revision)])
    with pytest.raises(Stale) as refusal:
        await store.submit([make_write("a", "MODIFIED", first.revision)])
    assert refusal.value.current is second


async def test_a_group_is_written_whole_or_not_at_all(store: Store) -> None:
    await store.submit([make_write("taken")])
    before = store.revision
    with pytest.raises(Exists):
        await store.submit([make_write("new"), make_write("taken")])
    assert store.get(key("new")) is None
    assert store.revision == before


async def test_a_refused_write_does_not_fail_its_neighbours(store: Store) -> None:
    await store.submit([make_write("taken")])
    groups = [make_write(f"n{i}") for i in range(10)] + [make_write("taken")] + [make_write(f"m{i}") for i in range(10)]
    answers = await asyncio.gather(*(store.submit([write]) for write in groups), return_exceptions=True)
    assert [type(answer) for answer in answers].count(Exists) == 1
    assert store.count("things") == 21


async def test_a_claim_is_given_once_and_freed_with_its_object(store: Store) -> None:
    (first,) = await store.submit([make_write("a", claims=(PORT,))])
    with pytest.raises(ClaimTaken):
        await store.submit([make_write("b", claims=(PORT,))])
    assert dict(store.claims("port")) == {"80": key("a")}
    await store.submit([make_write("a", "DELETED", first.revision, claims=())])
    assert dict(store.claims("port")) == {}
    await store.submit([make_write("b", claims=(PORT,))])
    assert dict(store.claims("port")) == {"80": key("b")}


async def test_a_claim_of_a_refused_group_stays_free(store: Store) -> None:
    await store.submit([make_write("taken")])
    with pytest.raises(Exists):
        await store.submit([make_write("a", claims=(PORT,)), make_write("taken")])
    await store.submit([make_write("b", claims=(PORT,))])
    assert dict(store.claims("port")) == {"80": key("b")}


async def test_lists_are_in_storage_order(store: Store) -> None:
    for namespace, name in (("n", "b"), ("n-2", "a"), ("n", "a"), ("m", "z")):
        await store.submit([make_write(name, namespace=namespace)])
    assert [(r.key.namespace, r.key.name) for r in store.list("things")] == [
        ("m", "z"),
        ("n-2", "a"),
        ("n", "a"),
        ("n", "b"),
    ]
    assert [r.key.name for r in store.list("things", "n")] == ["a", "b"]


async def test_the_label_index_follows_changes(store: Store) -> None:
    (record,) = await store.submit([make_write("a", labels={"app": "x"})])
    (record,) = await store.submit([make_write("a", "MODIFIED", record.revision, labels={"app": "y"})])
    assert store.list("things", label_index=("app", "x")) == []
    assert store.list("things", label_index=("app", "y")) == [record]
    await store.submit([make_write("a", "DELETED", record.revision)])
    assert store.list("things", label_index=("app", "y")) == []


async def at_once(call: Callable[..., Any], *arguments: Any) -> Any:
    """asyncio.to_thread by a thread that is quicker than the loop."""
    return call(*arguments)


async def test_a_write_of_the_last_moment_is_committed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await Store.open(url)
    monkeypatch.setattr(asyncio, "to_thread", at_once)
    last = asyncio.ensure_future(store.submit([make_write("a")]))
    await asyncio.sleep(0)  # it is under way, and not yet with the writer
    await store.close()
    (record,) = await last
    again = await Store.open(url)
    try:
        found = again.get(key("a"))
        assert found is not None and found.data == record.data
    finally:
        await again.close()


async def test_everything_is_there_after_a_restart(url: str) -> None:
    store = await Store.open(url)
    (record,) = await store.submit([make_write("a", labels={"app": "x"}, claims=(PORT,), value="1")])
    revision = store.revision
    await store.close()
    again = await Store.open(url)
    try:
        assert again.revision == revision
        found = again.get(key("a"))
        assert found is not None
        assert found.data == record.data
        assert again.list("things", label_index=("app", "x")) == [found]
        with pytest.raises(ClaimTaken):
            await again.submit([make_write("b", claims=(PORT,))])
        watcher = await again.watch("things", "", record.revision - 1, LabelView())
        assert len(await frames_of(watcher)) == 1
    finally:
        await again.close()


async def test_a_snapshot_shows_an_older_revision(store: Store) -> None:
    (a,) = await store.submit([make_write("a", value="old")])
    (b,) = await store.submit([make_write("b")])
    then = store.revision
    await store.submit([make_write("a", "MODIFIED", a.revision, value="new")])
    await store.submit([make_write("b", "DELETED", b.revision)])
    await store.submit([make_write("c")])
    found = await store.snapshot("things", "n", then)
    assert [(r.key.name, content(r)["value"]) for r in found] == [("a", "old"), ("b", "")]


async def test_what_is_compacted_cannot_be_asked_for(store: Store) -> None:
    (a,) = await store.submit([make_write("a")])
    await store.submit([make_write("b")])
    await store.compact(store.revision)
    with pytest.raises(Compacted):
        await store.watch("things", "", a.revision, LabelView())
    with pytest.raises(Compacted):
        await store.snapshot("things", "", a.revision)


async def test_reset_goes_back_to_the_baseline(store: Store) -> None:
    (kept,) = await store.submit([make_write("kept", value="1")])
    (gone,) = await store.submit([make_write("gone")])
    store.mark_baseline()
    watcher = await store.watch("things", "", store.revision, LabelView())
    await store.submit([make_write("kept", "MODIFIED", kept.revision, value="2")])
    await store.submit([make_write("gone", "DELETED", gone.revision)])
    await store.submit([make_write("new")])
    await store.reset()
    assert {r.key.name: content(r)["value"] for r in store.list("things")} == {"kept": "1", "gone": ""}
    assert len(await frames_of(watcher)) == 6


async def test_two_replicas_see_each_other(new_database: Callable[[], str]) -> None:
    url = new_database()
    first, second = await Store.open(url), await Store.open(url)
    try:
        watcher = await second.watch("things", "", second.revision, LabelView())
        (record,) = await first.submit([make_write("a", claims=(PORT,))])
        await second.consistent()
        assert second.get(key("a")) is not None
        assert len(await frames_of(watcher)) == 1
        with pytest.raises(ClaimTaken):
            await second.submit([make_write("b", claims=(PORT,))])
        with pytest.raises(Stale):
            await second.submit([make_write("a", "MODIFIED", record.revision + 100)])
        await second.submit([make_write("a", "DELETED", record.revision, claims=())])
        await first.consistent()
        assert first.get(key("a")) is None
        assert first.revision == second.revision
    finally:
        await first.close()
        await second.close()


def test_a_new_database_has_the_schema_of_the_migrations(url: str, tmp_path: object) -> None:
    """`migrate.prepare` makes a new database without Alembic; the migrations must give the same tables."""
    engine = open_engine(url)
    migrate.upgrade(engine, None)
    migrated = _shape(engine)
    tables.metadata.drop_all(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
        connection.commit()
    migrate.prepare(engine)
    assert _shape(engine) == migrated
    engine.dispose()


def _shape(engine: object) -> dict[str, object]:
    inspector = inspect(engine)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)],
            inspector.get_pk_constraint(name)["constrained_columns"],
            [index["column_names"] for index in inspector.get_indexes(name)],
        )
        for name in sorted(inspector.get_table_names())
    }


async def test_a_newer_database_is_refused(url: str) -> None:
    await (await Store.open(url)).close()
    engine = open_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    engine.dispose()
    with pytest.raises(migrate.NewerDatabase, match="newer version"):
        await Store.open(url)


class _BrokenView(LabelView):
    def frame(self, event: EventType, record: Record) -> bytes:
        raise ValueError("a frame that cannot be made")


async def test_a_selection_that_fails_harms_nobody_else(store: Store) -> None:
    broken = await store.watch(RESOURCE, "", store.revision, _BrokenView())
    sound = await store.watch(RESOURCE, "", store.revision, LabelView())
    (record,) = await store.submit([make_write("a")])
    assert store.get(record.key) is record
    assert len(await frames_of(sound)) == 1
    assert await frames_of(broken) == [], "its client is told by the end of the watch"
