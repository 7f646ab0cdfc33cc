"""A watch is the log replayed: no gap, no repeat, and selections that objects enter and leave."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.storage.store import Store
from miniplane.settings import database_url
from tests.storage.objects import LabelView, frames_of, key, make_write

NAMES = st.sampled_from(["a", "b", "c"])
LABELS = st.sampled_from(["x", "y"])
STEPS = st.lists(st.tuples(st.sampled_from(["put", "put", "delete"]), NAMES, LABELS), min_size=1, max_size=30)


async def _apply(store: Store, steps: list[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Play the steps; the labels of every object after each revision, in order."""
    history: list[dict[str, str]] = []
    now: dict[str, str] = {}
    for number, (what, name, app) in enumerate(steps):
        live = store.get(key(name))
        if what == "delete":
            if live is None:
                continue
            await store.submit([make_write(name, "DELETED", live.revision, labels=dict(live.labels))])
            now.pop(name)
        else:
            kind: Any = "MODIFIED" if live else "ADDED"
            write = make_write(name, kind, live.revision if live else 0, labels={"app": app}, value=str(number))
            await store.submit([write])
            now[name] = app
        history.append(dict(now))
    return history


def _replay(start: dict[str, str], frames: list[bytes]) -> set[str]:
    """The names a client holds after the events; every event must fit what it held."""
    held = set(start)
    last = 0
    for frame in frames:
        kind, name, revision, _ = orjson.loads(frame)
        assert revision > last
        last = revision
        if kind == "ADDED":
            assert name not in held
            held.add(name)
        elif kind == "MODIFIED":
            assert name in held
        else:
            held.remove(name)
    return held


async def _check(steps: list[tuple[str, str, str]], app: str | None, cut: int, restart: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        url = database_url(None, Path(directory))
        store = await Store.open(url)
        begin = store.revision
        history = [{}, *await _apply(store, steps)]
        if restart:
            await store.close()
            store = await Store.open(url)
        position = min(cut, len(history) - 1)
        seen = {n: a for n, a in history[position].items() if app in (None, a)}
        watcher = await store.watch("things", "", begin + position, LabelView(app))
        final = {n for n, a in history[-1].items() if app in (None, a)}
        frames = await frames_of(watcher) if watcher._queue else []
        assert _replay(seen, frames) == final
        assert watcher.revision == store.revision
        await store.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.sampled_from([None, "x"]), st.integers(0, 30), st.booleans())
def test_list_and_watch_from_any_point_converge(
    steps: list[tuple[str, str, str]], app: str | None, cut: int, restart: bool
) -> None:
    asyncio.run(_check(steps, app, cut, restart))


async def test_watchers_and_writers_at_once_lose_nothing(store: Store) -> None:
    begin = store.revision
    watchers = [await store.watch("things", "", begin, LabelView()) for _ in range(5)]

    async def follow(index: int) -> list[int]:
        got: list[int] = []
        while len(got) < 200:
            got += [orjson.loads(frame)[2] for frame in await frames_of(watchers[index])]
        return got

    async def write(worker: int) -> None:
        for number in range(20):
            await store.submit([make_write(f"{worker}-{number}")])

    followers = [asyncio.create_task(follow(index)) for index in range(5)]
    await asyncio.gather(*(write(worker) for worker in range(10)))
    async with asyncio.timeout(20):
        for got in await asyncio.gather(*followers):
            assert got == list(range(begin + 1, begin + 201))


async def test_an_object_that_leaves_the_selection_shows_its_old_content(store: Store) -> None:
    (record,) = await store.submit([make_write("a", labels={"app": "x"}, value="old")])
    watcher = await store.watch("things", "", store.revision, LabelView("x"))
    (moved,) = await store.submit([make_write("a", "MODIFIED", record.revision, labels={"app": "y"}, value="new")])
    (frame,) = await frames_of(watcher)
    assert orjson.loads(frame) == ["DELETED", "a", moved.revision, "old"]


async def test_a_bookmark_stays_behind_what_waits(store: Store) -> None:
    begin = store.revision
    await store.submit([make_write("a")])
    watcher = await store.watch("things", "", begin, LabelView())
    assert watcher.revision == begin
    await frames_of(watcher)
    assert watcher.revision == store.revision
