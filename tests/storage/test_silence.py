"""A database that is there and says nothing: nobody waits for it for ever, and what it says later counts."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse, HTTPSConnection

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from apiserver.storage import waiters
from apiserver.storage.store import Store
from apiserver.storage.types import Unavailable
from tests.plane import Plane
from tests.storage.objects import RESOURCE, LabelView, frames_of, make_write

StartPlane = Callable[..., Plane]


@contextmanager
def stopped(url: str) -> Iterator[None]:
    """The processes of PostgreSQL that serve the connections of a database stand still."""
    engine = create_engine(make_url(url).set(database="postgres"))
    with engine.connect() as connection:
        wanted = text("SELECT pid FROM pg_stat_activity WHERE datname = :name")
        pids = connection.execute(wanted, {"name": make_url(url).database}).scalars().all()
    engine.dispose()
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_who_waits_for_a_silent_database_is_told(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiters, "SILENT", 0.5)
    url = new_database()
    one, other = await Store.open(url), await Store.open(url)
    try:
        watcher = await one.watch(RESOURCE, "", one.revision, LabelView())
        with stopped(url):
            results = await asyncio.gather(one.submit([make_write("begun")]), one.consistent(), return_exceptions=True)
            assert [type(result) for result in results] == [Unavailable, Unavailable]
            with pytest.raises(Unavailable):  # at once: the one before has found out
                await asyncio.wait_for(one.submit([make_write("refused")]), 0.3)
        monkeypatch.setattr(waiters, "SILENT", 60.0)  # the machine may be slow from here on
        async with asyncio.timeout(30):
            frames = await frames_of(watcher)  # what had begun was committed after all
        await asyncio.wait_for(one.submit([make_write("again")]), 30)
        assert [record.key.name for record in one.list(RESOURCE)] == ["again", "begun"] and len(frames) == 1
        await other.consistent()
        assert [record.key.name for record in other.list(RESOURCE)] == ["again", "begun"]
    finally:
        await one.close()
        await other.close()


async def test_a_store_is_closed_without_a_silent_databases_consent(new_database: Callable[[], str]) -> None:
    url = new_database()
    store = await Store.open(url)
    with stopped(url):
        waiting = asyncio.ensure_future(store.submit([make_write("begun")]))
        await asyncio.sleep(0)
        store.shutting_down()
        with pytest.raises(Unavailable):
            await waiting
        await asyncio.wait_for(store.close(), 30)


def test_a_server_ends_and_says_503_while_the_database_is_silent(
    start_plane: StartPlane, new_database: Callable[[], str]
) -> None:
    url = new_database()
    plane = start_plane("--nodes", "0", "--no-controllers", "--database-url", url)
    answers: list[HTTPResponse] = []

    def post() -> None:
        host, port = plane.url.removeprefix("https://").split(":")
        context = ssl.create_default_context(cafile=str(plane.directory / "pki" / "ca.crt"))
        connection = HTTPSConnection(host, int(port), context=context, timeout=30)
        sent.set()
        headers = {"Authorization": f"Bearer {plane.token}", "Content-Type": "application/json"}
        connection.request("POST", "/api/v1/namespaces", b'{"metadata": {"name": "late"}}', headers)
        answers.append(connection.getresponse())

    with stopped(url):
        sent, client = threading.Event(), threading.Thread(target=post)
        client.start()
        assert sent.wait(30)
        begun = 'apiserver_current_inflight_requests{request_kind="mutating"} 1'
        plane.eventually("/metrics", lambda text: begun in text)
        assert plane.stop() == 0
        client.join(30)
    assert [(answer.status, answer.getheader("Retry-After")) for answer in answers] == [(503, "1")]
