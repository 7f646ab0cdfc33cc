"""The log holds what somebody may still ask for, every version once, and nothing else."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import OperationalError

from apiserver.storage import log, migrate, tables, writer
from apiserver.storage.engine import open_engine
from apiserver.storage.store import Store
from apiserver.storage.types import Claim, Compacted
from miniplane.settings import database_url
from tests.storage.objects import LabelView, content, key, make_write


async def put(store: Store, name: str, value: str) -> int:
    """Create or change an object: its revision."""
    live = store.get(key(name))
    write = make_write(name, "MODIFIED" if live else "ADDED", live.revision if live else 0, value=value)
    return (await store.submit([write]))[0].revision


async def remove(store: Store, name: str) -> int:
    live = store.get(key(name))
    assert live is not None
    return (await store.submit([make_write(name, "DELETED", live.revision)]))[0].revision


async def held(store: Store) -> set[int]:
    """The revisions of the log's rows."""

    def read(connection: Connection) -> list[int]:
        return list(connection.execute(select(tables.log.c.revision)).scalars())

    rows: list[int] = await store._in_writer(read)
    assert len(rows) == len(set(rows))
    return set(rows)


async def test_what_is_current_outlives_its_event(store: Store) -> None:
    kept = await put(store, "kept", "1")
    await put(store, "changed", "1")
    changed = await put(store, "changed", "2")
    await put(store, "gone", "1")
    await remove(store, "gone")
    await store.compact()
    assert await held(store) == {kept, changed}


async def test_a_compaction_keeps_what_later_events_replaced(store: Store) -> None:
    first = await put(store, "a", "1")
    cut = await put(store, "b", "1")
    second = await put(store, "a", "2")
    await store.compact(cut)
    assert await held(store) == {first, cut, second}
    assert [content(record)["value"] for record in await store.snapshot("things", "", cut)] == ["1", "1"]
    await store.compact(second)
    assert await held(store) == {cut, second}


async def test_a_sweep_that_is_interrupted_is_finished_later(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "COMPACTION_SLICE", 3)
    sweep, swept = log.sweep, []

    def failing(connection: Connection, after: int, until: int) -> None:
        if len(swept) == 2:
            raise OperationalError("", None, Exception("disk full"))
        swept.append(until)
        sweep(connection, after, until)

    monkeypatch.setattr(log, "sweep", failing)
    store = await Store.open(url)
    for number in range(20):
        last = await put(store, "a", str(number))
    with pytest.raises(Exception, match="the database refused"):
        await store.compact()
    assert len(await held(store)) == last - swept[-1] + 1, "two slices are gone, all but what the next replaces"
    await store.close()
    monkeypatch.setattr(log, "sweep", sweep)
    again = await Store.open(url)
    with pytest.raises(Compacted):
        await again.watch("things", "", last - 1, LabelView())
    last = await put(again, "a", "20")
    await again.compact()
    assert await held(again) == {last}
    await again.close()


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "put", "remove", "compact", "restart"]), st.sampled_from("abc")),
    max_size=25,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.integers(1, 5), st.integers(0, 6))
def test_nothing_else_is_held(steps: list[tuple[str, str]], slice_size: int, lag: int) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patches:
        patches.setattr(writer, "COMPACTION_SLICE", slice_size)
        asyncio.run(_play(database_url(None, Path(directory)), steps, lag))


async def _play(url: str, steps: list[tuple[str, str]], lag: int) -> None:
    store = await Store.open(url)
    events: dict[int, tuple[str, int]] = {}  # revision -> what happened, and the revision it replaced
    for number, (what, name) in enumerate(steps):
        live = store.get(key(name))
        replaced = live.revision if live is not None else 0
        if what == "put":
            events[await put(store, name, str(number))] = (what, replaced)
        elif what == "remove" and live is not None:
            events[await remove(store, name)] = (what, replaced)
        elif what == "compact":
            await store.compact(max(store.revision - lag, store.compacted))
        elif what == "restart":
            before = {record.key: record.data for record in store.list("things")}
            await store.close()
            store = await Store.open(url)
            assert {record.key: record.data for record in store.list("things")} == before
    wanted = {record.revision for record in store.list("things")}
    for revision, (_, replaced) in events.items():
        wanted |= {revision, replaced} - {0} if revision > store.compacted else set()
    assert await held(store) == wanted
    await store.close()


def _old_rows(connection: Connection) -> None:
    """What a miniplane of schema 0001 left: two objects, one changed since, one deleted, an address."""
    row: dict[str, Any] = {
        "resource": "things",
        "namespace": "n",
        "uid": "u",
        "labels": b'{"app":"x"}',
        "version_at": 9,
    }
    insert = (
        "INSERT INTO objects (resource, namespace, name, uid, revision, version_at, labels, body) "
        "VALUES (:resource, :namespace, :name, :uid, :revision, :version_at, :labels, :body)"
    )
    for name, revision in (("a", 5), ("b", 3)):
        body = b'{"value":%d,"metadata":{"labels":{"app":"x"}}}' % revision
        connection.execute(text(insert), {**row, "name": name, "revision": revision, "body": body})
    event = (
        "INSERT INTO log (revision, resource, namespace, name, type, uid, version_at, labels, body, previous_revision, "
        "previous_at, previous, created_at) VALUES (:revision, :resource, :namespace, :name, :type, :uid, :version_at, "
        ":labels, :body, :before, 0, :previous, 0)"
    )
    for revision, kind, name, before in ((4, "DELETED", "c", 2), (5, "MODIFIED", "a", 1)):
        said = {"name": name, "revision": revision, "type": kind, "before": before, "body": b"{}", "previous": b"{}"}
        connection.execute(text(event), {**row, **said})
    claim = "INSERT INTO claims (space, value, resource, namespace, name) VALUES ('port', '80', 'things', 'n', 'b')"
    connection.execute(text(claim))
    connection.execute(text("UPDATE revision SET value = 5, compacted = 3"))
    connection.commit()


async def test_a_database_of_the_first_schema_is_taken_over(url: str, new_database: Callable[[], str]) -> None:
    engine = open_engine(url)
    migrate.upgrade(engine, None, "0001")
    with engine.connect() as connection:
        _old_rows(connection)
    engine.dispose()
    store = await Store.open(url)
    assert {record.key.name: (record.revision, content(record)["value"]) for record in store.list("things")} == {
        "a": (5, 5),
        "b": (3, 3),
    }
    assert all(record.labels == {"app": "x"} and record.uid == "u" for record in store.list("things"))
    assert (store.revision, dict(store.claims("port"))) == (5, {"80": key("b")})
    with pytest.raises(Compacted):
        await store.watch("things", "", 4, LabelView())
    changed = await put(store, "a", "6")
    await store.submit([make_write("d", claims=(Claim("port", "81"),))])
    await store.compact()
    assert await held(store) == {3, changed, store.revision}
    await store.close()
