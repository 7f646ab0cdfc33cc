"""Replicas on PostgreSQL: a watch of one hears of what another commits, by notifications alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import create_engine, text

from apiserver.storage.store import Store
from tests.storage.objects import RESOURCE, LabelView, frames_of, make_write


async def test_a_watch_hears_of_another_replicas_writes(new_database: Callable[[], str]) -> None:
    url = new_database()
    one, other = await Store.open(url), await Store.open(url)
    try:
        watcher, frames = await one.watch(RESOURCE, "", one.revision, LabelView()), []
        for burst in range(20):
            await asyncio.gather(*(other.submit([make_write(f"{burst}-{number}")]) for number in range(5)))
        async with asyncio.timeout(30):
            while len(frames) < 100:
                frames += await frames_of(watcher)
        assert len(frames) == 100 and one.revision == other.revision
    finally:
        await one.close()
        await other.close()


async def test_a_lost_connection_is_made_again_and_nothing_is_missed(new_database: Callable[[], str]) -> None:
    url = new_database()
    one, other = await Store.open(url), await Store.open(url)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        watcher, frames = await one.watch(RESOURCE, "", one.revision, LabelView()), []
        await other.submit([make_write("before")])
        async with asyncio.timeout(30):
            frames += await frames_of(watcher)
        with engine.connect() as connection:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN miniplane'"
            assert len(connection.execute(text(ended)).all()) == 2
        for number in range(3):
            await other.submit([make_write(f"after-{number}")])
        async with asyncio.timeout(30):
            while len(frames) < 4:
                frames += await frames_of(watcher)
    finally:
        engine.dispose()
        await one.close()
        await other.close()


async def test_a_database_that_is_away_for_a_while_is_listened_to_again(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database()
    one, other = await Store.open(url), await Store.open(url)
    refused, connect = threading.Event(), one.engine.raw_connection

    def refuse() -> object:
        if refused.is_set():
            return connect()
        refused.set()
        raise psycopg.OperationalError("connection refused")

    try:
        watcher = await one.watch(RESOURCE, "", one.revision, LabelView())
        monkeypatch.setattr(one.engine, "raw_connection", refuse)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN miniplane'")
            )
        engine.dispose()
        assert await asyncio.to_thread(refused.wait, 30)
        await other.submit([make_write("after")])
        async with asyncio.timeout(30):
            assert len(await frames_of(watcher)) == 1
    finally:
        await one.close()
        await other.close()
