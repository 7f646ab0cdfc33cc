"""Events: counted, aggregated, limited."""

from __future__ import annotations

import asyncio
from typing import Any

from miniplane.client import events

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns", "uid": "u"}}


class Written:
    def __init__(self) -> None:
        self.created: list[Any] = []
        self.patched: list[Any] = []

    async def create(self, resource: Any, obj: Any) -> Any:
        self.created.append(obj)
        return obj

    async def patch(self, resource: Any, name: str, namespace: str, patch: Any, **_: Any) -> Any:
        self.patched.append(patch)
        return {"metadata": {"name": name, "namespace": namespace}, **patch}


async def record(messages: list[str]) -> Written:
    written = Written()
    recorder = events.EventRecorder(written)  # type: ignore[arg-type]
    for message in messages:
        recorder.event("tester", POD, "Normal", "Tested", message)
    task = asyncio.create_task(recorder.run())
    async with asyncio.timeout(5):
        while not recorder._queue.empty():
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    return written


async def test_the_same_event_again_raises_its_count() -> None:
    written = await record(["m"] * 3)
    assert [one["message"] for one in written.created] == ["m"]
    assert [one["count"] for one in written.patched] == [2, 3]
    assert written.created[0]["involvedObject"]["uid"] == "u"


async def test_many_similar_events_are_combined() -> None:
    written = await record([f"m{number}" for number in range(12)])
    assert len(written.created) == 10
    assert written.created[-1]["message"] == "(combined from similar events): m9"
    assert [one["count"] for one in written.patched] == [2, 3]


async def test_one_source_about_one_object_is_limited() -> None:
    written = await record(["m"] * 40)
    assert 1 + len(written.patched) == events.BURST
